"""Let a program of one's own decide logins, as a session of the broker itself.

Run it: python -m examples.authentication.control
"""

import asyncio
import hmac
from collections.abc import Mapping

from examples.authentication.hub import administrator, hub

from vestibule.client import (
    Abstain,
    Allow,
    AuthenticationRequest,
    Authenticator,
    Deny,
    LoginRefused,
    open_session,
)


class Badges(Authenticator):
    """Lets in whoever shows the number of a badge, and leaves others to the broker."""

    def __init__(self, badges: Mapping[str, str]) -> None:
        self._badges = badges

    async def authenticate(
        self, request: AuthenticationRequest
    ) -> Allow | Deny | Abstain:
        """Decide a login. What raises here, or takes too long, is a refusal."""
        badge = request.credentials.get("badge")
        if badge is None:
            return Abstain()
        expected = self._badges.get(request.principal)
        if not isinstance(badge, str) or expected is None:
            return Deny("no such badge")
        if not hmac.compare_digest(badge.encode(), expected.encode()):
            return Deny("another badge")
        # Roles and properties are what is said here; those of a user of that name
        # would come with `Allow(directory_groups=True)`.
        return Allow({"$Roles": '"visitors"', "entrance": "north"})

    def closed(self, code: str) -> None:
        """Hear that nobody is asked here any more; a real program registers anew."""
        print("closed:", code)


async def log_in(url: str, server_key: str, badge: str) -> str:
    """Log lisa in by her badge."""
    credentials = {"username": "lisa", "badge": badge}
    async with open_session(url, credentials, server_key=server_key) as session:
        return session.security.get_principal()


async def main() -> None:
    """Start a broker, register, and log in rightly and wrongly."""
    async with hub(authenticators=["control:badges", "directory"]) as broker:
        url, key = broker.url, broker.server_key
        # In earnest this is a user with REGISTER_HANDLER and AUTHENTICATE alone.
        async with open_session(url, administrator(broker), server_key=key) as session:
            badges = Badges({"lisa": "4711"})
            registration = await session.security.set_authenticator("badges", badges)
            print("let in:", await log_in(url, key, "4711"))
            try:
                await log_in(url, key, "0815")
            except LoginRefused as refusal:
                print("refused:", refusal.code)
            await registration.close()


if __name__ == "__main__":
    asyncio.run(main())
