"""The life of one call: who asked, who was asked, how long each may take."""

from collections.abc import Callable
from typing import Final

from msgspec import Raw

from vestibule.protocol.messages import NIL
from vestibule.protocol.names import Name
from vestibule.server.gate import PROVIDE, Right, Standing
from vestibule.server.session import Session


__all__ = ["OpenCall", "Provision"]


class Provision(Standing):
    """A session's offer to answer calls of a name."""

    __slots__ = ("name",)

    def __init__(self, session: Session, name: Name) -> None:
        super().__init__(session, PROVIDE, None)
        self.name: Final = name


class OpenCall(Standing):
    """A call that its caller still waits for.

    It is offered to one provider at a time, under an id that only that provider's
    connection knows. `due` is when it is late: first for being accepted, then for
    being answered.
    """

    __slots__ = (
        "_when_late",
        "accepted",
        "body",
        "caller",
        "due",
        "given_as",
        "name",
        "over",
        "provision",
        "request",
        "timeout",
        "tried",
    )

    def __init__(
        self,
        session: Session,
        right: Right,
        *,
        request: int,
        name: Name,
        body: Raw,
        timeout: float,
        when_late: Callable[["OpenCall"], None],
    ) -> None:
        super().__init__(session, right, None)
        self.request: Final = request
        self.name: Final = name
        self.caller: Final = session.identity
        """Who called, as its provider is told, whoever the session is by then."""
        self.body = body
        self.timeout: Final = timeout
        self.tried: set[Session] = set()
        self.provision: Provision | None = None
        self.given_as = 0
        """The broker's id of this call on the provider's connection."""
        self.accepted = False
        self.over = False
        self.due = 0.0
        self._when_late: Final = when_late

    def late(self) -> None:
        """Tell that the time for accepting or answering is over."""
        self._when_late(self)

    def stop(self) -> None:
        """End the call; what still knows it holds its body no longer."""
        self.over = True
        self.body = NIL
