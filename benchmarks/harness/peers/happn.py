"""happn-3: secure mode, users and a group with permissions, its in-memory store."""

from collections.abc import Sequence
from pathlib import Path

from harness.launch import Command
from harness.peers.base import HOST, js_driver, package_version
from harness.plan import Plan, Stage
from harness.servers import Ports


__all__ = ["peer"]

SERVER = Path(__file__).resolve().parents[1] / "js" / "happn_server.mjs"


class Happn:
    """happn-3: publishing is an unstored `set`, which it acknowledges."""

    name = "happn"
    lacks: frozenset[str] = frozenset({"rpc_1", "rpc_50"})

    def __init__(self, peers: Path) -> None:
        self.modules = peers / "node" / "node_modules"

    def missing(self) -> str | None:
        """Look for the installation."""
        installed = (self.modules / "happn-3").exists()
        return None if installed else "happn-3 (run peers.sh)"

    def about(self) -> dict[str, str]:
        """Describe the configuration below."""
        version = package_version(self.modules, "happn-3")
        return {
            "version": version,
            "client": f"happn-3 {version}",
            "transport": "WebSocket (Primus on ws); no payload encryption since 12.0",
            "passwords": "PBKDF2, 10,000 iterations (its default)",
            "permissions": "group permissions by path",
        }

    def server(self, stage: Stage, folder: Path, ports: Ports, plan: Plan) -> Command:
        """Write the configuration; the same for every stage."""
        del stage
        arguments = [f"{self.modules.parent}/", str(ports.main), str(plan.users)]
        return Command(["node", str(SERVER), *arguments], folder, ready_line="READY")

    def driver(self, ports: Ports, plan: Plan, scenarios: Sequence[str]) -> Command:
        """Drive it with its official client."""
        options = {
            "modules": f"{self.modules.parent}/",
            "host": HOST,
            "port": ports.main,
        }
        return js_driver("happn", options, plan, scenarios)


peer = Happn
