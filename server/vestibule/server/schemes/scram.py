"""Logins that prove a password without showing it. They cost no slow hash here."""

import secrets
from typing import Final

from vestibule.protocol.scram import NONCE_BYTES, ScramExchange
from vestibule.server.admissions import Admission, Refusal
from vestibule.server.attempts import Attempt
from vestibule.server.directory import Directory


__all__ = ["ScramChecker"]

_AUTHENTICATOR: Final = "directory"


class ScramChecker:
    """Sends the challenge of a login, and checks the proof that answers it."""

    def __init__(self, directory: Directory) -> None:
        self._directory: Final = directory

    def account(self, attempt: Attempt) -> str | None:
        """Give the name that failures are counted under."""
        return attempt.account

    async def check(self, attempt: Attempt) -> Admission | Refusal:
        """Ask for the proof and check it, with the same steps for every name.

        A name without a password is challenged like any other, always with the same
        salt and cost, and no proof is right.
        """
        exporter, challenge = attempt.exporter, attempt.challenge
        if exporter is None or challenge is None:
            return Refusal(authenticator=_AUTHENTICATOR)
        name = attempt.username
        verifier = self._directory.challenge(name)
        exchange = ScramExchange(
            username=name,
            client_nonce=attempt.auth_data["client_nonce"],
            server_nonce=secrets.token_bytes(NONCE_BYTES),
            salt=verifier.salt,
            opslimit=verifier.opslimit,
            memlimit=verifier.memlimit,
            exporter=exporter,
        )
        answer = await challenge(
            {
                "server_nonce": exchange.server_nonce,
                "salt": exchange.salt,
                "opslimit": exchange.opslimit,
                "memlimit": exchange.memlimit,
            }
        )
        right = exchange.proves(answer["proof"], verifier.stored_key)
        signature = exchange.server_signature(verifier.server_key)
        user = self._directory.proven(name, verifier)
        if user is None or not right:
            return Refusal(authenticator=_AUTHENTICATOR)
        return Admission(
            user.username,
            _AUTHENTICATOR,
            user_id=user.user_id,
            stands=lambda: self._directory.proven(name, verifier) is not None,
            answer={"server_signature": signature},
        )
