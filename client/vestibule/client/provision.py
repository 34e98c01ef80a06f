"""One name that this session provides, for as long as its block lasts."""

from types import TracebackType
from typing import Final, Protocol, Self

from vestibule.client.callbacks import Callbacks
from vestibule.client.invoking import Invoke
from vestibule.client.suspension import OnAccess, Suspendable


__all__ = ["Provision"]


class Keeper(Protocol):
    """Who makes a provision live, and takes it away again."""

    async def enter(self, provision: "Provision") -> None:
        """Make it live."""

    async def leave(self, provision: "Provision") -> None:
        """Take it away; what it was given may still be answered."""


class Provision(Suspendable):
    """An async context manager: inside the block the name is provided.

    Entering raises RequestFailed if it may not be (MessageDenied), or this session
    provides it already (MULTIPLE_PROVIDERS).
    """

    def __init__(
        self,
        keeper: Keeper,
        callbacks: Callbacks,
        name: str,
        invoke: Invoke,
        *,
        auto_accept: bool = True,
        on_state: OnAccess | None = None,
    ) -> None:
        super().__init__(callbacks, on_state)
        self._keeper: Final = keeper
        self._entered = False
        self.name: Final = name
        self.invoke: Final = invoke
        self.auto_accept: Final = auto_accept
        self.live = False
        """Whether the broker has accepted it."""
        self.told = False
        """Whether a notice about it has come since it was asked for."""

    def __repr__(self) -> str:
        return f"<Provision {self.name}>"

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("a provision is entered once")
        self._entered = True
        await self._keeper.enter(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._keeper.leave(self)
