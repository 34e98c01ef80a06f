"""One change after another: draft, judge, commit, swap, tell, and only then answer."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import structlog

from vestibule.server.directory import bootstrap, protection
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.epochfile import write_epoch
from vestibule.server.directory.errors import storage_failed
from vestibule.server.directory.model import Model, User
from vestibule.server.directory.policy import Policy
from vestibule.server.directory.rows import Operation, Put, Table, operations, user_row
from vestibule.server.directory.store import Store, StoreError
from vestibule.server.directory.times import time_text
from vestibule.server.directory.tokens import TokenBook, ended_by
from vestibule.server.directory.transition import Change
from vestibule.server.directory.verifier import Verifier


__all__ = ["DirectoryChange", "Engine", "Listener", "at_once"]

log = structlog.get_logger("vestibule.directory")

T = TypeVar("T")

_LARGE: Final = 500
"""Facts of one change, above which it is put together in a thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryChange:
    """What one call changed, for whoever has to act before the caller is answered.

    Members of a changed group are not among `users`: whether a session is touched,
    `Subject.same_rights` tells.
    """

    epoch: int
    at: str
    """When, as UTC text."""
    by: str = ""
    """Who did it: a username; nobody where time did it."""
    session_id: str | None = None
    """The session that did it."""
    users: frozenset[str] = frozenset()
    """Whose own facts or memberships are different, new or gone."""
    groups: frozenset[str] = frozenset()
    """Which are different, new or gone."""
    deleted_users: frozenset[str] = frozenset()
    disabled_users: frozenset[str] = frozenset()
    """Who could log in and cannot any more, being disabled or expired."""
    password_changed: frozenset[str] = frozenset()
    """Who had a password and has another."""
    anonymous_closed: bool = False
    """Whether anonymous sessions were allowed and are not any more."""
    before: Model = field(default_factory=Model, repr=False)
    after: Model = field(default_factory=Model, repr=False)


def _never() -> bool:
    return False


Listener: TypeAlias = Callable[[DirectoryChange], Awaitable[None]]


def at_once(make: Callable[[Draft], T]) -> Callable[[Draft], Awaitable[T]]:
    """Make of a function what gives nobody else a turn."""

    async def made(draft: Draft) -> T:
        return make(draft)

    return made


async def _aside(size: int, work: Callable[[], T]) -> T:
    """Do pure work of some size: in a thread if others would wait long for it."""
    return await asyncio.to_thread(work) if size > _LARGE else work()


