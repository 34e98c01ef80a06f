"""Control authenticators in a broker in memory: who is asked, and what answers do."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
from msgspec import Raw

from control import ABSTAIN, ALLOW, DENY, FAILED, Control, controlling, silent
from vestibule.protocol import messages
from vestibule.protocol.codec import encode_body
from vestibule.server import PermissionHandler
from vestibule.server.session import Session
from vestibule.server.testing import (
    MemoryBroker,
    RawPeer,
    RequestRefused,
    memory_broker,
)


CHAIN = ["control:before", "directory", "control:after"]
QUICK = 0.1


class Hub:
    """A broker whose chain asks before and after the directory."""

    def __init__(self, broker: MemoryBroker, stack: AsyncExitStack) -> None:
        self.broker = broker
        self._stack = stack

    async def control(self, answer: Any, *names: str) -> Control:
        """Have an administrator's session answer for `names`."""
        peer = await self.broker.admin()
        return await self._stack.enter_async_context(controlling(peer, answer, *names))

    async def admin(self, method: str, *args: Any, **kwargs: Any) -> Any:
        peer = await self.broker.admin()
        try:
            return await peer.component(f"vestibule/security/{method}", *args, **kwargs)
        finally:
            peer.close()

    async def script(self, *lines: str) -> None:
        await self.admin("update_security_store", "\n".join(lines))

    async def login(self, **auth_data: Any) -> Session:
        peer = await self.broker.login(auth_data)
        return self.broker.broker.sessions[peer.initiator.session_id]

    async def refused(self, **auth_data: Any) -> tuple[str, str]:
        with pytest.raises(RequestRefused) as caught:
            await self.broker.login(auth_data)
        return caught.value.code, caught.value.message


WRONG = ("INVALID_AUTH_DATA", "invalid credentials")


@asynccontextmanager
async def hub(
    chain: list[Any] | None = None, handler: object = None, **settings: Any
) -> AsyncIterator[Hub]:
    settings.setdefault("lockout", {"attempts": 100})
    async with (
        memory_broker(
            handler, authenticators=CHAIN if chain is None else chain, **settings
        ) as broker,
        AsyncExitStack() as stack,
    ):
        yield Hub(broker, stack)


def entry(name: str, **settings: Any) -> list[Any]:
    """Give the chain with settings for one of its entries."""
    return [
        {"name": one, **settings} if one == f"control:{name}" else one for one in CHAIN
    ]


async def lisa(hub: Hub) -> None:
    await hub.admin("add_user", {"username": "lisa", "password": "sesame"})


# The chain.


async def test_s64_the_last_that_does_not_abstain_decides() -> None:
    async with hub() as h:
        await h.control(ABSTAIN, "before")
        await h.control(ALLOW, "after")
        session = await h.login(username="eve", password="x")
        assert (session.username, session.authenticator) == ("eve", "control:after")


async def test_s65_who_comes_after_an_answer_is_not_asked() -> None:
    async with hub() as h:
        before = await h.control(lambda q: ABSTAIN, "before")
        after = await h.control(DENY, "after")
        before.answering = lambda _: ALLOW
        await h.login(username="eve", password="x")
        assert after.questions == []


async def test_s66_all_abstaining_refuses_like_a_wrong_password() -> None:
    async with hub() as h:
        await h.control(ABSTAIN, "before", "after")
        before = h.broker.broker.counters["logins_refused"]
        assert await h.refused(username="eve", password="x") == WRONG
        assert h.broker.broker.counters["logins_refused"] == before + 1


async def test_s67_where_nobody_is_registered_the_entry_is_skipped_or_denies() -> None:
    async with hub() as h:
        await lisa(h)
        session = await h.login(username="lisa", password="sesame")
        assert session.authenticator == "directory"
    async with hub([{"name": "control:before", "on_absent": "deny"}]) as h:
        assert await h.refused(username="lisa", password="sesame") == WRONG


