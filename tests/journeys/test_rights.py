"""Who hears what, decided by the directory of a running broker, change by change."""

import asyncio
import itertools
import random
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from handlers import Everybody
from journeys.conftest import Starting, until
from vestibule.client import open_session
from vestibule.protocol import messages
from vestibule.protocol.codec import decode_body
from vestibule.server.testing import (
    MemoryBroker,
    RawPeer,
    RequestRefused,
    memory_broker,
)


class Hall:
    """A broker in memory with its administrator, and users without passwords' cost."""

    def __init__(self, broker: MemoryBroker, admin: RawPeer, handler: Any) -> None:
        self.broker = broker
        self.admin = admin
        self.handler = handler

    async def security(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return await self.admin.component(
            f"vestibule/security/{method}", *args, **kwargs
        )

    async def group(self, name: str, permissions: Any, **more: Any) -> None:
        group = {"name": name, "permissions": permissions, **more}
        await self.security("upsert_group", group, overwrite_permissions=True)

    async def user(self, name: str, *groups: str, **more: Any) -> RawPeer:
        """Make a user of the directory, and log it in."""
        member = dict.fromkeys(groups, True)
        user = {"username": name, "password": name, "groups": member, **more}
        await self.security("upsert_user", user)
        return await self.broker.login({"username": name, "password": name})


@pytest.fixture
async def hall() -> AsyncIterator[Hall]:
    async with memory_broker() as broker:
        yield Hall(broker, await broker.admin(), None)


async def heard(peer: RawPeer) -> list[tuple[str, Any]]:
    """Give the events that have come, after everything under way has."""
    for _ in range(20):
        await asyncio.sleep(0)
    notices = [peer.notices.get_nowait() for _ in range(peer.notices.qsize())]
    return [
        (one.name, decode_body(one.data))
        for one in notices
        if isinstance(one, messages.Event)
    ]


def hearing(*patterns: str, **more: Any) -> dict[str, Any]:
    return {"events": {one: {"actions": ["subscribe"], **more} for one in patterns}}


NOT_B = {"events": {"n/b": {"authorized": False, "actions": ["subscribe"]}}}


async def by_group_rule(hall: Hall, *, on: bool) -> None:
    rules = hearing("n/*")["events"] | (NOT_B["events"] if on else {})
    await hall.group("G", {"events": rules})


async def by_user_rule(hall: Hall, *, on: bool) -> None:
    method = "add_user_permissions" if on else "remove_user_permissions"
    await hall.security(method, "lisa", NOT_B)


async def by_link(hall: Hall, *, on: bool) -> None:
    await hall.security("link_group" if on else "unlink_group", "P", "lisa")


async def by_include(hall: Hall, *, on: bool) -> None:
    group = {"name": "G", "includes": ["P"] if on else []}
    await hall.security("upsert_group", group)


async def by_template_value(hall: Hall, *, on: bool) -> None:
    heard_of = ["a"] if on else ["a", "b"]
    user = {"username": "lisa", "application_data": {"heard": heard_of}}
    await hall.security("update_user", user)


async def by_empty_assignment(hall: Hall, *, on: bool) -> None:
    given = "set 'R' path 'n/b' permissions []"
    taken = "remove 'R' permissions for path 'n/b'"
    await hall.security("update_security_store", given if on else taken)


async def by_isolated_path(hall: Hall, *, on: bool) -> None:
    verb = "isolate" if on else "deisolate"
    await hall.security("update_security_store", f"{verb} path 'n/b'")


ASSIGNED = "set 'R' path 'n' permissions [SELECT_TOPIC, READ_TOPIC]"


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        (by_group_rule, hearing("n/*")),
        (by_user_rule, hearing("n/*")),
        (by_link, hearing("n/*")),
        (by_include, hearing("n/*")),
        (by_template_value, hearing("n/{application_data.heard}")),
        (by_empty_assignment, {}),
        (by_isolated_path, {}),
    ],
)
async def test_p2_after_a_prohibition_nothing_comes_and_after_its_end_all_does(
    hall: Hall, change: Any, rules: dict[str, Any]
) -> None:
    await hall.group("P", NOT_B)
    await hall.group("G", rules)
    if not rules:
        # Rights that come from assignments instead.
        await hall.security("update_security_store", ASSIGNED)
        await hall.security("upsert_group", {"name": "G", "includes": ["R"]})
    lisa = await hall.user("lisa", "G", application_data={"heard": ["a", "b"]})
    other = await hall.user("other", "G")
    assert await lisa.subscribe("n/*") == [None]
    count = itertools.count()

    async def published() -> set[int]:
        numbers = {next(count) for _ in range(5)}
        for number in numbers:
            for name in ("n/a", "n/b"):
                await hall.admin.publish(name, number)
        return numbers

    for _ in range(2):
        numbers = await published()
        everything = {(name, one) for name in ("n/a", "n/b") for one in numbers}
        assert set(await heard(lisa)) == everything
        await change(hall, on=True)
        numbers = await published()
        assert await heard(lisa) == [("n/a", number) for number in sorted(numbers)]
        await change(hall, on=False)
    await published()
    assert len(await heard(lisa)) == 10
    assert await heard(other) == []


