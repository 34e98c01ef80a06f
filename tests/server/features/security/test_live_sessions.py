"""Live sessions, asked and changed by others: properties, roles, the end."""

import pytest

from live import call, id_of, live, refused, told
from vestibule.protocol import messages
from vestibule.server.testing import PeerClosed


async def test_s41_named_sessions_have_the_defaults_besides_their_groups() -> None:
    async with live() as hub:
        await hub.security("set roles for named sessions ['X']")
        lisa = await hub.session_of("lisa", "Y")
        assert await hub.roles(lisa) == '"X","Y","_GUEST"'


async def test_s83_a_session_sees_its_own_fixed_properties_without_any_right() -> None:
    async with live() as hub:
        lisa = await hub.session_of("lisa")
        own = await call(lisa, "get_session_properties")
        assert set(own) == {"$SessionId", "$ClientIP", "$StartTime", "$Principal"}
        assert (own["$SessionId"], own["$Principal"]) == (id_of(lisa), "lisa")
        assert int(own["$StartTime"]) > 1_600_000_000_000


async def test_a_prohibiting_rule_denies_even_what_needs_nothing() -> None:
    async with live() as hub:
        lisa = await hub.session_of("lisa")
        path = "security/get_session_properties"
        rule = {"methods": {path: {"authorized": False, "actions": ["call"]}}}
        await hub.directory.add_user_permissions("lisa", rule, by="_ADMIN")
        assert await refused(lisa, "get_session_properties") == "MESSAGE_DENIED"


async def test_properties_of_others_need_view_session_before_it_is_told_who_is_there() -> (
    None
):
    async with live() as hub:
        await hub.security("set 'V' permissions [VIEW_SESSION]")
        lisa = await hub.session_of("lisa")
        viewer = await hub.session_of("vic", "V")
        for one in (id_of(viewer), id_of(lisa), "none"):
            code = await refused(lisa, "get_session_properties", one)
            assert code == "MESSAGE_DENIED"
        assert hub.broker.counters["messages_denied"] == 3
        seen = await call(viewer, "get_session_properties", id_of(lisa))
        assert (seen["$Principal"], seen["$Roles"]) == ("lisa", '"_GUEST"')
        code = await refused(viewer, "get_session_properties", "none")
        assert code == "NO_SUCH_SESSION"
        code = await refused(viewer, "get_session_properties", 5)
        assert code == "INVALID_ARGUMENT"


async def test_a_rule_may_allow_it_too() -> None:
    async with live() as hub:
        lisa = await hub.session_of("lisa")
        path = "security/get_session_properties"
        rule = {"methods": {path: {"authorized": True, "actions": ["call"]}}}
        await hub.directory.add_user_permissions("lisa", rule, by="_ADMIN")
        seen = await call(lisa, "get_session_properties", id_of(hub.admin))
        assert seen["$Principal"] == "_ADMIN"


async def test_s90_properties_are_set_and_removed_and_told_as_they_were() -> None:
    async with live() as hub:
        await hub.security("set 'M' permissions [VIEW_SESSION MODIFY_SESSION]")
        await hub.system("trust client proposed property 'K' if value in ['v']")
        lisa = await hub.session_of("lisa", properties={"K": "v"})
        mia = await hub.session_of("mia", "M")
        given = {"K": None, "N": "1", "$Country": "de", "$Roles": "x"}
        before = await call(mia, "set_session_properties", id_of(lisa), given)
        assert before == {"K": "v", "N": None, "$Country": None}
        now = await hub.properties(lisa)
        assert now["$Country"] == "DE"
        assert now["N"] == "1"
        assert now["$Roles"] == '"_GUEST"'
        assert "K" not in now
        again = {"N": "1", "$Country": "DE"}
        assert await call(mia, "set_session_properties", id_of(lisa), again) == {}


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("$Language", "EN", "en"),
        ("$Latitude", "51.5", "51.5"),
        ("$Latitude", "91", "NaN"),
        ("$Longitude", "here", "NaN"),
    ],
)
async def test_the_location_is_kept_in_one_form(
    key: str, value: str, kept: str
) -> None:
    async with live() as hub:
        own = id_of(hub.admin)
        await call(hub.admin, "set_session_properties", own, {key: value})
        assert (await hub.properties(hub.admin))[key] == kept