async def test_s68_each_login_asks_one_of_two_in_turn() -> None:
    async with hub() as h:
        first = await h.control(ALLOW, "after")
        second = await h.control(ALLOW, "after")
        for number in range(20):
            await h.login(username=f"user{number}", password="x")
            assert len(first.questions) + len(second.questions) == number + 1
        assert len(first.questions) == len(second.questions) == 10


async def test_an_empty_chain_refuses_everybody() -> None:
    async with hub([]) as h:
        assert await h.refused(username="_ADMIN", password="x") == WRONG


# Registering.


async def code_of(asking: Any) -> str:
    with pytest.raises(RequestRefused) as caught:
        await asking
    return caught.value.code


async def test_s69_a_name_that_the_chain_has_not_is_unknown() -> None:
    async with hub() as h:
        control = await h.control(ALLOW)
        assert await code_of(control.register("other")) == "UNKNOWN_AUTHENTICATOR"
        assert await code_of(control.register("directory")) == "UNKNOWN_AUTHENTICATOR"
        odd: Any = 5
        assert await code_of(control.register(odd)) == "INVALID_ARGUMENT"


async def test_s70_both_permissions_are_needed() -> None:
    async with hub() as h:
        for name, permission in (("a", "REGISTER_HANDLER"), ("b", "AUTHENTICATE")):
            await h.script(f"set '{name}' permissions [{permission}]")
            user = {"username": name, "password": "x", "groups": {name: True}}
            await h.admin("add_user", user)
            peer = await h.broker.login({"username": name, "password": "x"})
            async with controlling(peer, ALLOW) as control:
                assert await code_of(control.register("before")) == "MESSAGE_DENIED"
                # Also about names that are not there: whoever may not learns nothing.
                assert await code_of(control.register("other")) == "MESSAGE_DENIED"


async def registrar(h: Hub) -> RawPeer:
    """Log in a user with the two permissions."""
    await h.script("set 'r' permissions [REGISTER_HANDLER AUTHENTICATE]")
    user = {"username": "reg", "password": "x", "groups": {"r": True}}
    await h.admin("add_user", user)
    return await h.broker.login({"username": "reg", "password": "x"})


async def test_a_session_registers_once_under_a_name_and_the_first_goes_on() -> None:
    async with hub() as h:
        peer = await registrar(h)
        async with controlling(peer, ALLOW, "after", "before") as control:
            assert await code_of(control.register("after")) == "HANDLER_CONFLICT"
            control.answering = lambda _: ABSTAIN
            assert await h.refused(username="eve") == WRONG
            assert len(control.questions) == 2


async def test_s71_who_has_left_or_unregistered_is_not_asked() -> None:
    async with hub() as h:
        leaving = await h.control(ALLOW, "after")
        await h.login(username="eve", password="x")
        leaving.peer.close()
        await leaving.peer.wait_closed()
        assert await h.refused(username="eve", password="x") == WRONG
        staying = await h.control(ALLOW, "after")
        await staying.unregister("after")
        await staying.unregister("after")
        assert await h.refused(username="eve", password="x") == WRONG
        await staying.register("after")
        await h.login(username="eve", password="x")


async def test_a_registration_ends_with_its_right_and_does_not_come_back() -> None:
    both = {"REGISTER_HANDLER", "AUTHENTICATE"}
    async with hub() as h:
        peer = await registrar(h)
        async with controlling(peer, ALLOW) as control:
            for number, lost in enumerate(both, start=1):
                await control.register("after")
                await h.script(f"set 'r' permissions [{' '.join(both - {lost})}]")
                # In force with the answer to the change, before it is heard of here.
                assert await h.refused(username="eve", password="x") == WRONG
                await control.until(lambda: len(control.closed) == number)  # noqa: B023 - awaited here
                await h.script(f"set 'r' permissions [{' '.join(both)}]")
                assert await h.refused(username="eve", password="x") == WRONG
            assert control.closed == [("after", "PERMISSION_REVOKED")] * 2
            assert control.questions == []
            await control.register("after")
            await h.login(username="eve", password="x")