class Engine:
    """Holds the current policy and is the only one that replaces it."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        tokens: TokenBook,
        epoch_file: Path,
        now: Callable[[], float],
    ) -> None:
        self.policy = policy
        self.tokens: Final = tokens
        self.storage_failed = False
        """Whether the last write failed."""
        self.storage_failures = 0
        self._store: Final = store
        self._epoch_file: Final = epoch_file
        self._epoch_written = True
        self._now: Final = now
        self._lock: Final = asyncio.Lock()
        self.halted: Callable[[], bool] = _never
        """Whether no change is made now; then STORAGE_FAILED answers it."""
        self._listeners: list[Listener] = []
        self._running: set[asyncio.Task[Any]] = set()

    def now(self) -> int:
        """Give the time in milliseconds since 1970."""
        return int(self._now() * 1000)

    def on_change(self, listener: Listener) -> None:
        """Have a listener awaited at each change; it must make none itself."""
        self._listeners.append(listener)

    async def change(
        self,
        make: Callable[[Draft], T],
        *,
        by: str,
        session_id: str | None,
        verifier: Verifier | None = None,
    ) -> T:
        """Make one change and give what `make` answers.

        It is whole or not at all, also when the caller is cancelled. When this
        returns, it is on disk, in force, and everybody has been told.

        Raises:
            DirectoryError: what `make` raises, PROTECTED, or STORAGE_FAILED; nothing
                has changed.
        """
        change = self._change(
            at_once(make), by=by, session_id=session_id, verifier=verifier
        )
        answer, _ = await self.to_the_end(change)
        return answer

    async def transact(
        self,
        make: Callable[[Draft], Awaitable[T]],
        *,
        by: str | None,
        session_id: str | None,
    ) -> tuple[T, Model]:
        """Do as `change`, and give the model too that the transaction left behind.

        `make` may give others their turn: no other change is made meanwhile.
        With `by` None it is the operator's of this machine, whom no lock stops.
        """
        return await self.to_the_end(
            self._change(make, by=by, session_id=session_id, verifier=None)
        )

    def draft(
        self, verifier: Verifier | None = None, *, by: str | None = None
    ) -> Draft:
        """Give a draft of what is now, made by `by` or by the system itself."""
        return Draft(
            self.policy.model,
            now=self.now(),
            broker_name=self.policy.broker_name,
            by=by,
            verifier=verifier,
        )

    async def renew(self, user: User, verifier: Verifier) -> None:
        """Keep the same password under other parameters: no change that shows.

        Nothing happens if the user has another password by now, or the disk refuses.
        """
        await self.to_the_end(self._renew(user, verifier))

    async def tell_expired(self, names: frozenset[str]) -> None:
        """Tell listeners of users whose time has run out, as of users disabled."""
        await self.to_the_end(self._tell_expired(names))

    async def start(self) -> None:
        """Put back what belongs to the system, before anybody is served.

        What is judged for every other change is not judged here: this is the cure.

        Raises:
            DirectoryError: STORAGE_FAILED.
        """
        draft = self.draft()
        bootstrap.restore(draft)
        change = draft.finish()
        if change is not None:
            await self._write(
                operations(change), change.before.epoch, change.after.epoch
            )
            self.policy = self.policy.successor(change.after, change.groups)
        # Whose time ran out while nobody served.
        self.tokens.revoke_barred(self.policy.model.users, draft.now)
        await self._acknowledge(self.policy.epoch)

    async def close(self) -> None:
        """Wait for what is being changed, then close the files."""
        if self._running:
            await asyncio.wait(self._running)
        await self.tokens.close()
        await self._store.close()

    async def to_the_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Await work that goes on when the caller is cancelled; `close` waits for it."""
        task = asyncio.get_running_loop().create_task(work, name="directory change")
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Whoever was cancelled meanwhile no longer asks for it.
            task.exception()

    async def _change(
        self,
        make: Callable[[Draft], Awaitable[T]],
        *,
        by: str | None,
        session_id: str | None,
        verifier: Verifier | None,
    ) -> tuple[T, Model]:
        async with self._lock:
            if self.halted():
                raise storage_failed()
            draft = self.draft(verifier, by=by)
            answer = await make(draft)
            change = await _aside(draft.size, draft.finish)
            if change is None:
                return answer, self.policy.model
            policy = self.policy.successor(change.after, change.groups)
            protection.check(change, self.policy, policy)
            ended = ended_by(change, draft.now)
            voiding = self.tokens.ending(ended)
            await self._commit(change, voiding)
            self.tokens.revoke_users(ended, voiding)
            self.policy = policy
            await self._acknowledge(change.after.epoch)
            await self._tell(
                DirectoryChange(
                    epoch=change.after.epoch,
                    at=time_text(draft.now),
                    by=by or "",
                    session_id=session_id,
                    users=change.users,
                    groups=change.groups,
                    deleted_users=change.deleted_users,
                    disabled_users=change.barred_users(draft.now),
                    password_changed=change.password_changed,
                    anonymous_closed=change.anonymous_closed,
                    before=change.before,
                    after=change.after,
                )
            )
        return answer, change.after

    async def _tell_expired(self, names: frozenset[str]) -> None:
        async with self._lock:
            now, users = self.now(), self.policy.model.users
            barred = frozenset(
                name
                for name in names
                if name in users and not users[name].may_log_in(now)
            )
            if barred:
                self.tokens.revoke_barred(users, now)
                await self._tell(
                    DirectoryChange(
                        epoch=self.policy.epoch,
                        at=time_text(now),
                        users=barred,
                        disabled_users=barred,
                        before=self.policy.model,
                        after=self.policy.model,
                    )
                )

    async def _commit(self, change: Change, besides: list[Operation]) -> None:
        if not self._epoch_written:
            # The file may be one behind the database, never two.
            await self._acknowledge(change.before.epoch)
            if not self._epoch_written:
                raise storage_failed()
        rows = [*await _aside(change.size, partial(operations, change)), *besides]
        await self._write(rows, change.before.epoch, change.after.epoch)

    async def _write(self, rows: list[Operation], before: int, after: int) -> None:
        try:
            await self._store.write(rows, before=before, after=after)
        except StoreError as problem:
            raise self._failed(problem) from None
        self.storage_failed = False

    def _failed(self, problem: StoreError) -> Exception:
        self.storage_failed = True
        self.storage_failures += 1
        cause = "" if problem.__cause__ is None else str(problem.__cause__)
        log.error("directory.write_failed", problem=str(problem), cause=cause)
        return storage_failed()

    async def _acknowledge(self, epoch: int) -> None:
        """Write the epoch beside the database.

        The change is on disk already, and a start accepts a file that is one behind;
        a failure is made good before the next change.
        """
        try:
            await asyncio.to_thread(write_epoch, self._epoch_file, epoch)
        except OSError as problem:
            self._epoch_written = False
            self.storage_failed = True
            self.storage_failures += 1
            log.error("directory.epoch_failed", problem=str(problem))  # noqa: TRY400 - the text says all
        else:
            self._epoch_written = True

    async def _tell(self, change: DirectoryChange) -> None:
        for listener in self._listeners:
            try:
                await listener(change)
            except Exception as problem:  # noqa: BLE001 - it stops no change
                # The text and the traceback may hold data of a session.
                log.error(  # noqa: TRY400 - as above
                    "directory.listener_failed", exception=type(problem).__name__
                )

    async def _renew(self, user: User, verifier: Verifier) -> None:
        async with self._lock:
            model = self.policy.model
            found = model.users.get(user.username)
            if found is None or found.password is not user.password:
                return
            renewed = replace(found, password=verifier)
            try:
                put = Put(Table.USERS, user_row(renewed))
                await self._store.write([put], before=model.epoch, after=model.epoch)
            except StoreError as problem:
                self._failed(problem)
                return
            users = {**model.users, renewed.username: renewed}
            self.policy = self.policy.successor(replace(model, users=users))
