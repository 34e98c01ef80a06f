"""Log in by JSON Web Token: whoever issues them says who people are.

Run it: python -m examples.authentication.web_token
"""

import asyncio
import tempfile
import time
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from examples.authentication.hub import hub

from vestibule.client import LoginRefused, open_session


ISSUER, AUDIENCE = "https://login.example", "hub"


def token(key: Ed25519PrivateKey, *, seconds: int = 600) -> str:
    """Make a token, as the issuer would; a real issuer does it after a login page."""
    claims = {
        "sub": "lisa",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": int(time.time()) + seconds,
        "groups": ["editors"],
    }
    return jwt.encode(claims, key, algorithm="EdDSA")


async def log_in(url: str, server_key: str, shown: str) -> str:
    """Log in with the token alone: the name stands in it."""
    async with open_session(url, {"jwt": shown}, server_key=server_key) as session:
        return session.security.get_principal()


async def main() -> None:
    """Start a broker that believes an issuer, and show it three tokens."""
    key, forger = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    with tempfile.TemporaryDirectory() as folder:
        public = Path(folder) / "issuer.pem"
        public.write_bytes(
            key.public_key().public_bytes(
                Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
            )
        )
        public.chmod(0o644)
        settings = {
            "algorithms": ["EdDSA"],
            "key_file": public,
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "groups_claim": "groups",  # the group is jwt-editors, if there is one
        }
        async with hub(authenticators=["jwt", "directory"], jwt=settings) as broker:
            print("let in:", await log_in(broker.url, broker.server_key, token(key)))
            for bad in (token(forger), token(key, seconds=-600)):
                try:
                    await log_in(broker.url, broker.server_key, bad)
                except LoginRefused as refusal:
                    print("refused:", refusal.code)


if __name__ == "__main__":
    asyncio.run(main())