async def test_registrations_and_their_ends_stand_in_the_audit_log() -> None:
    async with hub() as h:
        counts = h.broker.broker._audit.counts
        control = await h.control(ALLOW, "before")
        await control.unregister("before")
        assert counts["authenticator_changed"] == 2
        await control.register("after")
        control.peer.close()
        await control.peer.wait_closed()
        assert counts["authenticator_changed"] == 4


async def test_another_change_of_rights_leaves_a_registration_alone() -> None:
    async with hub() as h:
        peer = await registrar(h)
        async with controlling(peer, ALLOW, "after") as control:
            await h.script(
                "set 'r' permissions [REGISTER_HANDLER AUTHENTICATE VIEW_SESSION]"
            )
            await h.login(username="eve", password="x")
            assert control.closed == []


async def test_a_prohibition_of_the_method_ends_a_registration_too() -> None:
    async with hub() as h:
        peer = await registrar(h)
        async with controlling(peer, ALLOW, "after") as control:
            path = "vestibule/security/set_authenticator"
            await h.admin(
                "upsert_group",
                {
                    "name": "r",
                    "permissions": {"methods": {path: {"authorized": False}}},
                },
            )
            await control.until(lambda: control.closed)
            assert await code_of(control.register("after")) == "MESSAGE_DENIED"


# Failing.


def failing(h: Hub, how: str, control: Control) -> Callable[[dict[str, Any]], Any]:
    def leaving(_: dict[str, Any]) -> Any:
        control.peer.cut()
        return silent(_)

    rules: dict[str, Callable[[dict[str, Any]], Any]] = {
        "raises": lambda _: FAILED,
        "hangs": silent,
        "leaves": leaving,
        "says nonsense": lambda _: {"action": "maybe"},
        "says true": lambda _: True,
        "says more": lambda _: {"action": "allow", "admin": True},
        "says properties in a list": lambda _: {"action": "allow", "properties": []},
    }
    return rules[how]


FAILURES = [
    "raises",
    "hangs",
    "says nonsense",
    "says true",
    "says more",
    "says properties in a list",
    "leaves",
]


async def test_s72_a_failure_denies_within_the_timeout() -> None:
    async with hub(entry("before", timeout=QUICK)) as h:
        await lisa(h)
        control = await h.control(ABSTAIN, "before")
        for how in FAILURES:
            control.answering = failing(h, how, control)
            async with asyncio.timeout(2):
                assert await h.refused(username="lisa", password="sesame") == WRONG
            if how != "leaves":
                # No login can disable an authenticator.
                control.answering = lambda _: ALLOW
                await h.login(username="eve")


async def test_s72_a_failure_is_skipped_where_it_is_configured() -> None:
    async with hub(entry("before", timeout=QUICK, on_failure="skip")) as h:
        await lisa(h)
        control = await h.control(ABSTAIN, "before")
        for how in FAILURES:
            control.answering = failing(h, how, control)
            session = await h.login(username="lisa", password="sesame")
            assert session.authenticator == "directory"


async def test_when_who_is_asked_leaves_another_one_is_asked_once() -> None:
    async with hub() as h:
        controls = [await h.control(silent, "after") for _ in range(3)]
        first, second, third = controls
        asked = asyncio.ensure_future(h.refused(username="eve", password="x"))
        await first.until(lambda: first.questions)
        first.peer.cut()
        await second.until(lambda: second.questions)
        second.peer.cut()
        assert await asked == WRONG
        assert third.questions == []


async def test_the_other_one_may_let_in() -> None:
    async with hub() as h:
        first = await h.control(silent, "after")
        await h.control(ALLOW, "after")
        logging_in = asyncio.ensure_future(h.login(username="eve", password="x"))
        await first.until(lambda: first.questions)
        await first.unregister("after")
        assert (await logging_in).authenticator == "control:after"


