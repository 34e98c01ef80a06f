"""Judging a login, the first of a connection or that of a session anew: one path.

Limits come first, then the proof where the scheme has one, then the chain; whatever is
refused is counted and audited here (docs/security.md, "Logins").
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Protocol

from vestibule.protocol.errors import CloseCode, ErrorCode
from vestibule.protocol.principals import MAX_PRINCIPAL_BYTES
from vestibule.server.admissions import Admission, Refusal, Turned
from vestibule.server.attempts import PLAIN, TOKEN, Attempt
from vestibule.server.audit import AuditLog
from vestibule.server.authenticators import Chain, DirectoryAuthenticator
from vestibule.server.counters import Counters
from vestibule.server.directory import Directory
from vestibule.server.directory.model import AnonymousAction
from vestibule.server.directory.names import folded
from vestibule.server.directory.roles import RolesKind
from vestibule.server.lockout import AddressFailures, Lockout
from vestibule.server.sessions import Sessions
from vestibule.server.turnstile import Key, Turnstile


__all__ = ["Entry", "Judge", "ProofChecker"]

_NAME_LENGTH: Final = MAX_PRINCIPAL_BYTES + 1
"""Characters that are kept of a name that is no user's: it is longer than any is."""

_RETRY: Final = 5.0
"""Seconds after which to come back while audit lines cannot be written."""


class ProofChecker(Protocol):
    """Checks the proofs of one scheme, before anybody of the chain is asked."""

    def account(self, attempt: Attempt) -> str | None:
        """Give the name that failures are counted under, None if there is none yet."""

    async def check(self, attempt: Attempt) -> Admission | Refusal:
        """Check the proof: whom the directory would let in, or why nobody."""


class Entry(Protocol):
    """Says under which conditions those may come in whom the chain lets in."""

    def early(self, attempt: Attempt) -> Refusal | None:
        """Refuse what nothing in the login can change, before it is evaluated."""

    async def enter(
        self, attempt: Attempt, admission: Admission
    ) -> Admission | Refusal:
        """Take an admission in, and give it as the session is to have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Decides logins; it makes no session and changes none."""

    chain: Chain
    directory: Directory
    lockout: Lockout
    addresses: AddressFailures
    turnstile: Turnstile
    sessions: Sessions
    sessions_per_user: int
    counters: Counters
    audit: AuditLog
    checkers: Mapping[str, ProofChecker] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """By scheme; a scheme without one is not available."""
    entry: Entry | None = None

    async def judge(self, attempt: Attempt) -> Admission | Turned:
        """Decide a login: whom it lets in, or what to refuse it with.

        Where the logins that are evaluated already could lock the name or its address
        if they all failed, it waits for one of them, so that no more are evaluated side
        by side than one after the other. A login that is cancelled while it is
        evaluated, because its connection went away or its time was over, counts as
        failed; one that waits does not.
        """
        await self.audit.room()
        return await _Judgement(self, attempt).reach()


