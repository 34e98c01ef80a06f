"""Let a web service decide logins: the broker asks it, signed, and fails closed.

Run it: python -m examples.authentication.webhook
"""

import asyncio
import hashlib
import hmac
import json
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from examples.authentication.hub import hub

from vestibule.client import LoginRefused, open_session


MOST_BYTES = 64 * 1024
OLDEST_SECONDS = 60


def genuine(header: str, body: bytes, secret: bytes, now: float) -> bool:
    """Check that the broker has asked this, and a moment ago."""
    fields = dict(part.partition("=")[::2] for part in header.split(","))
    stamp, signature = fields.get("t", ""), fields.get("v1", "")
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) < len("1" * 16)):
        return False
    expected = hmac.new(secret, stamp.encode() + b"." + body, hashlib.sha256)
    # Compared in constant time, and as bytes: headers may hold anything.
    same = hmac.compare_digest(expected.hexdigest().encode(), signature.encode())
    return same and abs(now - int(stamp)) <= OLDEST_SECONDS


def decide(question: dict[str, Any]) -> dict[str, Any]:
    """Decide a login: this service knows one user, and leaves others to the broker."""
    if question["principal"] != "lisa":
        return {"action": "abstain"}
    if question["credentials"].get("password") == "sesame":
        return {"action": "allow", "groups": [], "properties": {"from": "webhook"}}
    return {"action": "deny", "reason": "wrong password"}


@contextmanager
def service(secret: bytes) -> Iterator[str]:
    """Serve on a free port of this machine; give the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length", "0"))
            body = self.rfile.read(min(size, MOST_BYTES))
            header = self.headers.get("Vestibule-Signature", "")
            if not genuine(header, body, secret, time.time()):
                self.send_error(403)
                return
            answer = json.dumps(decide(json.loads(body))).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Write no log: it would be full of logins."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/login"
        finally:
            server.shutdown()


async def log_in(url: str, server_key: str, password: str) -> str:
    """Log lisa in; she need not be a user of the directory."""
    credentials = {"username": "lisa", "password": password}
    async with open_session(url, credentials, server_key=server_key) as session:
        return session.security.get_principal()


async def main() -> None:
    """Start the service and a broker that asks it, and log in rightly and wrongly."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "webhook.secret"
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
        with service(path.read_bytes()) as url:
            settings = {"url": url, "secret_file": path}
            async with hub(
                authenticators=["webhook", "directory"], webhook=settings
            ) as broker:
                key = broker.server_key
                print("let in:", await log_in(broker.url, key, "sesame"))
                try:
                    await log_in(broker.url, key, "Sesame")
                except LoginRefused as refusal:
                    print("refused:", refusal.code)


if __name__ == "__main__":
    asyncio.run(main())
