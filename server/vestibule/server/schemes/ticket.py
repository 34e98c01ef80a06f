"""Logins by resume ticket: a client that was cut off comes back."""

from functools import partial
from typing import Final

from vestibule.protocol.signatures import SigningKey, ticket_login, verifies
from vestibule.server.admissions import Admission, Refusal
from vestibule.server.attempts import Attempt
from vestibule.server.directory import Directory
from vestibule.server.directory.verifier import Verifier
from vestibule.server.schemes.tickets import KeptTicket, Tickets


__all__ = ["TicketChecker"]

_AUTHENTICATOR: Final = "directory"


class TicketChecker:
    """Checks the signature of the key that a ticket was given to, and uses it up."""

    def __init__(self, directory: Directory, tickets: Tickets) -> None:
        self._directory: Final = directory
        self._tickets: Final = tickets
        self._decoy: Final = SigningKey.generate().public
        """Stands for the key of a ticket that there is not."""

    def account(self, attempt: Attempt) -> str | None:
        """Give the name that failures are counted under: that of the ticket's user."""
        kept = self._tickets.find(attempt.auth_data["ticket"])
        return None if kept is None else kept.username

    async def check(self, attempt: Attempt) -> Admission | Refusal:
        """Verify the signature; a good one uses the ticket up, a bad one nothing.

        A signature is verified also where there is no such ticket.
        """
        if attempt.exporter is None:
            return Refusal(authenticator=_AUTHENTICATOR)
        ticket = attempt.auth_data["ticket"]
        kept = self._tickets.find(ticket)
        signed = ticket_login(attempt.exporter, ticket)
        key = self._decoy if kept is None else kept.resume_key
        good = verifies(key, signed, attempt.auth_data["signature"])
        if kept is None or not good or not self._tickets.use(kept):
            return Refusal(authenticator=_AUTHENTICATOR)
        user = self._directory.user(kept.username)
        if user is None or user.user_id != kept.user_id:
            return Refusal(authenticator=_AUTHENTICATOR)
        if not self._directory.may_log_in(user):
            return Refusal(authenticator=_AUTHENTICATOR)
        return Admission(
            user.username,
            _AUTHENTICATOR,
            user_id=user.user_id,
            # What voids tickets voids this one too, while others decide.
            stands=partial(self._stands, kept, user.password),
            replaces=kept.session_id,
            proof=kept.continued,
        )

    def _stands(self, kept: KeptTicket, password: Verifier | None) -> bool:
        user = self._directory.user(kept.username)
        return user is not None and user.password is password and not kept.void
