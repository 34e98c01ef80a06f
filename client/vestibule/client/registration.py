"""A registration as control authenticator, as the application holds it."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from vestibule.client.authentication import (
    Answer,
    AuthenticationRequest,
    Authenticator,
)


__all__ = ["Registration"]

Deciding: TypeAlias = (
    Authenticator | Callable[[AuthenticationRequest], Answer | Awaitable[Answer]]
)
"""What can be registered: an authenticator, or just its function."""


class Registration:
    """An authenticator that is asked. `close` it, or it ends with the session."""

    __slots__ = ("_deciding", "_leave", "closed_with", "name")

    def __init__(
        self,
        leave: Callable[["Registration"], Awaitable[None]],
        name: str,
        deciding: Deciding,
    ) -> None:
        self._leave: Final = leave
        self._deciding: Final[Any] = deciding
        self.name: Final = name
        self.closed_with: str | None = None
        """The code that `closed` was called with; None while it is asked."""

    def __repr__(self) -> str:
        return f"<Registration {self.name}>"

    async def close(self) -> None:
        """End it. A second call does nothing."""
        await self._leave(self)

    # What the library calls.

    def decide(self, request: AuthenticationRequest) -> object:
        """Ask the authenticator."""
        authenticate = getattr(self._deciding, "authenticate", self._deciding)
        return authenticate(request)

    def end(self, code: str) -> Callable[[str], object] | None:
        """Take note of the end; give what is to be called with the code, once."""
        if self.closed_with is not None:
            return None
        self.closed_with = code
        hear = getattr(self._deciding, "closed", None)
        return hear if callable(hear) else None
