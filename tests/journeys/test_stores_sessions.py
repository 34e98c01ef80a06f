"""Live sessions of others and one's own: properties, roles, end, another principal."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from journeys.conftest import Starting
from journeys.stores import Stores, names, new_stores
from vestibule.client import LoginRefused, MessageDenied, RequestFailed, Session
from vestibule.protocol.signatures import SigningKey


@pytest.fixture
async def stores(starting: Starting) -> AsyncIterator[Stores]:
    async with new_stores(starting) as stores:
        yield stores


async def globals_of(session: Session) -> set[str]:
    return await names(session.security.get_global_permissions())


async def roles_of(stores: Stores, session: Session) -> str:
    properties = await stores.security.get_session_properties(session.session_id)
    return properties["$Roles"]


# Properties.


async def test_s41_the_roles_of_a_session_are_its_groups_and_the_defaults(
    stores: Stores,
) -> None:
    await stores.script("set roles for named sessions ['X']")
    u = await stores.user("Y")
    assert await roles_of(stores, u) == '"X","Y","_GUEST"'


async def test_s83_of_its_own_a_session_sees_the_fixed_properties(
    stores: Stores,
) -> None:
    u = await stores.user("A")
    own = await u.security.get_session_properties()
    assert set(own) == {"$SessionId", "$ClientIP", "$StartTime", "$Principal"}
    assert own["$SessionId"] == u.session_id
    with pytest.raises(MessageDenied):
        await u.security.get_session_properties(u.session_id)


async def test_s55_s58_s59_only_trusted_proposals_become_properties(
    stores: Stores,
) -> None:
    await stores.users(
        "trust client proposed property 'K' if value in ['a' 'b']",
        r"trust client proposed property 'N' if value matches 'x\\d+'",
        "add principal 'u' 'u'",
    )

    async def kept(**proposed: str) -> dict[str, str]:
        session = await stores.login(
            {"username": "u", "password": "u", "properties": proposed}
        )
        found = await stores.security.get_session_properties(session.session_id)
        return {key: value for key, value in found.items() if key[0] != "$"}

    assert await kept(K="a", N="x12") == {"K": "a", "N": "x12"}
    assert await kept(K="c", N="ax12") == {}
    assert await kept(k="a", J="a", N="x12b") == {}
    await stores.users(
        "trust client proposed property 'K' if value in ['z']",
        "ignore client proposed property 'J'",
    )
    assert await kept(K="a") == {}
    assert await kept(K="z") == {"K": "z"}


async def test_s90_properties_are_set_and_what_changed_is_told(stores: Stores) -> None:
    await stores.store("M [VIEW_SESSION MODIFY_SESSION]")
    await stores.users("trust client proposed property 'K' if value in ['v']")
    manager = await stores.user("M", name="m")
    await stores.users("add principal 'u' 'u'")
    u = await stores.login({"username": "u", "password": "u", "properties": {"K": "v"}})
    before = await roles_of(stores, u)
    changed = await manager.security.set_session_properties(
        u.session_id, {"K": None, "N": "1", "$Country": "de", "$Roles": "x"}
    )
    assert changed == {"K": "v", "N": None, "$Country": None}
    found = await manager.security.get_session_properties(u.session_id)
    assert found["$Country"] == "DE"
    assert found["$Roles"] == before
    assert found["N"] == "1"
    assert "K" not in found
    with pytest.raises(RequestFailed) as refused:
        await manager.security.set_session_properties(u.session_id, {"a b": "1"})
    assert refused.value.code == "INVALID_ARGUMENT"
    with pytest.raises(RequestFailed) as refused:
        await manager.security.set_session_properties("none", {"N": "1"})
    assert refused.value.code == "NO_SUCH_SESSION"


# Roles and the end.


async def test_s84_s85_a_session_is_revoked_by_who_holds_both_permissions(
    stores: Stores,
) -> None:
    await stores.store("M [MODIFY_SESSION]", "A [AUTHENTICATE]")
    u = await stores.user()
    for group in ("M", "A"):
        one = await stores.user(group, name=f"only {group}")
        with pytest.raises(MessageDenied):
            await one.security.revoke_authentication(u.session_id)
    both = await stores.user("M", "A", name="both")
    assert await globals_of(u) == set()
    with pytest.raises(RequestFailed) as refused:
        await both.security.revoke_authentication("none")
    assert refused.value.code == "NO_SUCH_SESSION"
    await both.security.revoke_authentication(u.session_id)
    assert await u.wait_closed() == "revoked"
    again = await stores.login({"username": "u", "password": "u"})
    await both.security.revoke_authentication(both.session_id)
    assert await both.wait_closed() == "revoked"
    assert await globals_of(again) == set()


async def test_s86_roles_of_live_sessions_change_at_once(stores: Stores) -> None:
    await stores.store("A [VIEW_SESSION]", "B [MODIFY_SESSION]")
    a, b = await stores.user(name="a"), await stores.user("B", name="b")
    ids = [a.session_id, a.session_id, b.session_id, "none"]
    changed = await stores.security.change_roles(ids, add=["A"], remove=["B"])
    assert changed == 2
    for session in (a, b):
        assert await globals_of(session) == {"VIEW_SESSION"}
        assert await roles_of(stores, session) == '"A","_GUEST"'
    # What was changed wins over what the directory says later.
    await stores.users("assign roles 'b' ['B' 'A']")
    assert await globals_of(b) == {"VIEW_SESSION"}


async def test_s88_nobody_adds_a_role_that_it_has_not(stores: Stores) -> None:
    await stores.store("M [MODIFY_SESSION]", "ADMINS [MODIFY_SECURITY]")
    m = await stores.user("M", name="m")
    with pytest.raises(MessageDenied):
        await m.security.change_roles([m.session_id], add=["ADMINS"])
    assert await globals_of(m) == {"MODIFY_SESSION"}
    assert await m.security.change_roles([m.session_id], add=["M"]) == 1


# Another principal.


async def test_s77_s81_a_session_becomes_another_users(stores: Stores) -> None:
    await stores.store("A [VIEW_SESSION]", "B [VIEW_SERVER]")
    await stores.users("add principal 'bob' 'pw' ['B']")
    lisa = await stores.user("A", name="lisa")
    before = lisa.session_id
    assert await lisa.security.re_authenticate("bob", "pw") is True
    assert lisa.security.get_principal() == "bob"
    assert await globals_of(lisa) == {"VIEW_SERVER"}
    own = await lisa.security.get_session_properties()
    assert own["$Principal"] == "bob"
    assert own["$SessionId"] == lisa.session_id == before
    await lisa.security.change_principal("lisa", {"password": "lisa"})
    assert await globals_of(lisa) == {"VIEW_SESSION"}


async def test_s78_a_refused_session_stays_who_it_was(stores: Stores) -> None:
    await stores.store("A [VIEW_SESSION]")
    await stores.users("add principal 'bob' 'pw'")
    lisa = await stores.user("A", name="lisa")
    assert await lisa.security.re_authenticate("bob", "wrong") is False
    with pytest.raises(LoginRefused) as refused:
        await lisa.security.change_principal("nobody", "pw")
    assert refused.value.code == "INVALID_AUTH_DATA"
    assert lisa.security.get_principal() == "lisa"
    assert await globals_of(lisa) == {"VIEW_SESSION"}


async def test_what_is_sent_behind_a_switch_is_sent_as_the_new_user(
    stores: Stores,
) -> None:
    await stores.store("W@n [U]")
    await stores.users("add principal 'bob' 'pw' ['W']")
    lisa = await stores.user(name="lisa")
    async with stores.admin.events.subscribe("n") as events:
        switched, _ = await asyncio.gather(
            lisa.security.re_authenticate("bob", "pw"), lisa.events.publish("n", 1)
        )
        assert switched
        assert (await anext(events)).data == 1


async def test_a_session_becomes_a_user_who_signs_the_connection(
    stores: Stores,
) -> None:
    key = SigningKey.generate()
    user = {"username": "bob", "public_key": key.public}
    await stores.directory.upsert_user(user)
    lisa = await stores.user(name="lisa")
    other = {"signing_key": SigningKey.generate()}
    assert await lisa.security.re_authenticate("bob", other) is False
    assert await lisa.security.re_authenticate("bob", {"signing_key": key}) is True
    assert lisa.security.get_principal() == "bob"
    own = await lisa.security.get_session_properties()
    assert own["$Principal"] == "bob"