# P3: an oracle that knows what patterns mean and nothing of the policy.


def fits(pattern: list[str], name: list[str]) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "**":
        return any(fits(pattern[1:], name[at:]) for at in range(len(name) + 1))
    return bool(name) and pattern[0] in ("*", name[0]) and fits(pattern[1:], name[1:])


def of_size(letters: str, most: int) -> list[str]:
    return [
        "/".join(one)
        for size in range(1, most + 1)
        for one in itertools.product(letters.split(), repeat=size)
    ]


NAMES = of_size("a b", 3)
PATTERNS = of_size("a b * **", 2)


def matched(pattern: str) -> set[str]:
    return {name for name in NAMES if fits(pattern.split("/"), name.split("/"))}


async def test_p3_what_a_session_hears_is_what_the_oracle_says(hall: Hall) -> None:
    seed = secrets.randbits(32)
    chance = random.Random(seed)  # noqa: S311 - drawn cases, named by their seed
    await hall.group("G", {})
    lisa = await hall.user("lisa", "G")
    for _ in range(25):
        allowed, prohibited = chance.choice(PATTERNS), chance.choice(PATTERNS)
        rules = {
            allowed: {"actions": ["subscribe"], "deep": False},
            prohibited: {
                "authorized": False,
                "actions": ["subscribe"],
                "deep": False,
            },
        }
        await hall.group("G", {"events": rules})
        readable = matched(allowed) - matched(prohibited)
        if allowed == prohibited:
            readable = set()
        for asked in chance.sample(PATTERNS, 6):
            where = f"seed {seed}: {allowed} {prohibited} {asked}"
            (outcome,) = await lisa.subscribe(asked)
            for name in NAMES:
                await hall.admin.publish(name)
            got = {name for name, _ in await heard(lisa)}
            expected = readable & matched(asked) if outcome is None else set()
            assert got == expected, where
            if matched(asked) <= readable and asked == allowed:
                assert outcome is None, where
            if outcome is None:
                await lisa.request(messages.Unsubscribe(lisa.next_id(), [asked]))


BAD_NAMES = (
    "*",
    "**",
    "a*",
    "a/b",
    "..",
    "a{b}",
    "a\0",
    "a\u202e",
    "a\u200d",
    "a ",
    "a" * 129,
)
ODD_NAMES = ("a+b", "#", "%2f", ">", "user.name", "$x", "?")


async def test_p5_no_name_widens_what_its_template_gives(hall: Hall) -> None:
    template = {"events": {"u/{username}/*": {"actions": ["subscribe"]}}}
    await hall.group("own", template)
    for name in BAD_NAMES:
        with pytest.raises(RequestRefused) as caught:
            await hall.user(name, "own")
        assert caught.value.code == "INVALID_NAME", name
    peers = {name: await hall.user(name, "own") for name in ODD_NAMES}
    for name, peer in peers.items():
        patterns = [f"u/{other}/*" for other in (*ODD_NAMES, "z")] + ["**", "u/**"]
        outcomes = await peer.subscribe(*patterns)
        accepted = [
            pattern
            for pattern, outcome in zip(patterns, outcomes, strict=True)
            if outcome is None
        ]
        assert f"u/{name}/*" in accepted
        assert not {f"u/{other}/*" for other in ODD_NAMES if other != name} & set(
            accepted
        )
    for name in (*ODD_NAMES, "z"):
        await hall.admin.publish(f"u/{name}/x")
    await hall.admin.publish("u/x")
    for name, peer in peers.items():
        assert await heard(peer) == [(f"u/{name}/x", None)]


@pytest.mark.parametrize(
    "value", ["*", "**", "a*", "..", "a{b}", "a\0", "a\u202e", "a\u200d", "x" * 2000]
)
async def test_p5_a_value_that_would_widen_a_template_voids_the_entry(
    hall: Hall, value: str
) -> None:
    entry = {"actions": ["subscribe", "publish"]}
    await hall.group("own", {"events": {"t/{application_data.x}/*": entry}})
    lisa = await hall.user("lisa", "own", application_data={"x": value})
    for outcome in await lisa.subscribe("t/*/*", "t/**", "**", "t/a/x"):
        assert outcome is None or outcome[0] == "MESSAGE_DENIED"
    for name in ("t/a/x", "t/x", "t/a/b/x"):
        await hall.admin.publish(name)
    assert await heard(lisa) == []


