"""What a lost session is taken up with: a ticket of the broker, else the login data."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from vestibule.client.channel import Feature
from vestibule.client.login import Accepted, Login
from vestibule.client.schemes import TicketLogin
from vestibule.protocol.messages import Message, TicketReplaced
from vestibule.protocol.signatures import SigningKey


__all__ = ["Resumption"]


class Resumption(Feature):
    """Keeps a ticket as long as it is good, and login data unless told not to.

    A ticket is presented until the broker has answered it: what was cut off before the
    answer may not have used it up.
    """

    def __init__(self, *, keep_login_data: bool) -> None:
        self._loop: Final = asyncio.get_running_loop()
        self._keeps: Final = keep_login_data
        self._key: SigningKey | None = None
        self._ticket: bytes | None = None
        self._ttl = 0.0
        self._until: float | None = None
        self._username = ""
        self.login: Login | None = None
        """What was accepted last, None where it is not kept."""

    def __repr__(self) -> str:
        return "<Resumption>"

    @property
    def possible(self) -> bool:
        """Whether there is anything to log in with."""
        return self._ticket is not None or self.login is not None

    # What comes in.

    def handlers(self) -> Mapping[type[Message], Callable[[Any], None]]:
        """Read when the broker voids the ticket and gives another."""
        return {TicketReplaced: self._replaced}

    def accepted(self, key: SigningKey | None, accepted: Accepted) -> None:
        """Take the ticket that came with an admission, in place of any other.

        `key` is the one under which it was asked for.
        """
        self._key = key
        self._username = accepted.username
        self._take(accepted.ticket, accepted.ticket_ttl)

    def _replaced(self, notice: TicketReplaced) -> None:
        self._take(notice.ticket, notice.ttl_ms / 1000)

    def _take(self, ticket: bytes | None, ttl: float) -> None:
        self._ticket = ticket if self._key is not None else None
        self._ttl = ttl
        self._until = None

    def keep(self, login: Login) -> None:
        """Keep the login data that were accepted, if any are to be kept."""
        if self._keeps:
            self.login = login

    def password_changed(self, password: str) -> None:
        """Keep the new password in place of the old one."""
        if self.login is not None:
            self.login = self.login.with_password(password)

    def token_changed(self, token: str) -> None:
        """Keep the new session token in place of the old one."""
        if self.login is not None:
            self.login = self.login.with_token(token)

    def lost(self) -> None:
        """Take note that the connection is gone: the ticket's time runs."""
        if self._until is None:
            self._until = self._loop.time() + self._ttl

    def ended(self, reason: str, *, quietly: bool) -> None:
        """Forget it all."""
        del reason, quietly
        self._ticket = self._key = self.login = None

    # What is logged in with.

    def ticket(self) -> TicketLogin | None:
        """Give the login by ticket, if there is a ticket that may be good."""
        if self._ticket is None or self._key is None:
            return None
        if self._until is not None and self._loop.time() >= self._until:
            self._ticket = None
            return None
        return TicketLogin(self._ticket, self._key)

    def refused(self) -> None:
        """Forget a ticket that the broker has refused."""
        self._ticket = None
