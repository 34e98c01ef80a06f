"""Log in by password: the broker sees it, inside the encrypted connection.

Run it: python -m examples.authentication.password
"""

import asyncio

from examples.authentication.hub import add_user, hub

from vestibule.client import LoginRefused, open_session


async def log_in(url: str, server_key: str, password: str) -> str:
    """Log lisa in and tell whom the broker has let in."""
    credentials = {"username": "lisa", "password": password}
    # The key says which broker this is: nobody else is shown the password.
    async with open_session(url, credentials, server_key=server_key) as session:
        return session.security.get_principal()


async def main() -> None:
    """Start a broker with a user, and log in rightly and wrongly."""
    async with hub() as broker:
        await add_user(broker, {"username": "lisa", "password": "sesame"})
        print("let in:", await log_in(broker.url, broker.server_key, "sesame"))
        try:
            await log_in(broker.url, broker.server_key, "Sesame")
        except LoginRefused as refusal:
            print("refused:", refusal.code)


if __name__ == "__main__":
    asyncio.run(main())
