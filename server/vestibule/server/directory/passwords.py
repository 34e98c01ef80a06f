"""Hashing passwords in a bounded pool of threads, at one cost for every name."""

import asyncio
import contextlib
import hmac
import math
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, Protocol, TypeVar

from vestibule.protocol.crypto import length_prefixed
from vestibule.server.directory.errors import invalid_argument
from vestibule.server.directory.verifier import (
    SALT_BYTES,
    Verifier,
    canonical_password,
    derive,
)


__all__ = ["PasswordSettings", "Passwords", "PasswordsBusy"]

_MAX_BYTES: Final = 1024
"""The longest password that can be set."""

_KEY_BYTES: Final = 32
_SMOOTHING: Final = 0.2
"""How much the last hash counts in the estimate of what one takes."""

T = TypeVar("T")


class PasswordSettings(Protocol):
    """What the configuration says of passwords (docs/configuration.md)."""

    @property
    def opslimit(self) -> int:
        """Passes of Argon2id."""

    @property
    def memlimit(self) -> int:
        """Bytes of memory of one hash."""

    @property
    def min_length(self) -> int:
        """Bytes of the shortest password that may be set."""

    @property
    def workers(self) -> int:
        """Threads that hash."""

    @property
    def queue(self) -> int:
        """Logins that wait for a thread, above which the next is refused."""


class PasswordsBusy(Exception):  # noqa: N818 - it names the state of the pool
    """Too many logins wait already; this one was not evaluated."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many passwords wait to be hashed")
        self.retry_after: Final = retry_after
        """Seconds until the queue is likely to be empty, at least 1."""


_NICE: Final = 19
"""How much the hashing threads give way to the event loop."""


def _give_way() -> None:
    """Let the event loop go before the thread that calls this.

    A login waits for its hash in any case; a message of somebody else should not. On
    Linux a thread has a priority of its own.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


class Passwords:
    """Makes and checks verifiers. `close` must be awaited at the end.

    `secret` is what salts for names without a verifier are made from; it stays the
    same as long as the directory does.
    """

    def __init__(self, settings: PasswordSettings, secret: bytes) -> None:
        self._settings: Final = settings
        self._secret: Final = secret
        self._executor: Final = ThreadPoolExecutor(
            settings.workers, thread_name_prefix="password", initializer=_give_way
        )
        self._pending = 0
        self._seconds = 0.0
        """What a hash takes, smoothed; 0 before the first."""

    @property
    def min_length(self) -> int:
        """Bytes of the shortest password that may be set."""
        return max(1, self._settings.min_length)

    def check(self, password: object, argument: str = "password") -> str:
        """Give `password` if it may be set.

        Raises:
            DirectoryError: INVALID_ARGUMENT; no text, or too short or too long.
        """
        if not isinstance(password, str):
            raise invalid_argument(argument, "is not text")
        try:
            password.encode()
        except UnicodeEncodeError:
            raise invalid_argument(argument, "is not text") from None
        size = len(canonical_password(password))
        if not self.min_length <= size <= _MAX_BYTES:
            raise invalid_argument(argument, "is too short or too long")
        return password

    async def make(self, password: str) -> Verifier:
        """Hash a password anew, with a salt and the parameters of today.

        It waits for its turn however many wait; logins do not come this way.
        """
        salt = secrets.token_bytes(SALT_BYTES)
        return await self._run(partial(self._derive, password, salt))

    async def is_same(self, verifier: Verifier | None, password: str) -> bool:
        """Tell whether a password that is to be set is the one that is set."""
        if verifier is None:
            return False
        return await self._run(partial(self._matches, password, verifier))

    async def verify(
        self, username: str, verifier: Verifier | None, password: str
    ) -> bool:
        """Check the password of a login; None stands for a name without one.

        The same calls are made in the same order whatever the name and the password
        are, and the answer for None is False.

        Raises:
            PasswordsBusy: `queue` others wait; nothing was evaluated.
        """
        self._admit()
        decoy = self.decoy(username)
        right = await self._run(partial(self._matches, password, verifier or decoy))
        return right and verifier is not None

    def outdated(self, verifier: Verifier) -> bool:
        """Tell whether a verifier was made with other parameters than those of now."""
        return (verifier.opslimit, verifier.memlimit) != (
            self._settings.opslimit,
            self._memlimit,
        )

    @property
    def _memlimit(self) -> int:
        """The configured bytes, as the stored form keeps them: in KiB."""
        return self._settings.memlimit // 1024 * 1024

    async def close(self) -> None:
        """Wait for the hashes under way; what has not begun is cancelled."""
        stop = partial(self._executor.shutdown, wait=True, cancel_futures=True)
        await asyncio.to_thread(stop)

    def _admit(self) -> None:
        waiting = self._pending - self._settings.workers
        if waiting < self._settings.queue:
            return
        seconds = (waiting + 1) * self._seconds / self._settings.workers
        raise PasswordsBusy(max(1, math.ceil(seconds)))

    def decoy(self, username: str) -> Verifier:
        """Give a verifier that no password fits, with the same salt each time."""
        name = username.encode(errors="surrogatepass")
        fields = length_prefixed(b"salt", name)
        salt = hmac.digest(self._secret, fields, "sha256")[:SALT_BYTES]
        return Verifier(
            salt,
            self._settings.opslimit,
            self._memlimit,
            secrets.token_bytes(_KEY_BYTES),
            secrets.token_bytes(_KEY_BYTES),
        )

    def _derive(self, password: str, salt: bytes) -> Verifier:
        opslimit = self._settings.opslimit
        return derive(canonical_password(password), salt, opslimit, self._memlimit)

    def _matches(self, password: str, verifier: Verifier) -> bool:
        made = derive(
            canonical_password(password),
            verifier.salt,
            verifier.opslimit,
            verifier.memlimit,
        )
        return made.matches(verifier)

    async def _run(self, work: Callable[[], T]) -> T:
        """Run `work` in the pool; it counts until its thread is free again."""
        loop = asyncio.get_running_loop()
        future = self._executor.submit(self._timed, work)
        self._pending += 1

        def ended(_: Future[tuple[T, float]]) -> None:
            # From the thread: whoever waited may be gone, and the loop with it.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._ended)

        future.add_done_callback(ended)
        result, seconds = await asyncio.wrap_future(future)
        before = self._seconds or seconds
        self._seconds = before + _SMOOTHING * (seconds - before)
        return result

    def _ended(self) -> None:
        self._pending -= 1

    @staticmethod
    def _timed(work: Callable[[], T]) -> tuple[T, float]:
        start = time.perf_counter()
        return work(), time.perf_counter() - start
