"""NATS: one server, reached over TCP or over WebSocket."""

from collections.abc import Sequence
from pathlib import Path

from harness.launch import Command
from harness.peers.base import HOST, PASSWORD, Peer, python_driver, said
from harness.plan import Plan, Stage
from harness.servers import Ports


__all__ = ["tcp", "websocket"]

BCRYPT = "$2a$11$uyRDD1PL4SIcqNKLH0TSaOB4q9Dm2WAu/D1R8l02YZED8L8KZCjqy"
"""`password` at cost 11, which its own tool takes."""

CONFIGURATION = """\
host: {host}
port: {port}
max_pending: 256MB
websocket {{ host: {host}, port: {second}, no_tls: true }}
MEMBER = {{
  publish: {{ allow: ["ev.>", "rpc.>", "_INBOX.>"] }}
  subscribe: {{ allow: ["ev.>", "rpc.>", "readonly.>", "_INBOX.>"] }}
}}
authorization {{
  timeout: 60
  users = [
{users}
  ]
}}
"""
ACCOUNT = '    {{ user: u{number}, password: "{password}", permissions: $MEMBER }}'


class Nats:
    """NATS with users and subject permissions in its configuration."""

    lacks: frozenset[str] = frozenset()

    def __init__(self, peers: Path, name: str, scheme: str) -> None:
        self.name = name
        self.scheme = scheme
        self.bin = peers / "venv" / "bin"

    def missing(self) -> str | None:
        """Look for the installation."""
        installed = (self.bin / "nats-server").exists()
        return None if installed else "nats-server (run peers.sh)"

    def about(self) -> dict[str, str]:
        """Describe the configuration below."""
        return {
            "version": said(self.bin / "nats-server", "--version").split(" v")[-1],
            "client": "nats-py " + said(self.bin / "python", "-c", CLIENT_VERSION),
            "transport": "TCP" if self.scheme == "nats" else "WebSocket",
            "passwords": "bcrypt, cost 11, for logins; else in the clear, on the server",
            "permissions": "subjects by user",
        }

    def server(self, stage: Stage, folder: Path, ports: Ports, plan: Plan) -> Command:
        """Write the configuration: bcrypt for logins."""
        # A bcrypt of cost 11 takes a tenth of a second: only the logins are made to
        # pay for it, the other scenarios do not change by it.
        password = BCRYPT if stage is Stage.LOGIN else PASSWORD
        users = "\n".join(
            ACCOUNT.format(number=number, password=password)
            for number in range(plan.users)
        )
        config = folder / "nats.conf"
        config.write_text(
            CONFIGURATION.format(
                host=HOST, port=ports.main, second=ports.second, users=users
            )
        )
        return Command([str(self.bin / "nats-server"), "-c", str(config)], folder)

    def driver(self, ports: Ports, plan: Plan, scenarios: Sequence[str]) -> Command:
        """Drive it with its official client."""
        port = ports.main if self.scheme == "nats" else ports.second
        options = {"url": f"{self.scheme}://{HOST}:{port}"}
        python = str(self.bin / "python")
        return python_driver("nats", options, plan, scenarios, python)


CLIENT_VERSION = "from importlib.metadata import version; print(version('nats-py'))"


def tcp(peers: Path) -> Peer:
    """NATS as most of its clients speak to it."""
    return Nats(peers, "nats", "nats")


def websocket(peers: Path) -> Peer:
    """NATS over its WebSocket listener."""
    return Nats(peers, "nats-ws", "ws")
