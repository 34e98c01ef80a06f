"""The graceful stop: all are told, those with calls under way last."""

import asyncio

from standing import NotingLink, policy, session
from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.server.session import Session
from vestibule.server.shutdown import say_goodbye


class ToldWhen(NotingLink):
    """Notes when a client is told to come back."""

    def __init__(self) -> None:
        super().__init__()
        self.retries: list[int] = []

    def end(
        self,
        code: CloseCode,
        reason: EndReason,
        *,
        retry_after_ms: int = 0,
        discard: bool = False,
    ) -> None:
        assert code is CloseCode.SHUTTING_DOWN
        self.retries.append(retry_after_ms)
        super().end(code, reason)


def told(number: int) -> tuple[Session, ToldWhen]:
    made, _ = session(policy(), number=number)
    link = ToldWhen()
    link.session = made
    made.link = link  # type: ignore[misc]  # a test's own link
    return made, link


def never(_: Session) -> bool:
    return False


async def test_f7_everybody_is_told_once_when_to_come_back_within_the_spread() -> None:
    links = []
    sessions = []
    for number in range(200):
        made, link = told(number)
        sessions.append(made)
        links.append(link)
    await say_goodbye(sessions, busy=never, drain=1, spread=0.1)
    assert all(link.ended is EndReason.SHUTTING_DOWN for link in links)
    retries = [retry for link in links for retry in link.retries]
    assert len(retries) == 200
    assert min(retries) >= 0
    assert max(retries) <= 100
    assert len(set(retries)) > 20


async def test_a_session_with_calls_under_way_is_told_when_they_are_done() -> None:
    (idle, first), (busy, second) = told(1), told(2)
    working = {busy}
    leaving = asyncio.ensure_future(
        say_goodbye([idle, busy], busy=working.__contains__, drain=10, spread=0)
    )
    await asyncio.sleep(0)
    assert (first.retries, second.retries) == ([0], [])
    working.clear()
    await leaving
    assert second.retries == [0]


async def test_calls_that_do_not_end_are_waited_for_until_the_drain_is_over() -> None:
    busy, link = told(1)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await say_goodbye([busy], busy=lambda _: True, drain=0.1, spread=0)
    assert link.retries == [0]
    assert 0.1 <= loop.time() - began < 0.5


async def test_a_session_that_has_ended_already_is_told_nothing() -> None:
    gone, link = told(1)
    gone.ended = True
    await say_goodbye([gone], busy=never, drain=1, spread=1)
    assert link.retries == []
