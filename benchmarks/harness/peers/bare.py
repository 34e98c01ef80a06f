"""A bare hub: the yardstick between machines, without logins or permissions."""

from collections.abc import Sequence
from pathlib import Path

from harness.launch import Command
from harness.peers.base import BENCHMARKS, python_driver, said
from harness.plan import Plan, Stage
from harness.servers import Ports


__all__ = ["peer"]

VERSION = "from importlib.metadata import version; print(version('websockets'))"


class Bare:
    """`harness.bare_hub`, in the interpreter of the peers' folder."""

    name = "bare"
    lacks: frozenset[str] = frozenset({"login_seq", "login_conc"})

    def __init__(self, peers: Path) -> None:
        self.python = peers / "venv" / "bin" / "python"

    def missing(self) -> str | None:
        """Look for the installation."""
        return None if self.python.exists() else "websockets and uvloop (run peers.sh)"

    def about(self) -> dict[str, str]:
        """Describe what it does not do."""
        return {
            "version": "websockets " + said(self.python, "-c", VERSION),
            "client": "this harness's own",
            "transport": "WebSocket, uvloop",
            "passwords": "none",
            "permissions": "none",
        }

    def server(self, stage: Stage, folder: Path, ports: Ports, plan: Plan) -> Command:
        """There is nothing to configure."""
        del stage, folder, plan
        argv = [str(self.python), "-m", "harness.bare_hub", str(ports.main)]
        return Command(argv, BENCHMARKS)

    def driver(self, ports: Ports, plan: Plan, scenarios: Sequence[str]) -> Command:
        """Drive it with the harness's own client."""
        options = {"port": ports.main}
        return python_driver("bare", options, plan, scenarios, str(self.python))


peer = Bare
