"""Session tokens at work: issued at logins, shared by families, refused, revoked.

What is stored of them is `directory.tokens`; how long and for what they are good says
the profile, as it is configured now (docs/security.md, "Session tokens").
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from vestibule.protocol.errors import CloseCode, EndReason, ErrorCode
from vestibule.server import replies
from vestibule.server.admissions import Refusal
from vestibule.server.config_profiles import LoginType
from vestibule.server.deadlines import Deadlines
from vestibule.server.directory import Directory, DirectoryChange
from vestibule.server.directory.model import User
from vestibule.server.directory.store import StoreError
from vestibule.server.directory.times import time_text
from vestibule.server.directory.tokens import Token
from vestibule.server.errors import RequestError
from vestibule.server.families import Family
from vestibule.server.profiles import Profile, Profiles
from vestibule.server.secret import Secret
from vestibule.server.session import Session


__all__ = ["BY_DIRECTORY", "Tokens", "wrong_address"]

_WEBSOCKET: Final[LoginType] = "websocket"

_SAVE_SECONDS: Final = 60.0
"""What a crash forgets of how much tokens were used."""

_KEPT_MS: Final = 24 * 3600 * 1000
"""For how long an expired token is told to be that; then it is like any unknown one."""

_DAY_MS: Final = 24 * 3600 * 1000
_REASONS: Final = {
    ErrorCode.TOKEN_EXPIRED: "the token has expired",
    ErrorCode.TOKEN_REVOKED: "the token was revoked",
    ErrorCode.TOKEN_LOGIN_DISALLOWED: "no logins by token",
    ErrorCode.TOKEN_TYPE_MISMATCH: "the token is of another kind of login",
    ErrorCode.TOKEN_ORIGIN: "the token is of another broker",
}

BY_DIRECTORY: Final = "directory"


class Tokens:
    """Every token's family, and what may be done under it.

    `loop`'s clock measures what lives in this process; the directory's wall clock what
    outlives it. `close` must be awaited before the directory is closed.
    """

    def __init__(
        self,
        directory: Directory,
        profiles: Profiles,
        *,
        loop: asyncio.AbstractEventLoop,
        broker_keys: Collection[bytes],
        tokens_per_user: int,
        sessions: Mapping[str, Session],
    ) -> None:
        """Take the broker's identity keys, the one that it issues under first."""
        self._directory: Final = directory
        self._book: Final = directory.tokens
        self._profiles: Final = profiles
        self._loop: Final = loop
        self._broker_keys: Final = tuple(broker_keys)
        self._per_user: Final = tokens_per_user
        self._sessions: Final = sessions
        self._deadlines: Final = Deadlines(loop)
        self._families: dict[str, Family] = {}
        self._joined: dict[Session, Family] = {}
        self._timer: asyncio.TimerHandle | None = loop.call_later(
            _SAVE_SECONDS, self._keep_house
        )

    # Giving.

    async def issue(
        self, user: User, profile: Profile, login_type: LoginType
    ) -> tuple[Token, Secret] | None:
        """Make a token; None where it cannot be stored."""
        self._make_room(user)
        try:
            return await self._book.issue(
                user,
                login_type=login_type,
                profile=profile.name,
                broker_key=self._broker_keys[0],
            )
        except StoreError:
            return None

    def _make_room(self, user: User) -> None:
        """Forget the oldest tokens of a user who has very many."""
        known = self._book.of(user.user_id)
        surplus = len(known) - self._per_user + 1
        for token in known:
            if surplus <= 0:
                return
            family = self._families.get(token.token_id)
            if family is None or not family.members:
                self._families.pop(token.token_id, None)
                self._book.forget(token)
                surplus -= 1

    # Use.

    def find(
        self, text: str, *, address: str, login_type: LoginType = _WEBSOCKET
    ) -> tuple[Token, Profile] | Refusal:
        """Give the token of that text, if it may be used so from there now.

        `login_type` is `websocket` for a login and `http` for a request. A refusal
        counts as a failed login only where there is no such token.
        """
        token = self._book.find(text)
        if token is None:
            return Refusal(authenticator=BY_DIRECTORY, told="unknown token")
        return self.judged(token, address, login_type)

    def judged(
        self, token: Token, address: str, login_type: LoginType = _WEBSOCKET
    ) -> tuple[Token, Profile] | Refusal:
        """Judge a token as it is now."""
        found = self._book.get(token.token_id)
        if found is None:
            return _refused(ErrorCode.TOKEN_EXPIRED)
        profile = self._profiles.named(found.profile)
        if profile is None:
            # Nobody can tell its limits any more.
            return _refused(ErrorCode.TOKEN_EXPIRED)
        if not profile.accepts(address):
            return wrong_address(BY_DIRECTORY)
        code = self._fault(found, profile, login_type)
        return (found, profile) if code is None else _refused(code)

    def _fault(
        self, token: Token, profile: Profile, login_type: LoginType
    ) -> ErrorCode | None:
        """Tell what is wrong with using a token so."""
        user = self._directory.user(token.username)
        if self._directory.now >= self._ends(token, profile):
            return ErrorCode.TOKEN_EXPIRED
        if (
            token.revoked_at is not None
            or user is None
            or user.user_id != token.user_id
            or not self._directory.may_log_in(user)
        ):
            return ErrorCode.TOKEN_REVOKED
        own = token.broker_key in self._broker_keys
        if profile.lock_token_to_broker and not own:
            return ErrorCode.TOKEN_ORIGIN
        if login_type == _WEBSOCKET:
            if not profile.token_logins:
                return ErrorCode.TOKEN_LOGIN_DISALLOWED
            if token.login_type != _WEBSOCKET:
                return ErrorCode.TOKEN_TYPE_MISMATCH
            if self._directory.now >= token.issued_at + _ms(profile.token_ttl):
                return ErrorCode.TOKEN_EXPIRED
        return ErrorCode.TOKEN_EXPIRED if self._spent(token, profile) else None

    def _spent(self, token: Token, profile: Profile) -> bool:
        """Whether a token was used too much, or not for too long."""
        if not profile.metered:
            return False
        family = self._families.get(token.token_id) or self._of(token, profile)
        idle = profile.idle
        silent = self._loop.time() - family.active_at
        return family.used_up or (idle is not None and silent >= idle)

    @staticmethod
    def _ends(token: Token, profile: Profile) -> int:
        """When a token is good for nothing any more."""
        return token.issued_at + _ms(profile.lifetime)

    # Families.

    def family(self, token: Token, profile: Profile) -> Family:
        """Give the family of a token: one object, whoever comes under it."""
        family = self._families.get(token.token_id)
        if family is None:
            family = self._families[token.token_id] = self._of(token, profile)
        return family

    def _of(self, token: Token, profile: Profile) -> Family:
        """Make a family of what is stored of its token."""
        now, wall = self._loop.time(), self._directory.now
        left = None
        if profile.ttl is not None:
            left = now + (self._ends(token, profile) - wall) / 1000
        # A clock that was set back makes no token used in times to come.
        silent = max(0, wall - token.active_at) / 1000
        return Family(
            profile,
            token_id=token.token_id,
            expires=left,
            active_at=now - silent,
            used=token.used,
        )

    def known(self, family: Family) -> Family:
        """Give the one object for the token of a family, whichever was there first."""
        if family.token_id is None:
            return family
        return self._families.setdefault(family.token_id, family)

    def without_token(self, profile: Profile) -> Family:
        """Make a family without a token."""
        now = self._loop.time()
        expires = None if profile.ttl is None else now + profile.ttl
        return Family(profile, token_id=None, expires=expires, active_at=now)

    def begun(self, session: Session) -> None:
        """Take a session that was just admitted into its family."""
        # The last of the others may have left since it was let in.
        family = self.known(session.family)
        token_id = family.token_id
        if family is not session.family:
            session.enter(family, session.token)
        self._joined[session] = family
        family.join(session, self._deadlines, self._loop.time)
        token = None if token_id is None else self._book.get(token_id)
        if token_id is not None and (token is None or token.revoked_at is not None):
            session.link.end(CloseCode.SESSION_REVOKED, EndReason.TOKEN_REVOKED)

    def over(self, session: Session, reason: EndReason) -> None:
        """Take a session that has ended out of its family."""
        del reason
        family = self._joined.pop(session, None)
        if family is not None:
            family.leave(session)
            self._forget_empty(family)

    def _move(self, session: Session, family: Family) -> None:
        """Take a session that has entered another family out of its old one."""
        old = self._joined.get(session)
        if old is family or session.ended:
            return
        self._joined[session] = family
        family.join(session, self._deadlines, self._loop.time)
        if old is not None:
            old.leave(session)
            self._forget_empty(old)

    def _forget_empty(self, family: Family) -> None:
        if not family.members and family.token_id is not None:
            self._save(family)
            self._families.pop(family.token_id, None)

    def _save(self, family: Family) -> None:
        """Keep with a token how much it was used, where that counts."""
        use = (family.used, family.active_at)
        if family.token_id is None or not family.profile.metered or use == family.saved:
            return
        family.saved = use
        ago = self._loop.time() - family.active_at
        active_at = self._directory.now - int(ago * 1000)
        self._book.spent(family.token_id, used=family.used, active_at=active_at)

    # Ends.

    def end_others(self, session: Session) -> None:
        """End the other sessions of a session's family; its token stays good."""
        session.family.end(
            CloseCode.SESSION_REVOKED, EndReason.PARENT_CLOSED, but=session
        )

    async def revoke(
        self, token_id: str, reason: str, *, but: Session | None = None
    ) -> None:
        """Refuse a token for good and end its family, but one session.

        Both are so before anything is written.

        Raises:
            RequestError: TOKEN_NOT_FOUND, or STORAGE_FAILED with `in_memory`: it is
                in force, and will be written as soon as the disk takes it.
        """
        token = self._book.get(token_id)
        if token is None:
            raise RequestError(ErrorCode.TOKEN_NOT_FOUND)
        writing = self._book.revoke(token, reason)
        family = self._families.get(token_id)
        if family is not None:
            family.end(CloseCode.SESSION_REVOKED, EndReason.TOKEN_REVOKED, but=but)
        if await asyncio.shield(writing) is not None:
            raise RequestError(ErrorCode.STORAGE_FAILED, "", {"in_memory": True})

    # Changes of whom a session is of.

    async def told(self, change: DirectoryChange, touched: Sequence[Session]) -> None:
        """Give the session that changed its own password another token.

        Its old one went with the old password.
        """
        del touched
        session = self._sessions.get(change.session_id or "")
        if session is None or session.username not in change.password_changed:
            return
        user = self._directory.user(session.username)
        if not session.bound or session.ended or user is None:
            return
        profile = session.family.profile
        issued = None
        if session.family.token_id is not None:
            issued = await self.issue(user, profile, _WEBSOCKET)
        if issued is None:
            session.enter(self.without_token(profile), None)
        else:
            session.enter(self.family(issued[0], profile), issued[1])
        self._move(session, session.family)
        replies.token_replaced(session)

    def switched(self, session: Session) -> None:
        """Move a session that has logged in anew, and tell it the token of now."""
        self._move(session, session.family)
        replies.token_replaced(session)

    # Housekeeping.

    def _keep_house(self) -> None:
        """Save what is used, and forget what is over."""
        self._timer = self._loop.call_later(_SAVE_SECONDS, self._keep_house)
        for family in list(self._families.values()):
            self._save(family)
            if family.token_id is not None and not family.members:
                # A login that went away before it was answered, or requests alone.
                self._families.pop(family.token_id)
        forgotten = self._directory.now - _KEPT_MS
        for token in list(self._book.all()):
            profile = self._profiles.named(token.profile)
            lifetime = _DAY_MS if profile is None else _ms(profile.lifetime)
            known = token.token_id in self._families
            if token.issued_at + lifetime <= forgotten and not known:
                self._book.forget(token)

    def close(self) -> None:
        """Save what is used, and watch nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._deadlines.close()
        for family in self._families.values():
            self._save(family)

    def revocations(self) -> list[dict[str, Any]]:
        """Give the revoked tokens that would be good otherwise, the latest last."""
        rows = []
        for token in self._book.all():
            if token.revoked_at is None:
                continue
            profile = self._profiles.named(token.profile)
            end = 0 if profile is None else self._ends(token, profile)
            if end > self._directory.now:
                rows.append((token, end))
        rows.sort(key=lambda pair: (pair[0].revoked_at or 0, pair[0].token_id))
        return [
            {
                "token_id": token.token_id,
                "username": token.username,
                "reason": token.reason,
                "revoked_at": time_text(token.revoked_at or 0),
                "expires_at": time_text(end),
            }
            for token, end in rows
        ]


def _refused(code: ErrorCode) -> Refusal:
    """Refuse a token that there is: no guess, so no failure."""
    reason = _REASONS[code]
    return Refusal(code, reason, authenticator=BY_DIRECTORY, evaluated=False)


def wrong_address(authenticator: str) -> Refusal:
    """Refuse right credentials from a wrong address like wrong ones, uncounted."""
    return Refusal(
        authenticator=authenticator, evaluated=False, told="address not in the profile"
    )


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
