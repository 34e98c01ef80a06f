"""A session in memory that registered as control authenticator, and answers by a rule."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from msgspec import Raw

from vestibule.protocol import messages
from vestibule.protocol.codec import decode_body, encode_body
from vestibule.protocol.messages import NIL
from vestibule.server.testing import RawPeer


ALLOW: dict[str, Any] = {"action": "allow"}
DENY: dict[str, Any] = {"action": "deny"}
ABSTAIN: dict[str, Any] = {"action": "abstain"}
FAILED = None

Answering = Callable[[dict[str, Any]], Any]
"""Gives an answer; None: it has failed; an exception: nothing is answered."""


class Silence(Exception):  # noqa: N818 - what is answered
    """Raised by a rule that answers nothing."""


class Control:
    """What it was asked, and what became of its registrations."""

    def __init__(self, peer: RawPeer, answering: Answering) -> None:
        self.peer = peer
        self.answering = answering
        self.questions: list[dict[str, Any]] = []
        self.asks: list[int] = []
        self.withdrawn: list[int] = []
        self.closed: list[tuple[str, str]] = []
        self.heard = asyncio.Event()

    async def register(self, name: str, *, broker: str = "vestibule") -> None:
        await self.peer.component(f"{broker}/security/set_authenticator", name)

    async def unregister(self, name: str) -> None:
        await self.peer.request(
            messages.UnregisterAuthenticator(self.peer.next_id(), name)
        )

    def answer(self, ask: int, answer: Any) -> None:
        body = NIL if answer is FAILED else Raw(encode_body(answer))
        self.peer.send(messages.AuthenticatorAnswered(ask, body))

    async def run(self) -> None:
        while True:
            match await self.peer.notices.get():
                case messages.AuthenticationAsked(ask=ask, data=data):
                    question = decode_body(data)
                    self.asks.append(ask)
                    self.questions.append(question)
                    with suppress(Silence):
                        self.answer(ask, self.answering(question))
                case messages.AuthenticationWithdrawn(ask=ask):
                    self.withdrawn.append(ask)
                case messages.AuthenticatorClosed(name=name, code=code):
                    self.closed.append((name, code))
                case _:
                    pass
            self.heard.set()
            self.heard.clear()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something that it hears makes a condition true."""
        async with asyncio.timeout(5):
            while not condition():
                await self.heard.wait()


@asynccontextmanager
async def controlling(
    peer: RawPeer, answer: Any, *names: str
) -> AsyncIterator[Control]:
    """Register a peer; `answer` is what it always says, or a rule."""
    control = Control(peer, answer if callable(answer) else lambda _: answer)
    running = asyncio.ensure_future(control.run())
    try:
        for name in names:
            await control.register(name)
        yield control
    finally:
        running.cancel()
        await asyncio.wait({running})


def silent(_: dict[str, Any]) -> Any:
    raise Silence
