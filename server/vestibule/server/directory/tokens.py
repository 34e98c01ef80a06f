"""Session tokens: what is kept of each, stored as a hash, revoked with its user.

The book is in memory and on disk. What is judged is judged by the book in memory;
whoever is handed a token waits until it is on disk. What is to be written at one
time is written in one transaction, beside those of the directory's changes.
"""

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import structlog

from vestibule.protocol.errors import EndReason
from vestibule.server.directory.model import User
from vestibule.server.directory.rows import Drop, Operation, Put, Row, Table
from vestibule.server.directory.store import StoreError
from vestibule.server.directory.transition import Change
from vestibule.server.secret import Secret


__all__ = ["PREFIX", "Token", "TokenBook", "ended_by"]

PREFIX: Final = "vst_"
"""What every token begins with."""

_BYTES: Final = 32
_ID_BYTES: Final = 12
"""Of randomness in a token, and in its public name."""

_PERSON: Final = b"vst1.token"
_BATCH: Final = 1_000
"""Rows written at once: other writers have their turn in between."""

_RETRY_SECONDS: Final = 1.0
"""Between two tries to write what the disk refused."""

log = structlog.get_logger("vestibule.tokens")

Writing: TypeAlias = asyncio.Future[StoreError | None]
"""Done when a transaction is: with why it failed, None where it did not."""

Ended: TypeAlias = Mapping[str, str]
"""Why the tokens of some users are void, by `user_id`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is known of a token; the token itself is nowhere.

    Times are milliseconds since 1970, by the wall clock: a token outlives the process.
    """

    digest: bytes
    token_id: str
    """Its public name, no part of it."""
    user_id: str
    username: str
    login_type: str
    """The kind of login that made it, `websocket` or `http`."""
    profile: str
    issued_at: int
    broker_key: bytes
    """The identity key of the broker that issued it."""
    used: int = 0
    """Messages and requests that were allowed, as far as they were saved."""
    active_at: int = 0
    """When the last of them was, likewise."""
    revoked_at: int | None = None
    reason: str | None = None
    """Why it was revoked; None for one that was not."""

    def __repr__(self) -> str:
        return f"Token({self.token_id}, {self.username!r})"


def ended_by(change: Change, now: int) -> dict[str, str]:
    """Give the users whose tokens a change ends, by `user_id`, and why."""
    ended: dict[str, str] = {}
    for name in change.users:
        old, new = change.before.users.get(name), change.after.users.get(name)
        if old is None:
            continue
        if new is None or new.user_id != old.user_id:
            ended[old.user_id] = EndReason.USER_DELETED
        elif old.may_log_in(now) and not new.may_log_in(now):
            ended[old.user_id] = EndReason.REVOKED
        elif old.password is not None and old.password != new.password:
            ended[old.user_id] = EndReason.PASSWORD_CHANGED
    return ended


