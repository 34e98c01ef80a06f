"""Vestibule itself, with and without its encryption."""

import importlib.metadata
import importlib.util
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.launch import Command
from harness.peers.base import HOST, PASSWORD, python_driver
from harness.plan import Plan, Stage
from harness.servers import Ports


__all__ = ["clear", "encrypted", "library"]

QUIET_SECONDS = 600
"""No heartbeats while measuring: an idle session costs memory alone."""
CLIENTS = {
    "lean": "this harness's own, on vestibule.protocol",
    "vestibule": "vestibule.client",
}


class Vestibule:
    """`vestibule serve`, its users and groups made by the administrator."""

    lacks: frozenset[str] = frozenset()

    def __init__(self, name: str, encryption: str, client: str = "lean") -> None:
        self.name = name
        self.encryption = encryption
        self.client = client

    def missing(self) -> str | None:
        """Look for the command and for the client in this interpreter."""
        if program() is None or importlib.util.find_spec("vestibule") is None:
            return "vestibule (pip install 'vestibule[server]')"
        return None

    def about(self) -> dict[str, str]:
        """Describe the configuration below."""
        boxes = "NaCl boxes" if self.encryption == "required" else "in the clear"
        version = importlib.metadata.version("vestibule")
        return {
            "version": version,
            "client": CLIENTS[self.client],
            "transport": f"WebSocket, {boxes}",
            "passwords": "argon2id, 64 MiB, 2 passes (its default)",
            "permissions": "rules of a group, decided for each message and delivery",
        }

    def server(self, stage: Stage, folder: Path, ports: Ports, plan: Plan) -> Command:
        """Write the configuration; the folder is new, so the directory is too."""
        del stage, plan
        config = folder / "config.yaml"  # JSON is YAML, and its "off" stays a text
        settings = configuration(ports.main, folder, self.encryption)
        config.write_text(json.dumps(settings))
        return Command(
            [program() or "vestibule", "serve", "--config", str(config)],
            folder,
            {"VESTIBULE_ADMIN_PASSWORD": PASSWORD},
        )

    def driver(self, ports: Ports, plan: Plan, scenarios: Sequence[str]) -> Command:
        """Drive it with one of the two clients."""
        url = f"ws://{HOST}:{ports.main}"
        options = {"url": url, "encryption": self.encryption}
        return python_driver(self.client, options, plan, scenarios)


def configuration(port: int, folder: Path, encryption: str) -> dict[str, object]:
    """Give the defaults, with room for many logins from one address."""
    return {
        "name": "bench",
        "listen": {"host": HOST, "port": port},
        "http": None,
        "data": str(folder / "data"),
        "encryption": encryption,
        "handler": "directory",
        "quarantine": {"max_per_address": 2_000, "max_connections": 2_000},
        "passwords": {"queue": 2_000},
        "heartbeat": {"interval": QUIET_SECONDS},
    }


def program() -> str | None:
    """Find the command: beside this interpreter, else on the path."""
    beside = Path(sys.executable).parent / "vestibule"
    return str(beside) if beside.exists() else shutil.which("vestibule")


def encrypted(_peers: Path) -> Vestibule:
    """As it is meant to run."""
    return Vestibule("vestibule", "required")


def clear(_peers: Path) -> Vestibule:
    """`encryption: off`, for use behind TLS on one host."""
    return Vestibule("vestibule-clear", "off")


def library(_peers: Path) -> Vestibule:
    """As it is meant to run, and loaded by the client that comes with it."""
    return Vestibule("vestibule-library", "required", "vestibule")
