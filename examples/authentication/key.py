"""Log in by key: a service signs its connection, and has no password to lose.

Run it: python -m examples.authentication.key
"""

import asyncio
import base64

from examples.authentication.hub import add_user, hub
from nacl.signing import SigningKey

from vestibule.client import LoginRefused, open_session


async def log_in(url: str, server_key: str, signing_key: SigningKey) -> str:
    """Log the robot in; the key itself does not leave this process."""
    credentials = {"username": "robot", "signing_key": signing_key}
    async with open_session(url, credentials, server_key=server_key) as session:
        return session.security.get_principal()


async def main() -> None:
    """Start a broker that knows the public half of a key, and log in with the other."""
    mine, another = SigningKey.generate(), SigningKey.generate()
    async with hub() as broker:
        public = base64.b64encode(bytes(mine.verify_key)).decode()
        await add_user(broker, {"username": "robot", "public_key": public})
        print("let in:", await log_in(broker.url, broker.server_key, mine))
        try:
            await log_in(broker.url, broker.server_key, another)
        except LoginRefused as refusal:
            print("refused:", refusal.code)


if __name__ == "__main__":
    asyncio.run(main())