async def test_the_question_is_withdrawn_when_the_stranger_leaves() -> None:
    async with hub() as h:
        control = await h.control(silent, "before")
        peer = await h.broker.connect()
        await peer.ready()
        peer.send_raw(peer.login_message(1, {"username": "eve"}))
        await control.until(lambda: control.asks)
        peer.cut()
        await control.until(lambda: control.withdrawn)
        assert control.withdrawn == control.asks


async def test_a_question_that_was_late_is_withdrawn_and_its_answer_counts_not() -> (
    None
):
    async with hub(entry("before", timeout=QUICK)) as h:
        control = await h.control(silent, "before")
        assert await h.refused(username="eve") == WRONG
        await control.until(lambda: control.withdrawn)
        asked = asyncio.ensure_future(h.refused(username="eve"))
        await control.until(lambda: len(control.asks) == 2)
        control.answer(control.asks[0], ALLOW)
        assert await asked == WRONG


async def test_only_the_first_answer_counts() -> None:
    async with hub() as h:
        control = await h.control(silent, "before")
        asked = asyncio.ensure_future(h.refused(username="eve"))
        await control.until(lambda: control.asks)
        control.answer(control.asks[0], DENY)
        control.answer(control.asks[0], ALLOW)
        assert await asked == WRONG


async def test_nobody_answers_what_another_session_was_asked() -> None:
    async with hub() as h:
        other = await h.control(silent)
        asked = await h.control(silent, "before")
        logging_in = asyncio.ensure_future(h.refused(username="eve"))
        await asked.until(lambda: asked.asks)
        other.answer(asked.asks[0], ALLOW)
        await other.peer.component("vestibule/security/list_groups")
        asked.answer(asked.asks[0], DENY)
        assert await logging_in == WRONG


async def test_answers_pass_by_what_else_their_session_asked() -> None:
    class Slow(PermissionHandler):
        async def can_perform_action(self, username: str, message: Any) -> Any:
            if message.name == "slow":
                await asyncio.Event().wait()
            return message.verdict

    async with hub(["control:before", "directory"], Slow()) as h:
        control = await h.control(ABSTAIN, "before")
        control.answering = lambda _: ALLOW
        body = Raw(encode_body(1))
        control.peer.send(messages.Publish(control.peer.next_id(), "slow", body))
        control.peer.send(messages.Publish(control.peer.next_id(), "next", body))
        async with asyncio.timeout(2):
            await h.login(username="eve")


# What is asked.


async def test_s75_an_anonymous_login_has_no_principal_and_no_credentials() -> None:
    async with hub() as h:
        control = await h.control(DENY, "before")
        for auth_data in ({}, {"username": "_ANONYMOUS"}, {"info": {"a": 1}}):
            await h.refused(**auth_data)
        for question in control.questions:
            assert (question["principal"], question["credentials"]) == ("", {})
            assert question["session_properties"]["$Principal"] == ""


async def test_a_question_says_all_that_there_is_to_know() -> None:
    async with hub() as h:
        await h.script("set roles for named sessions ['d']")
        control = await h.control(DENY, "before")
        await h.refused(
            username="eve",
            password="pw",
            code=7,
            info={"a": 1},
            properties={"K": "v", "$Roles": "x", "bad key": "y"},
        )
        (question,) = control.questions
        fixed = question.pop("session_properties")
        assert question == {
            "principal": "eve",
            "credentials": {"password": "pw", "code": 7},
            "proposed_properties": {"K": "v"},
            "reauthentication": False,
        }
        assert abs(int(fixed.pop("$StartTime")) / 1000 - time.time()) < 60
        assert len(fixed.pop("$SessionId")) == 32
        assert fixed == {
            "$ClientIP": "127.0.0.1",
            "$Principal": "eve",
            "$Roles": '"d"',
        }