@pytest.mark.parametrize(
    "properties",
    [
        None,
        {"N": 1},
        {"a b": "x"},
        {"": "x"},
        {"N": "x" * 4097},
        {f"k{number}": "v" for number in range(65)},
    ],
)
async def test_malformed_properties_change_nothing(properties: object) -> None:
    async with live() as hub:
        lisa = await hub.session_of("lisa")
        if isinstance(properties, dict):
            properties = {"good": "1", **properties}
        code = await refused(
            hub.admin, "set_session_properties", id_of(lisa), properties
        )
        assert code == "INVALID_ARGUMENT"
        assert "good" not in await hub.properties(lisa)


async def test_s86_roles_are_changed_of_the_ids_that_are_sessions() -> None:
    async with live() as hub:
        a, b = await hub.session_of("ann", "B"), await hub.session_of("bob")
        ids = [id_of(a), id_of(a), id_of(b), "none"]
        changed = await call(hub.admin, "change_roles", ids, add=["A"], remove=["B"])
        assert changed == 2
        assert await hub.roles(a) == '"A","_GUEST"'
        assert await hub.roles(b) == '"A","_GUEST"'


@pytest.mark.parametrize(
    ("ids", "sets"),
    [
        ([], {"add": ["A"], "remove": ["A"]}),
        ([], {}),
        ("abc", {"add": ["A"]}),
        ([5], {"add": ["A"]}),
        ([], {"add": "A"}),
        ([], {"add": ["a/b"]}),
    ],
)
async def test_s87_what_is_no_change_of_roles_is_refused(
    ids: object, sets: dict[str, object]
) -> None:
    async with live() as hub:
        code = await refused(hub.admin, "change_roles", ids, **sets)
        assert code == "INVALID_ARGUMENT"


async def test_s88_nobody_adds_a_role_that_it_has_not_itself() -> None:
    async with live() as hub:
        await hub.security(
            "set 'M' permissions [MODIFY_SESSION]",
            "set 'M' includes ['N']",
            "set 'ADMINS' permissions [MODIFY_SECURITY]",
            "set 'S' permissions [MODIFY_SESSION MODIFY_SECURITY]",
        )
        mia = await hub.session_of("mia", "M")
        code = await refused(mia, "change_roles", [id_of(mia)], add=["ADMINS"])
        assert code == "MESSAGE_DENIED"
        assert await hub.roles(mia) == '"M","_GUEST"'
        # Included ones are its own, and whoever may change all groups adds any.
        assert await call(mia, "change_roles", [id_of(mia)], add=["N"]) == 1
        sue = await hub.session_of("sue", "S")
        assert await call(sue, "change_roles", [id_of(mia)], add=["ADMINS"]) == 1
        assert await hub.roles(mia) == '"ADMINS","M","N","_GUEST"'


async def test_changed_roles_win_over_later_memberships_and_end_with_a_new_login() -> (
    None
):
    async with live() as hub:
        lisa = await hub.session_of("lisa", "B", "C")
        ids = [id_of(lisa)]
        await call(hub.admin, "change_roles", ids, add=["A"], remove=["B"])
        await hub.system("assign roles 'lisa' ['B' 'D']")
        assert await hub.roles(lisa) == '"A","D","_GUEST"'
        # The later change wins, one way and the other.
        await call(hub.admin, "change_roles", ids, add=["B"], remove=["A"])
        assert await hub.roles(lisa) == '"B","D","_GUEST"'
        await lisa.reauthenticate({"username": "lisa", "password": "pw-lisa"})
        await hub.system("assign roles 'lisa' ['C']")
        assert await hub.roles(lisa) == '"C","_GUEST"'


async def test_changed_roles_are_in_force_when_they_are_answered() -> None:
    async with live() as hub:
        await hub.security("set 'A' path 'n' permissions [SELECT_TOPIC READ_TOPIC]")
        await hub.security("set 'B' path 'done' permissions [UPDATE_TOPIC]")
        lisa = await hub.session_of("lisa", "A", "B")
        assert await lisa.subscribe("n/*") == [None]
        await call(hub.admin, "change_roles", [id_of(lisa)], remove=["A"])
        await hub.admin.publish("n/x", 1)
        await call(hub.admin, "change_roles", [id_of(lisa)], add=["A"])
        await hub.admin.publish("n/x", 2)
        await lisa.publish("done")
        kinds = (messages.Suspended, messages.Resumed, messages.Event)
        came = [type(one).__name__ for one in told(lisa, *kinds)]
        assert came == ["Suspended", "Resumed", "Event"]