class _Judgement:
    """One login under judgement."""

    __slots__ = ("_address", "_attempt", "_checker", "_judge", "_name")

    def __init__(self, judge: Judge, attempt: Attempt) -> None:
        self._judge: Final = judge
        self._address: Final = attempt.connection.remote_address
        checker = judge.checkers.get(attempt.scheme)
        self._attempt: Final = attempt
        self._checker: Final = checker
        account = attempt.account if checker is None else checker.account(attempt)
        self._name: str | None = self._counted_as(account)

    async def reach(self) -> Admission | Turned:
        """Come to a decision."""
        attempt, turnstile = self._attempt, self._judge.turnstile
        # A token where nobody knows tokens is login data like any.
        if self._checker is None and attempt.scheme not in {PLAIN, TOKEN}:
            return self._turn(
                Refusal(
                    ErrorCode.SCHEME_NOT_AVAILABLE,
                    "scheme not available",
                    evaluated=False,
                )
            )
        while (refused := self._refused_before()) is None:
            full = self._full()
            if full is None:
                with turnstile.under(*self._bounds()):
                    return await self._evaluate()
            await turnstile.wait(full)
        return refused

    def _bounds(self) -> Mapping[Key, int | None]:
        """Give what the login counts under, and how many failures each has left."""
        judge, address = self._judge, self._address
        bounds: dict[Key, int | None] = {
            address: judge.addresses.failures_left(address)
        }
        if self._name is not None:
            left = judge.lockout.failures_left(self._name, address)
            bounds[self._name, address] = left
        return bounds

    def _full(self) -> Key | None:
        """Find where those under evaluation may use up every failure that is left."""
        for key, left in self._bounds().items():
            passing = self._judge.turnstile.passing(key)
            # With nobody to wait for it is its turn, whatever is left.
            if left is not None and passing and passing >= left:
                return key
        return None

    async def _evaluate(self) -> Admission | Turned:
        """Check the proof, ask the authenticators, and count what comes of it."""
        counters = self._judge.counters
        try:
            answer = await self._asked()
        except asyncio.CancelledError:
            counters.add("logins_evaluated")
            self._failed()
            raise
        match answer:
            case Turned():
                return answer
            case Refusal(evaluated=False):
                return self._turn(answer)
            case Refusal():
                counters.add("logins_evaluated")
                self._failed()
                return self._turn(answer)
            case Admission():
                counters.add("logins_evaluated")
                # Whoever comes in as somebody else has not shown to be whom it named:
                # one account of one's own would buy any number of guesses at others.
                if self._name and self._counted_as(answer.username) == self._name:
                    self._judge.lockout.succeeded(self._name, self._address)
                return answer

    async def _asked(self) -> Admission | Refusal | Turned:
        """Check the proof, ask the chain, then let in whom both let in."""
        judge, attempt = self._judge, self._attempt
        if judge.entry is not None:
            early = judge.entry.early(attempt)
            if early is not None:
                return early
        if self._checker is not None:
            proven = await self._checker.check(attempt)
            if isinstance(proven, Refusal):
                return proven
            attempt = attempt.proved(proven)
            if self._name is None:
                # Whose proof it is shows only now.
                self._name = self._counted_as(proven.username)
                locked = self._locked()
                if locked is not None:
                    return locked
        answer = await judge.chain.authenticate(attempt)
        if isinstance(answer, Refusal):
            return answer
        stopped = self._stopped(answer)
        if stopped is not None or judge.entry is None:
            return stopped or answer
        answer = await judge.entry.enter(attempt, answer)
        if isinstance(answer, Refusal):
            return answer
        # It took its time, in which others may have come in, or the user have gone.
        return self._stopped(answer) or answer

    def _refused_before(self) -> Turned | None:
        """Refuse what is locked, before any authenticator is asked."""
        if self._judge.audit.refuses:
            # Nobody comes in of whom there would be no line (`audit.on_failure`).
            return self._turn(
                Refusal(ErrorCode.BUSY, "busy", evaluated=False, retry_after=_RETRY)
            )
        after = self._judge.addresses.retry_after(self._address)
        if after is None:
            return self._locked()
        self._judge.counters.add("logins_locked")
        refusal = Refusal(
            ErrorCode.TOO_MANY_AUTH_ATTEMPTS,
            "too many failed logins from this address",
            retry_after=after,
        )
        return self._turn(refusal, bye=CloseCode.TOO_MANY_AUTH_ATTEMPTS)

    def _locked(self) -> Turned | None:
        if self._name is None:
            return None
        after = self._judge.lockout.locked(self._name, self._address)
        if after is None:
            return None
        self._judge.counters.add("logins_locked")
        return self._turn(
            Refusal(ErrorCode.ACCOUNT_LOCKED, "account locked", retry_after=after)
        )

    def _failed(self) -> None:
        self._judge.addresses.failed(self._address)
        if self._name is not None:
            self._judge.lockout.failed(self._name, self._address)

    def _counted_as(self, name: str | None) -> str | None:
        """Give the name that failures count under: one for all spellings of a user.

        And of a name that is nobody's: it would show what is somebody's otherwise.
        """
        if name is None:
            return None
        directory = self._judge.directory
        user = directory.user(name)
        if user is not None:
            return user.username
        spelled = directory.policy.model.spellings is None
        return (name if spelled else folded(name))[:_NAME_LENGTH]

    def _turn(self, refusal: Refusal, *, bye: CloseCode | None = None) -> Turned:
        judge, name = self._judge, self._name
        busy = refusal.code is ErrorCode.BUSY
        judge.counters.add("logins_busy" if busy else "logins_refused")
        judge.audit.login_refused(
            session_id=self._attempt.connection.session_id,
            # Only names that are users': people type passwords into the wrong field.
            username=name if name and judge.directory.user(name) else "",
            address=self._address,
            code=refusal.code,
            reason=refusal.told or refusal.reason,
            authenticator=refusal.authenticator,
        )
        details: dict[str, Any] = {}
        if refusal.client_data is not None:
            details["client_data"] = refusal.client_data
        if refusal.retry_after is not None:
            details["retry_after"] = round(refusal.retry_after, 3)
        return Turned(refusal.code, refusal.reason, details, bye)

    def _stopped(self, admission: Admission) -> Refusal | None:
        """Refuse whom the chain lets in and what is there now does not."""
        by = admission.authenticator
        if not self._stands(admission):
            return Refusal(authenticator=by, evaluated=False)
        if self._too_many(admission):
            return Refusal(
                ErrorCode.LIMIT_EXCEEDED,
                "too many sessions of this user",
                authenticator=by,
                evaluated=False,
            )
        return None

    def _stands(self, admission: Admission) -> bool:
        """Whether nobody was deleted, disabled or made anew meanwhile."""
        if not admission.username:
            policy = self._judge.directory.policy.model.anonymous
            closed = policy.action is not AnonymousAction.ALLOW
            return not (closed and admission.roles.kind is RolesKind.ANONYMOUS)
        user = self._judge.directory.user(admission.username)
        if user is None:
            by_directory = admission.authenticator == DirectoryAuthenticator.name
            return not by_directory and not admission.user_id
        if admission.user_id and admission.user_id != user.user_id:
            return False
        if admission.stands is not None and not admission.stands():
            return False
        # Whoever lets it in, and with whatever roles: it is a user's name.
        locked = self._judge.lockout.locked(user.username, self._address) is not None
        return self._judge.directory.may_log_in(user) and not locked

    def _too_many(self, admission: Admission) -> bool:
        """Whether the user has as many sessions as one may, without this one."""
        judge, session = self._judge, self._attempt.reauthentication
        if session is not None and session.username == admission.username:
            return False
        # Those without a name are many people's: an address has so many of them.
        count = judge.sessions.count(admission.username, self._address)
        replaced = judge.sessions.get(admission.replaces)
        if replaced is not None and replaced.username == admission.username:
            count -= 1
        return count >= judge.sessions_per_user