async def test_s76_who_comes_after_the_directory_decides_about_unknown_users() -> None:
    async with hub() as h:
        await lisa(h)
        after = await h.control(ALLOW, "after")
        assert await h.refused(username="lisa", password="wrong") == WRONG
        assert after.questions == []
        session = await h.login(username="eve", password="wrong")
        assert session.authenticator == "control:after"


# What is allowed.


async def test_s73_a_plain_allow_gives_no_properties() -> None:
    async with hub() as h:
        await h.script("set roles for named sessions ['d']")
        await h.control(ALLOW, "after")
        session = await h.login(username="eve", properties={"K": "a"})
        assert session.properties == {}
        assert session.username == "eve"
        assert session.subject.groups == {"d"}
        assert not session.bound


async def test_s74_what_an_allow_says_is_what_the_session_is() -> None:
    async with hub() as h:
        properties = {
            "$Roles": '"A"',
            "$Principal": "zoe",
            "$SessionId": "x",
            "$Country": "de",
            "K": "v",
        }
        await h.control({"action": "allow", "properties": properties}, "after")
        session = await h.login(username="guest", properties={"J": "w"})
        assert session.username == "zoe"
        assert session.subject.groups == {"A"}
        assert session.id != "x"
        assert session.properties == {"K": "v"}
        assert session.location == {"$Country": "DE"}


async def test_the_groups_of_the_user_come_only_where_they_are_asked_for() -> None:
    async with hub() as h:
        await h.script("set roles for named sessions ['d']")
        user = {"username": "lisa", "password": "x", "groups": {"d": True}}
        await h.admin("add_user", user)
        control = await h.control(ABSTAIN, "before")
        control.answering = lambda _: {"action": "allow", "directory_groups": True}
        assert (await h.login(username="lisa")).subject.groups == {"d", "_GUEST"}
        assert await h.refused(username="nobody") == WRONG
        control.answering = lambda _: ALLOW
        assert (await h.login(username="lisa")).subject.groups == {"d"}


MALFORMED: dict[str, dict[str, Any]] = {
    "roles without quotes": {"$Roles": "A"},
    "roles without an end": {"$Roles": '"A'},
    "a role with a slash": {"$Roles": '"a/b"'},
    "a principal with a slash": {"$Principal": "a/b"},
    "a principal of the system's": {"$Principal": "_NOBODY"},
    "an expiry in words": {"$ExpiryTime": "soon"},
    "an expiry in the past": {"$ExpiryTime": "1000"},
    "a key with a space": {"a b": "x"},
    "a value that is no text": {"a": 5},
    "too many": {f"k{number}": "" for number in range(65)},
    "a user who is disabled": {"$Principal": "gone"},
}


def said(answer: Any, question: dict[str, Any]) -> Any:
    return answer


async def test_a_malformed_allow_denies_and_is_not_skipped() -> None:
    async with hub(entry("before", on_failure="skip")) as h:
        await h.admin("add_user", {"username": "gone", "password": "x"})
        await h.admin("update_user", {"username": "gone", "disabled": True})
        await lisa(h)
        control = await h.control(ABSTAIN, "before")
        for what, properties in MALFORMED.items():
            answer = {"action": "allow", "properties": properties}
            control.answering = partial(said, answer)
            sent = {"username": "lisa", "password": "sesame"}
            assert await h.refused(**sent) == WRONG, what


async def test_roles_and_the_directorys_groups_together_deny() -> None:
    async with hub() as h:
        await lisa(h)
        answer = {
            "action": "allow",
            "properties": {"$Roles": '"A"'},
            "directory_groups": True,
        }
        control = await h.control(ABSTAIN, "before")
        control.answering = lambda _: answer
        assert await h.refused(username="lisa", password="sesame") == WRONG


async def test_a_user_who_is_locked_out_is_not_let_in_under_its_name() -> None:
    async with hub(lockout={"attempts": 2}) as h:
        await lisa(h)
        control = await h.control(ABSTAIN, "before")
        for _ in range(2):
            await h.refused(username="lisa", password="wrong")
        control.answering = lambda _: {
            "action": "allow",
            "properties": {"$Principal": "lisa"},
        }
        assert await h.refused(username="eve") == WRONG


