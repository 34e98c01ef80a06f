"""deepstream: its server, on uWebSockets.js or, where that is missing, on ws."""

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from harness.launch import Command
from harness.peers.base import HOST, PASSWORD, js_driver, package_version
from harness.plan import Plan, Stage
from harness.servers import Ports


__all__ = ["peer"]

LOG_ERRORS = 3
"""The number: a textual `logLevel` makes deepstream log every message, whatever it
says (9.4 instead of 5.4 us an event)."""
HASH, ITERATIONS, KEY_BYTES = "md5", 100, 32
SALT = "GS4SbTQYmoaGwjm2shEobg=="
MEMBER = "user.data.role === 'member'"


class Deepstream:
    """deepstream with file authentication and the Valve permission rules."""

    name = "deepstream"
    lacks: frozenset[str] = frozenset()

    def __init__(self, peers: Path) -> None:
        self.modules = peers / "node" / "node_modules"
        self.program = self.modules / "@deepstream/server/dist/bin/deepstream"

    @property
    def on_uws(self) -> bool:
        """Whether uWebSockets.js itself is installed, not the package that stands in."""
        return (self.modules / "uWebSockets.js" / "uws.js").exists()

    def missing(self) -> str | None:
        """Look for the installation."""
        return None if self.program.exists() else "deepstream (run peers.sh)"

    def about(self) -> dict[str, str]:
        """Describe the configuration below."""
        client = package_version(self.modules, "@deepstream/client")
        return {
            "version": package_version(self.modules, "@deepstream/server"),
            "client": f"@deepstream/client {client}",
            "transport": f"WebSocket ({'uWebSockets.js' if self.on_uws else 'ws'})",
            "passwords": f"PBKDF2-{HASH}, {ITERATIONS} iterations (its example)",
            "permissions": "Valve rules on a role of the user",
        }

    def server(self, stage: Stage, folder: Path, ports: Ports, plan: Plan) -> Command:
        """Write the configuration; the same for every stage."""
        del stage
        config = folder / "config.yml"  # JSON is YAML
        settings = configuration(ports.main, plan.users, on_uws=self.on_uws)
        config.write_text(json.dumps(settings))
        argv = ["node", str(self.program), "start", "-c", str(config)]
        return Command(argv, folder)

    def driver(self, ports: Ports, plan: Plan, scenarios: Sequence[str]) -> Command:
        """Drive it with its official client."""
        url = f"ws://{HOST}:{ports.main}/deepstream"
        options = {"modules": f"{self.modules.parent}/", "url": url}
        return js_driver("deepstream", options, plan, scenarios)


def configuration(port: int, users: int, *, on_uws: bool) -> dict[str, object]:
    """Give deepstream's own defaults, with users, permissions and no log."""
    key = hashlib.pbkdf2_hmac(
        HASH, PASSWORD.encode(), SALT.encode(), ITERATIONS, KEY_BYTES
    )
    account = {
        "password": base64.b64encode(key).decode() + SALT,
        "serverData": {"role": "member"},
        "clientData": {},
    }
    authentication = {
        "users": {f"u{number}": account for number in range(users)},
        "hash": HASH,
        "iterations": ITERATIONS,
        "keyLength": KEY_BYTES,
    }
    endpoint = {
        "urlPath": "/deepstream",
        "heartbeatInterval": 30_000,
        "outgoingBufferTimeout": 0,
        "maxBufferByteSize": 100_000,
        "unauthenticatedClientTimeout": 180_000,
        "maxAuthAttempts": 3,
        "maxMessageSize": 1_048_576,
    }
    return {
        "serverName": "UUID",
        "showLogo": False,
        "logLevel": LOG_ERRORS,
        "telemetry": {"type": "deepstreamIO", "options": {"enabled": False}},
        "httpServer": {
            "type": "uws" if on_uws else "default",
            "options": {"host": HOST, "port": port, "healthCheckPath": "/health"},
        },
        "connectionEndpoints": [{"type": "ws-binary", "options": endpoint}],
        "auth": [{"type": "file", "options": authentication}],
        "permission": {
            "type": "config",
            "options": {
                "permissions": permissions(),
                "maxRuleIterations": 3,
                "cacheEvacuationInterval": 60_000,
            },
        },
    }


def permissions() -> dict[str, object]:
    """Deny everything but what the scenarios do, to members."""
    record = ("create", "write", "read", "delete", "listen", "notify")
    silent = {"publish": False, "subscribe": False, "listen": False}
    return {
        "presence": {"*": {"allow": False}},
        "record": {"*": dict.fromkeys(record, False)},
        "event": {
            "*": silent,
            "ev/*": {**silent, "publish": MEMBER, "subscribe": MEMBER},
            "readonly/*": {**silent, "subscribe": MEMBER},
        },
        "rpc": {
            "*": {"provide": False, "request": False},
            "rpc/*": {"provide": MEMBER, "request": MEMBER},
        },
    }


peer = Deepstream
