import asyncio
from typing import Any, cast

from vestibule.client.shared_patterns import DENIED, Refusal, SharedPatterns
from vestibule.client.subscription import Subscription
from vestibule.protocol.patterns import parse_pattern


class Holder:
    """Stands for a subscription: the table only tells them apart."""


def holder() -> Subscription:
    return cast("Subscription", Holder())


def table_of(**held: list[Subscription]) -> SharedPatterns:
    table = SharedPatterns()
    for text, holders in held.items():
        shared = table.add(parse_pattern(text), echo=False)
        shared.settle()
        for one in holders:
            table.hold(shared, one, (text,))
    return table


def test_an_event_reaches_each_holder_once() -> None:
    a, b = holder(), holder()
    table = SharedPatterns()
    for text, holders in {"n/*": [a, b], "n/**": [a], "m": [b]}.items():
        shared = table.add(parse_pattern(text), echo=False)
        for one in holders:
            table.hold(shared, one, (text,))
    assert table.receivers("n/x") == (a, b)
    assert table.receivers("m") == (b,)
    assert table.receivers("other") == ()
    assert table.receivers("no//name") == ()


def test_who_lets_go_gets_nothing_and_names_what_nobody_holds() -> None:
    a, b = holder(), holder()
    table = table_of(n=[a, b], m=[a])
    assert table.receivers("n") == (a, b)
    assert table.release_all(a) == ["m"]
    assert table.receivers("n") == (b,)
    assert table.get("m") is None
    assert table.subscriptions == [b]
    assert table.release_all(b) == ["n"]
    assert table.release_all(b) == []
    assert table.settled == []


def test_one_pattern_may_be_released_alone() -> None:
    a = holder()
    table = table_of(n=[a], m=[a])
    shared = table.get("n")
    assert shared is not None
    assert table.release(shared, a) == ("n",)
    assert table.receivers("n") == ()
    assert table.release_all(a) == ["m"]


def test_what_is_suspended_has_no_receivers() -> None:
    a, b = holder(), holder()
    table = table_of(n=[a, b], m=[a])
    assert table.receivers("n") == (a, b)
    assert table.mark(["n", "m", "unknown"], suspended=True) == {
        a: ("n", "m"),
        b: ("n",),
    }
    assert table.receivers("n") == ()
    assert table.mark(["n"], suspended=False) == {a: ("n",), b: ("n",)}
    assert table.receivers("n") == (a, b)


def test_names_that_only_come_by_are_not_kept_for_ever() -> None:
    table = table_of(n=[holder()])
    for number in range(10_000):
        table.receivers(f"x/{number}")
    assert len(table._receivers) <= 4_096


async def test_waiting_ends_when_everything_asked_for_is_settled() -> None:
    table = SharedPatterns()
    both = [table.add(parse_pattern(text), echo=False) for text in ("n", "m")]
    waiting = asyncio.ensure_future(table.until_settled(["n", "m", "unknown"]))
    for shared in both:
        await asyncio.sleep(0)
        assert not waiting.done()
        shared.settle()
    await waiting


def test_a_refusal_names_the_pattern_as_it_was_given() -> None:
    details: dict[str, Any] = {"limit": "limits.subscriptions"}
    error = Refusal("LIMIT_EXCEEDED", "too many", details).error("/n/")
    assert (error.code, error.name, error.details) == ("LIMIT_EXCEEDED", "/n/", details)
    assert type(DENIED.error("n")).__name__ == "MessageDenied"