class TokenBook:
    """All tokens that are not forgotten.

    `write` writes one transaction, `now` gives milliseconds. `close` must be awaited
    at the end.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Operation]], Awaitable[None]],
        rows: Iterable[Row],
        *,
        now: Callable[[], int],
    ) -> None:
        self._write: Final = write
        self._now: Final = now
        self._by_digest: dict[bytes, Token] = {}
        self._by_id: dict[str, Token] = {}
        self._by_user: dict[str, dict[str, None]] = {}
        self._unwritten: dict[bytes, None] = {}
        self._waiting: Writing | None = None
        self._task: asyncio.Task[None] | None = None
        self._hurry: Final = asyncio.Event()
        self._closing = False
        for row in rows:
            fields = zip(Table.TOKENS.columns, row, strict=True)
            self._enter(Token(**dict(fields)))

    def __len__(self) -> int:
        return len(self._by_digest)

    def find(self, text: str) -> Token | None:
        """Give the token of that text, whatever has become of it."""
        return self._by_digest.get(_digest(text))

    def get(self, token_id: str) -> Token | None:
        """Give the token of that public name."""
        return self._by_id.get(token_id)

    def all(self) -> Iterable[Token]:
        """Give every token, in no order."""
        return self._by_id.values()

    def of(self, user_id: str) -> list[Token]:
        """Give the tokens of a user, the oldest first."""
        return [self._by_id[one] for one in self._by_user.get(user_id, ())]

    async def issue(
        self, user: User, *, login_type: str, profile: str, broker_key: bytes
    ) -> tuple[Token, Secret]:
        """Make a token for a user; when this returns, it is on disk.

        Raises:
            StoreError: it cannot be written, and is no token then.
        """
        secret = Secret(PREFIX + secrets.token_urlsafe(_BYTES))
        now = self._now()
        token = Token(
            digest=_digest(secret.reveal()),
            token_id=secrets.token_urlsafe(_ID_BYTES),
            user_id=user.user_id,
            username=user.username,
            login_type=login_type,
            profile=profile,
            issued_at=now,
            broker_key=broker_key,
            active_at=now,
        )
        self._enter(token)
        try:
            await self._save(token)
        except BaseException:
            # Nobody was told of it.
            known = self._by_id.get(token.token_id)
            if known is not None:
                self.forget(known)
            raise
        known = self._by_id.get(token.token_id)
        if known is None:
            # Others were issued meanwhile, more than are remembered.
            raise StoreError("the token was forgotten before it was used")
        return known, secret

    def revoke(self, token: Token, reason: str) -> Writing:
        """Refuse a token from now on; a revocation is final, and its reason too.

        What is given answers when it is on disk, or with why it is not; then it will
        be as soon as the disk takes it.
        """
        if self._by_id[token.token_id].revoked_at is None:
            return self._mark(self._revoked(token.token_id, reason))
        if token.digest in self._unwritten:
            return self._mark(token)
        written: Writing = asyncio.get_running_loop().create_future()
        written.set_result(None)
        return written

    def revoke_users(self, ended: Ended, but: Iterable[Operation] = ()) -> None:
        """Revoke the tokens of users; those in `but` are written so already."""
        written = {one.row[0] for one in but if isinstance(one, Put)}
        for user_id, reason in ended.items():
            for token in self.of(user_id):
                if token.revoked_at is None:
                    token = self._revoked(token.token_id, reason)  # noqa: PLW2901 - it goes on as this
                    if token.digest not in written:
                        self._mark(token)

    def revoke_barred(self, users: Mapping[str, User], now: int) -> None:
        """Revoke the tokens of those who may not log in at a time, or are gone."""
        ended: dict[str, str] = {}
        for user_id in self._by_user:
            user = users.get(self.of(user_id)[0].username)
            if user is None or user.user_id != user_id:
                ended[user_id] = EndReason.USER_DELETED
            elif not user.may_log_in(now):
                ended[user_id] = EndReason.REVOKED
        self.revoke_users(ended)

    def ending(self, ended: Ended) -> list[Operation]:
        """Give the rows with which a transaction revokes the tokens of users.

        When it is written, `revoke_users` brings it into force.
        """
        now = self._now()
        return [
            Put(Table.TOKENS, _row(replace(token, revoked_at=now, reason=reason)))
            for user_id, reason in ended.items()
            for token in self.of(user_id)
            if token.revoked_at is None
        ]

    def spent(self, token_id: str, *, used: int, active_at: int) -> None:
        """Save how much a token was used; it is on disk some time later."""
        token = self._by_id.get(token_id)
        if token is not None and token.revoked_at is None:
            token = replace(token, used=used, active_at=active_at)
            self._enter(token)
            self._mark(token)

    def forget(self, token: Token) -> None:
        """Know a token no more, which also refuses it."""
        del self._by_digest[token.digest]
        del self._by_id[token.token_id]
        mine = self._by_user[token.user_id]
        del mine[token.token_id]
        if not mine:
            del self._by_user[token.user_id]
        self._mark(token)

    async def close(self) -> None:
        """Try once more to write what is not on disk."""
        self._closing = True
        self._hurry.set()
        if self._task is not None:
            await self._task

    def _enter(self, token: Token) -> None:
        self._by_digest[token.digest] = token
        self._by_id[token.token_id] = token
        self._by_user.setdefault(token.user_id, {})[token.token_id] = None

    def _revoked(self, token_id: str, reason: str) -> Token:
        token = replace(self._by_id[token_id], revoked_at=self._now(), reason=reason)
        self._enter(token)
        return token

    def _mark(self, token: Token) -> Writing:
        """Have a token's row written, or dropped if it is known no more."""
        self._unwritten[token.digest] = None
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
        self._hurry.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(
                self._write_all(), name="session tokens"
            )
        return self._waiting

    async def _save(self, token: Token) -> None:
        problem = await asyncio.shield(self._mark(token))
        if problem is not None:
            raise problem

    async def _write_all(self) -> None:
        """Write until nothing is left: what comes meanwhile is the next batch."""
        while self._unwritten:
            self._hurry.clear()
            batch = list(self._unwritten)
            self._unwritten.clear()
            waiting, self._waiting = self._waiting, None
            problem = await self._write_batch(batch)
            if waiting is not None:
                waiting.set_result(problem)
            if problem is None:
                continue
            self._unwritten.update(dict.fromkeys(batch))
            if self._closing:
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RETRY_SECONDS):
                    await self._hurry.wait()
        self._task = None

    async def _write_batch(self, digests: list[bytes]) -> StoreError | None:
        for start in range(0, len(digests), _BATCH):
            some = digests[start : start + _BATCH]
            try:
                await self._write([self._operation(one) for one in some])
            except StoreError as problem:
                cause = "" if problem.__cause__ is None else str(problem.__cause__)
                log.error("tokens.write_failed", problem=str(problem), cause=cause)  # noqa: TRY400 - the text says all
                return problem
            except Exception as problem:  # noqa: BLE001 - whatever it is, logins wait for an answer
                log.error(  # noqa: TRY400 - as above
                    "tokens.write_failed", problem=type(problem).__name__, cause=""
                )
                return StoreError("the transaction failed")
        return None

    def _operation(self, digest: bytes) -> Operation:
        token = self._by_digest.get(digest)
        if token is None:
            return Drop(Table.TOKENS, (digest,))
        return Put(Table.TOKENS, _row(token))


def _row(token: Token) -> tuple[Any, ...]:
    return tuple(getattr(token, column) for column in Table.TOKENS.columns)


def _digest(text: str) -> bytes:
    """Hash a token; 32 random bytes need no salt and no slow function."""
    content = text.encode(errors="surrogatepass")
    return hashlib.blake2b(content, digest_size=32, person=_PERSON).digest()