async def test_the_reason_of_a_denial_is_for_the_audit_log_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with hub() as h:
        control = await h.control({"action": "deny", "reason": "on leave"})
        await control.register("before")
        assert await h.refused(username="eve", password="sesame") == WRONG
    assert "on leave" in caplog.text
    assert "sesame" not in caplog.text


async def test_an_anonymous_login_that_is_allowed_is_anonymous() -> None:
    async with hub() as h:
        await h.script("set roles for anonymous sessions ['G']")
        control = await h.control(ALLOW)
        await control.register("before")
        session = await h.login()
        assert session.username == ""
        assert session.subject.groups == {"G"}


# Re-authentication.


async def again(peer: RawPeer, auth_data: dict[str, Any]) -> Any:
    fields = Raw(encode_body({"auth_data": auth_data}))
    return await peer.request(messages.Reauthenticate(peer.next_id(), "plain", fields))


async def test_s79_a_session_that_logs_in_anew_is_shown_as_it_is() -> None:
    async with hub() as h:
        await h.script("set roles for named sessions ['d']")
        answer = {"action": "allow", "properties": {"K": "v", "$Roles": '"own"'}}
        control = await h.control(ABSTAIN, "before")
        control.answering = lambda _: answer
        peer = await h.broker.login({"username": "lisa"})
        await again(
            peer, {"username": "bob", "password": "pw", "properties": {"J": "w"}}
        )
        question = control.questions[-1]
        assert question["principal"] == "bob"
        assert question["credentials"] == {"password": "pw"}
        assert question["reauthentication"] is True
        assert question["proposed_properties"] == {"J": "w"}
        shown = question["session_properties"]
        assert shown["$Principal"] == "lisa"
        assert shown["$Roles"] == '"d"'
        assert shown["$SessionId"] == peer.initiator.session_id
        assert shown["K"] == "v"


async def test_s80_a_plain_allow_leaves_no_properties() -> None:
    async with hub() as h:
        control = await h.control(ABSTAIN, "before")
        control.answering = lambda _: {"action": "allow", "properties": {"K": "v"}}
        peer = await h.broker.login({"username": "lisa"})
        session = h.broker.broker.sessions[peer.initiator.session_id]
        assert session.properties == {"K": "v"}
        control.answering = lambda _: ALLOW
        await again(peer, {"username": "bob"})
        assert (session.username, session.properties) == ("bob", {})


async def test_a_session_is_not_asked_about_itself() -> None:
    async with hub() as h:
        await lisa(h)
        control = await h.control(ABSTAIN, "before")
        await again(control.peer, {"username": "lisa", "password": "sesame"})
        assert control.questions == []
        # It is lisa now, who has no right to be asked.
        await control.until(lambda: control.closed)
        assert control.closed == [("before", "PERMISSION_REVOKED")]


async def test_s82_an_expiry_ends_the_session() -> None:
    async with hub() as h:
        expires_at = int((time.time() + 0.3) * 1000)
        answer = {"action": "allow", "properties": {"$ExpiryTime": str(expires_at)}}
        await h.control(answer, "after")
        peer = await h.broker.login({"username": "eve"})
        async with asyncio.timeout(3):
            assert await peer.wait_closed() == "expired"


async def test_p10_a_control_session_may_leave_at_any_moment_of_a_flood() -> None:
    async with hub(quarantine={"max_failures_per_address": 1_000}) as h:
        controls = [await h.control(silent) for _ in range(3)]
        for control in controls:
            await control.register("before")
        logins = [
            asyncio.ensure_future(h.refused(username=f"eve{n}")) for n in range(30)
        ]
        await controls[2].until(lambda: len(controls[2].asks) >= 5)
        for control in controls:
            control.peer.cut()
        async with asyncio.timeout(5):
            assert await asyncio.gather(*logins) == [WRONG] * 30