async def test_s84_p1_a_revoked_session_ends_and_its_user_logs_in_again() -> None:
    async with live() as hub:
        await hub.security("set 'R' permissions [MODIFY_SESSION AUTHENTICATE]")
        await hub.security("set 'A' path 'n' permissions [SELECT_TOPIC READ_TOPIC]")
        lisa = await hub.session_of("lisa", "A")
        other = await hub.enter("lisa")
        ron = await hub.session_of("ron", "R")
        await lisa.subscribe("n/*")
        assert await call(ron, "revoke_authentication", id_of(lisa)) is None
        await hub.admin.publish("n/x", "too late")
        assert await lisa.wait_closed() == "revoked"
        assert told(lisa, messages.Event) == []
        assert id_of(other) in hub.broker.sessions
        assert id_of(await hub.enter("lisa")) in hub.broker.sessions


async def test_s85_revoking_needs_both_permissions_and_a_session() -> None:
    async with live() as hub:
        await hub.security(
            "set 'M' permissions [MODIFY_SESSION]",
            "set 'T' permissions [AUTHENTICATE]",
        )
        lisa = await hub.session_of("lisa")
        for name, roles in {"mia": ["M"], "tom": ["T"]}.items():
            peer = await hub.session_of(name, *roles)
            code = await refused(peer, "revoke_authentication", id_of(lisa))
            assert code == "MESSAGE_DENIED"
        both = await hub.session_of("bea", "M", "T")
        code = await refused(both, "revoke_authentication", "none")
        assert code == "NO_SUCH_SESSION"
        assert id_of(lisa) in hub.broker.sessions


async def test_who_revokes_its_own_session_is_answered_first() -> None:
    async with live() as hub:
        own = id_of(hub.admin)
        assert await call(hub.admin, "revoke_authentication", own) is None
        assert await hub.admin.wait_closed() == "revoked"
        with pytest.raises(PeerClosed):
            await call(hub.admin, "get_session_properties")


async def test_what_is_done_to_sessions_stands_in_the_audit_log() -> None:
    async with live() as hub:
        lisa = await hub.session_of("lisa")
        await call(hub.admin, "change_roles", [id_of(lisa)], add=["A"])
        await call(hub.admin, "set_session_properties", id_of(lisa), {"N": "1"})
        await call(hub.admin, "revoke_authentication", id_of(lisa))
        counts = hub.broker._audit.counts
        assert (counts["session_changed"], counts["session_revoked"]) == (2, 1)


async def test_a_profile_that_narrows_shows_nothing_of_other_sessions() -> None:
    method = {"authorized": True, "actions": ["call"]}
    profiles = [
        {
            "name": name,
            "match": {"usernames": [name]},
            "permissions": {"methods": {path: method}},
        }
        for name, path in (
            ("mia", "security/list_sessions"),
            ("vic", "security/get_session_properties"),
        )
    ]
    async with live(profiles=profiles) as hub:
        await hub.security("set 'V' permissions [VIEW_SESSION]")
        mia, vic = await hub.session_of("mia", "V"), await hub.session_of("vic", "V")
        admin = id_of(hub.admin)
        code = await refused(mia, "get_session_properties", admin)
        assert code == "TOKEN_LIMITED"
        assert (await call(mia, "get_session_properties"))["$Principal"] == "mia"
        seen = await call(vic, "get_session_properties", admin)
        assert seen["$Principal"] == "_ADMIN"


async def test_a_role_that_is_had_or_lacked_already_goes_on_to_follow_the_directory() -> (
    None
):
    async with live() as hub:
        await hub.security("set 'M' permissions [MODIFY_SESSION]")
        mia = await hub.session_of("mia", "M", "X")
        own = [id_of(mia)]
        # Nobody keeps a right for later by adding what is its own for now.
        assert await call(mia, "change_roles", own, add=["M", "X"], remove=["Y"]) == 1
        await hub.system("assign roles 'mia' ['Y']")
        assert await hub.roles(mia) == '"Y","_GUEST"'
        assert await refused(mia, "change_roles", own, add=["Y"]) == "MESSAGE_DENIED"
