"""What a session is told of its own permissions."""

import pytest

from live import call, live, refused


async def test_s5_every_session_may_ask_and_an_empty_answer_is_no_error() -> None:
    async with live() as hub:
        lisa = await hub.session_of("lisa")
        assert await call(lisa, "get_global_permissions") == []
        assert await call(lisa, "get_path_permissions", "x") == []


async def test_answers_are_those_of_the_policy_at_this_moment() -> None:
    async with live() as hub:
        lisa = await hub.session_of("lisa", "A")
        await hub.security(
            "set 'A' permissions [MODIFY_SESSION VIEW_SESSION]",
            "set 'A' path 'x' permissions [EXPOSE_BRANCH READ_TOPIC]",
        )
        assert await call(lisa, "get_global_permissions") == [1, 2]
        assert await call(lisa, "get_path_permissions", "/x/y/") == [0, 11]
        await hub.security("isolate path 'x/y'")
        assert await call(lisa, "get_path_permissions", "x/y") == []


async def test_rules_are_not_among_path_permissions() -> None:
    async with live() as hub:
        lisa = await hub.session_of("lisa")
        rule = {"events": {"x": {"actions": ["publish", "subscribe"]}}}
        await hub.directory.add_user_permissions("lisa", rule, by="_ADMIN")
        assert await call(lisa, "get_path_permissions", "x") == []


@pytest.mark.parametrize("path", ["a/*", "", "/", "a//b", "a/{b}", "a/..", "**"])
async def test_s25_a_path_is_concrete(path: str) -> None:
    async with live() as hub:
        assert await refused(hub.admin, "get_path_permissions", path) == "INVALID_PATH"


async def test_a_path_is_text() -> None:
    async with live() as hub:
        code = await refused(hub.admin, "get_path_permissions", None)
        assert code == "INVALID_ARGUMENT"