async def test_p6_a_spelling_is_refused_or_means_the_one_name(hall: Hall) -> None:
    both = {"actions": ["subscribe", "publish"], "deep": False}
    await hall.group("G", {"events": {"a/b": both, "é": both}})
    lisa, other = await hall.user("lisa", "G"), await hall.user("other", "G")
    assert await lisa.subscribe("a/b", "é") == [None, None]
    spellings = {
        "/a/b/": "a/b",
        "a/b/": "a/b",
        "/a/b": "a/b",
        "e\u0301": "é",
        "a//b": "INVALID_PATH",
        "//a": "INVALID_PATH",
        "a/./b": "INVALID_PATH",
        "a/../b": "INVALID_PATH",
        "A/b": "MESSAGE_DENIED",
        "\uff41/\uff42": "MESSAGE_DENIED",
        "%2e%2e": "MESSAGE_DENIED",
        "a%2Fb": "MESSAGE_DENIED",
        "a%00": "MESSAGE_DENIED",
        "a/b\x07": "INVALID_PATH",
        "a/b\u200b": "INVALID_PATH",
        "x" * 1025: "INVALID_PATH",
        "/".join("s" * 33): "INVALID_PATH",
    }
    for spelling, meaning in spellings.items():
        if meaning in ("INVALID_PATH", "MESSAGE_DENIED"):
            with pytest.raises(RequestRefused) as caught:
                await other.publish(spelling)
            assert caught.value.code == meaning, spelling
            assert await heard(lisa) == []
        else:
            await other.publish(spelling, "x")
            assert await heard(lisa) == [(meaning, "x")]


async def is_refused(attempt: Any) -> None:
    with pytest.raises(RequestRefused) as caught:
        await attempt
    assert caught.value.code in ("MESSAGE_DENIED", "INVALID_PATH")


async def test_p9_what_is_allowed_everywhere_does_not_reach_the_brokers_components() -> (
    None
):
    async with memory_broker(name="hub") as broker:
        admin = await broker.admin()
        entry = {"actions": ["subscribe", "publish"]}
        everything = {"events": {"**": entry}, "web": {"**": {"actions": ["get"]}}}
        group = {"name": "all", "permissions": everything}
        security = "hub/security"
        await admin.component(f"{security}/upsert_group", group)
        user = {"username": "lisa", "password": "x", "groups": {"all": True}}
        await admin.component(f"{security}/upsert_user", user)
        lisa = await broker.login({"username": "lisa", "password": "x"})
        patterns = ("**", "*/*", "hub/**", "hub/security/**", "security/**", "*/*/*")
        await lisa.subscribe(*patterns)
        places = ("hub/security", "security", "/hub//security", "HUB/security")
        for place in places:
            name = f"{place}/upsert_user"
            evil = {"username": "evil", "password": "x"}
            provide = messages.Provide(lisa.next_id(), name)
            await is_refused(lisa.request(provide))
            await is_refused(lisa.component(name, evil))
            if place != "HUB/security":  # an ordinary name of somebody's events
                await is_refused(lisa.publish(place))
                await is_refused(lisa.publish(name))
        await admin.component(f"{security}/upsert_user", {**user, "username": "new"})
        assert await heard(lisa) == []
        assert broker.broker.directory.user("evil") is None
        await admin.publish("elsewhere")
        assert await heard(lisa) == [("elsewhere", None)], "it hears what is not theirs"


async def test_r34_a_handler_that_changes_its_mind_suspends_and_resumes(
    starting: Starting,
) -> None:
    told: list[tuple[str, str | None, tuple[str, ...]]] = []

    def on_state(state: str, code: str | None, patterns: tuple[str, ...]) -> None:
        told.append((state, code, patterns))

    handler = Everybody()
    async with (
        starting(handler) as broker,
        open_session(broker.url, {"username": "a"}, server_key=broker.server_key) as a,
        open_session(broker.url, {"username": "b"}, server_key=broker.server_key) as b,
        a.events.subscribe("n", on_state=on_state) as events,
    ):
        handler.decide = lambda name, _: name != "a"
        await broker.recheck("a")
        await b.events.publish("n", 1)
        await until(lambda: events.suspended)
        handler.decide = lambda _name, _message: True
        await broker.recheck("a")
        await b.events.publish("n", 2)
        assert (await anext(aiter(events))).data == 2
        assert events.gaps == 1
        assert told == [
            ("suspended", "PERMISSION_REVOKED", ("n",)),
            ("resumed", None, ("n",)),
        ]
