"""A document makes a directory what it says, in one transaction or not at all."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from directories import BY, Clock, Copies, Hub, key, opened
from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory import Directory, DirectoryError


OPERATOR = "_OPERATOR"


@pytest.fixture
async def other(copy: Copies, clock: Clock) -> AsyncIterator[Directory]:
    async with opened(copy(), now=clock) as directory:
        yield directory


def whole(**said: Any) -> dict[str, Any]:
    return {"vestibule_directory": 1, **said}


async def take(hub: Hub, document: Any, **options: Any) -> list[dict[str, Any]]:
    return await hub.directory.import_directory(document, by=OPERATOR, **options)


async def refused(hub: Hub, document: Any, **options: Any) -> list[str]:
    before, epoch = hub.directory.export_directory(), hub.epoch
    with pytest.raises(DirectoryError) as caught:
        await take(hub, document, **options)
    assert (hub.directory.export_directory(), hub.epoch) == (before, epoch)
    assert caught.value.code == ErrorCode.INVALID_ARGUMENT
    problems: list[str] = caught.value.details["problems"]
    return problems


# A document of everything, by the calls and scripts that people use.

NAMES = st.sampled_from(["amy", "bob", "lisa", "O'Hara", "é", "off", "010"])
GROUPS = st.sampled_from(["g0", "g1", "g2", "null", "true"])
DATA = st.none() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=3)
NESTED = DATA | st.dictionaries(
    st.text(max_size=2), st.lists(DATA, max_size=2), max_size=2
)
ENTRY: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {"actions": ["publish"]},
        {"authorized": False},
        {"actions": ["publish"], "prohibited": ["subscribe"]},
        {"deep": False, "description": "why: because"},
    ]
)


def meant(entry: dict[str, Any], path: str) -> bool:
    """Whether an entry is valid: templates stand in allows only."""
    return "{" not in path or (entry.get("authorized", True) and len(entry) < 2)


PERMISSIONS = st.dictionaries(
    st.sampled_from(["a", "a/*", "b/**", "u/{username}"]), ENTRY, max_size=3
).map(
    lambda found: {
        "events": {path: entry for path, entry in found.items() if meant(entry, path)}
    }
)
POLICIES = st.sampled_from(
    [
        'allow anonymous connections ["CLIENT"]',
        "abstain anonymous connections",
        'trust client proposed property "a" if value in ["x", "y"]',
        "trust client proposed property 'b' if value matches 'a+'",
        'add principal "zoe" "sesame" ["g0"] locked by "zoe"',
    ]
)
SCRIPTS = st.sampled_from(
    [
        'set "g0" permissions [VIEW_SESSION]',
        'set "g1" default path permissions [READ_TOPIC]',
        'set "g2" path "a/b" permissions [READ_TOPIC, UPDATE_TOPIC]',
        'set "g2" path "c" permissions []',
        'isolate path "a/b/c"',
        'set roles for named sessions ["g0"]',
        'set roles for anonymous sessions ["named only"]',
        'set "g0" includes ["mentioned"]',
    ]
)


@st.composite
def steps(draw: st.DrawFn) -> list[tuple[str, Any]]:
    """Draw what people do to a directory, valid or refused."""
    users = st.builds(
        lambda name, groups, data, disabled, permissions: (
            "upsert_user",
            {
                "username": name,
                "public_key": key(len(name)),
                "groups": dict.fromkeys(groups, True),
                "custom_data": data,
                "disabled": disabled,
                "permissions": permissions,
            },
        ),
        NAMES,
        st.sets(GROUPS, max_size=2),
        NESTED,
        st.booleans(),
        PERMISSIONS,
    )
    groups = st.builds(
        lambda name, includes, data, permissions: (
            "upsert_group",
            {
                "name": name,
                "includes": sorted(includes),
                "custom_data": data,
                "permissions": permissions,
            },
        ),
        GROUPS,
        st.sets(GROUPS, max_size=2),
        NESTED,
        PERMISSIONS,
    )
    scripts = SCRIPTS.map(lambda text: ("update_security_store", text))
    policies = POLICIES.map(lambda text: ("update_authentication_store", text))
    return draw(st.lists(groups | users | scripts | policies, max_size=12))


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=steps())
async def test_what_is_exported_and_imported_elsewhere_is_the_same(
    hub: Hub, other: Directory, steps: list[tuple[str, Any]]
) -> None:
    for method, argument in steps:
        try:
            await getattr(hub.directory, method)(argument, by=BY)
        except DirectoryError:
            continue
    document = hub.directory.export_directory()
    await other.import_directory(document, prune=True, by=OPERATOR)
    assert other.export_directory() == document
    epoch = other.policy.epoch
    again = await other.import_directory(document, prune=True, by=OPERATOR)
    assert (again, other.policy.epoch) == ([], epoch)


# One by one.


async def test_named_holders_become_what_is_said_and_others_stay(hub: Hub) -> None:
    await hub.group("staff", {"events": {"a": {}}})
    await hub.user("bob", "staff")
    changed = await take(
        hub,
        whole(
            groups={"staff": {"permissions": {"events": {"b": {}}}}, "new": {}},
            users={"lisa": {"groups": ["new"], "custom_data": 0}},
        ),
    )
    assert [(row["what"], row["name"]) for row in changed] == [
        ("group", "new"),
        ("group", "staff"),
        ("user", "lisa"),
    ]
    assert changed[2] == {
        "what": "user",
        "name": "lisa",
        "before": None,
        "after": {"groups": ["new"], "custom_data": 0},
    }
    assert hub.may("bob", "events.subscribe", "a", "b") == [False, True]
    assert hub.directory.user("lisa") is not None


async def test_it_is_one_epoch(hub: Hub) -> None:
    epoch = hub.epoch
    await take(hub, whole(users={f"u{i}": {} for i in range(50)}))
    assert hub.epoch == epoch + 1


async def test_users_keep_password_and_id(hub: Hub) -> None:
    user = {"username": "lisa", "password": "sesame"}
    await hub.directory.add_user(user, by=BY)
    before = hub.directory.user("lisa")
    assert before is not None
    await take(hub, whole(users={"lisa": {"custom_data": "x"}}))
    after = hub.directory.user("lisa")
    assert after is not None
    assert (after.user_id, after.password) == (before.user_id, before.password)
    assert await hub.directory.verify("lisa", "sesame") is not None


async def test_only_with_prune_what_is_not_named_goes(hub: Hub) -> None:
    await hub.group("staff")
    await hub.user("bob", "staff")
    document = hub.directory.export_directory()
    del document["users"]["bob"], document["groups"]["staff"]
    assert await take(hub, document) == []
    changed = await take(hub, document, prune=True)
    assert [(row["name"], row["after"]) for row in changed] == [
        ("staff", None),
        ("bob", None),
    ]


async def test_without_users_prune_deletes_no_user(hub: Hub) -> None:
    await hub.user("bob")
    await take(
        hub, whole(groups=hub.directory.export_directory()["groups"]), prune=True
    )
    assert hub.directory.user("bob") is not None


async def test_a_dry_run_tells_the_same_and_changes_nothing(hub: Hub) -> None:
    document = whole(users={"lisa": {}}, isolated_paths=["a/b"])
    epoch = hub.epoch
    told = await take(hub, document, dry_run=True)
    assert (hub.epoch, hub.directory.user("lisa")) == (epoch, None)
    assert await take(hub, document) == told
    assert told[1] == {
        "what": "setting",
        "name": "isolated_paths",
        "before": [],
        "after": ["a/b"],
    }


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"users": {"a": {"groups": ["nope"]}}},
        ["users.a.groups: there is no group nope"],
    ),
    (
        {"groups": {"g": {"includes": ["h"]}, "h": {"includes": ["g"]}}},
        ["groups.g.includes: CYCLE", "groups.h.includes: CYCLE"],
    ),
    (
        {"groups": {"g": {"locked_by": "nobody"}}},
        ["groups.g.locked_by: there is no user nobody"],
    ),
    ({"groups": {"_MINE": {}}}, ["groups._MINE: PROTECTED"]),
    ({"users": {"_ANONYMOUS": {}}}, ["users._ANONYMOUS: PROTECTED"]),
    (
        {"session_defaults": {"named": ["nope"], "anonymous": []}},
        ["session_defaults.named: there is no group nope"],
    ),
]


@pytest.mark.parametrize(("said", "problems"), REFUSED)
async def test_what_cannot_be_is_refused_as_a_whole(
    hub: Hub, said: dict[str, Any], problems: list[str]
) -> None:
    said = {**said, "isolated_paths": ["a"]}
    assert await refused(hub, whole(**said)) == problems
    assert await refused(hub, whole(**said), dry_run=True) == problems


async def test_a_swapped_include_is_no_circle(hub: Hub) -> None:
    await hub.group("h")
    await hub.group("g", includes=["h"])
    await take(hub, whole(groups={"g": {}, "h": {"includes": ["g"]}}))
    assert hub.directory.export_directory()["groups"]["h"] == {"includes": ["g"]}


@pytest.mark.parametrize(
    "said",
    [
        {"users": {"_ADMIN": {"groups": ["_ADMIN"], "disabled": True}}},
        {"users": {"_ADMIN": {"groups": []}}},
        {"groups": {"_GUEST": {}}},
        {
            "groups": {
                "ADMINISTRATOR": {
                    "permissions": {"methods": {"*": {"authorized": False}}}
                }
            }
        },
    ],
)
async def test_what_is_the_systems_is_protected(hub: Hub, said: dict[str, Any]) -> None:
    for dry_run in (True, False):
        with pytest.raises(DirectoryError, match="PROTECTED"):
            await take(hub, whole(**said), dry_run=dry_run)


async def test_prune_does_not_take_the_administrators_group(hub: Hub) -> None:
    document = hub.directory.export_directory()
    del document["groups"]["ADMINISTRATOR"]
    with pytest.raises(DirectoryError, match="PROTECTED"):
        await take(hub, document, prune=True)


async def test_what_is_locked_is_left_alone_unless_it_says_the_same(hub: Hub) -> None:
    await hub.user("lisa")
    await take(hub, whole(groups={"g": {"locked_by": "lisa"}}))
    document = hub.directory.export_directory()
    assert document["groups"]["g"] == {"locked_by": "lisa"}
    assert await take(hub, document, prune=True) == []
    problem = ["groups.g: LOCKED locking_principal lisa"]
    assert await refused(hub, whole(groups={"g": {}})) == problem
    del document["groups"]["g"]
    assert await refused(hub, document, prune=True) == problem


async def test_a_lock_of_somebody_who_is_no_user_may_stay(hub: Hub) -> None:
    script = "set role 'g' locked by principal 'zoe'"
    await hub.directory.update_security_store(script, by="zoe")
    document = hub.directory.export_directory()
    assert document["groups"]["g"]["locked_by"] == "zoe"
    assert await take(hub, document, prune=True) == []

    own = whole(groups={"h": {"locked_by": "zoe"}})
    assert await refused(hub, own) == ["groups.h.locked_by: there is no user zoe"]
    with pytest.raises(DirectoryError):
        await hub.directory.import_directory(
            whole(groups={"h": {"locked_by": ""}}), by=""
        )
    await hub.directory.import_directory(own, by="zoe")
    assert hub.directory.locked_by("group", "h") == "zoe"


async def test_a_user_in_another_spelling_is_the_same(copy: Copies) -> None:
    async with opened(copy(), case_insensitive=True) as directory:
        hub = Hub(directory)
        before = await hub.user("lisa", password="sesame")
        await take(hub, whole(users={"Lisa": {"disabled": True}}), prune=True)
        shown = directory.get_user("lisa")
        assert shown is not None
        assert (shown["username"], shown["disabled"]) == ("lisa", True)
        assert shown["user_id"] == before["user_id"]

        # A lock is compared exactly, so it says the name as it is stored.
        lock = whole(groups={"g": {"locked_by": "LISA"}})
        assert await refused(hub, lock) == ["groups.g.locked_by: there is no user LISA"]


async def test_a_long_chain_of_includes_takes_no_recursion(hub: Hub) -> None:
    groups: dict[str, Any] = {
        f"g{i}": {"includes": [f"g{i + 1}"]} for i in range(2_000)
    }
    await take(hub, whole(groups={**groups, "g2000": {}}))
    problems = await refused(hub, whole(groups={"g2000": {"includes": ["g0"]}}))
    assert "groups.g0.includes: CYCLE" in problems
