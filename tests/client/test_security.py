"""`session.security`: what is sent, what comes of the answers, and what never leaves."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from client.fake_broker import FakeBroker
from vestibule.client import (
    ErrorReport,
    GlobalPermission,
    MessageDenied,
    PathPermission,
    RequestFailed,
    ScriptError,
    SecurityScriptBuilder,
    Session,
    SystemAuthenticationScriptBuilder,
    VersionConflict,
)
from vestibule.client.security import Security
from vestibule.protocol import messages
from vestibule.protocol.codec import decode_body, encode_body


class Component:
    """Answers the calls of the component `security` with what a test puts in."""

    def __init__(self, broker: FakeBroker) -> None:
        broker.features.instead[messages.Call] = self._called
        self.answer: Any = None
        self.failure: tuple[str, dict[str, Any]] | None = None
        self.asked: list[tuple[str, list[Any], dict[str, Any]]] = []
        self.timeouts: list[int] = []

    def _called(self, peer: Any, call: messages.Call) -> None:
        data = decode_body(call.data)
        self.asked.append((call.name, data["args"], data["kwargs"]))
        self.timeouts.append(call.timeout_ms)
        if self.failure is None:
            peer.send(messages.Answered(call.id, encode_body(self.answer)))
        else:
            code, details = self.failure
            peer.send(messages.Failed(call.id, code, "no", encode_body(details)))


@pytest.fixture
def component(broker: FakeBroker) -> Component:
    return Component(broker)


@pytest.fixture
async def session(broker: FakeBroker) -> AsyncIterator[Session]:
    async with broker.open_session(request_timeout=7.0) as session:
        yield session


@pytest.fixture
def security(session: Session, component: Component) -> Security:
    return session.security


async def test_s5_the_principal_is_known_without_asking(
    security: Security, component: Component
) -> None:
    assert security.get_principal() == "lisa"
    assert component.asked == []


async def test_permissions_are_asked_of_the_broker_and_read_by_number(
    security: Security, component: Component
) -> None:
    component.answer = [1, 2]
    assert await security.get_global_permissions() == {
        GlobalPermission.VIEW_SESSION,
        GlobalPermission.MODIFY_SESSION,
    }
    component.answer = [0]
    assert await security.get_path_permissions("x/y") == {PathPermission.READ_TOPIC}
    assert component.asked == [
        ("hub/security/get_global_permissions", [], {}),
        ("hub/security/get_path_permissions", ["x/y"], {}),
    ]
    assert component.timeouts == [7000, 7000]


async def test_s25_a_path_that_is_none_is_refused_by_the_broker(
    security: Security, component: Component
) -> None:
    component.failure = ("INVALID_PATH", {})
    with pytest.raises(RequestFailed, match="INVALID_PATH"):
        await security.get_path_permissions("a/*")


async def test_s36_who_may_not_read_a_view_is_denied(
    security: Security, component: Component
) -> None:
    component.failure = ("MESSAGE_DENIED", {})
    with pytest.raises(MessageDenied):
        await security.get_security_configuration()
    with pytest.raises(MessageDenied):
        await security.get_system_authentication_configuration()


async def test_the_views_are_read(security: Security, component: Component) -> None:
    component.answer = {
        "version": 2,
        "roles": [],
        "roles_for_anonymous_sessions": [],
        "roles_for_named_sessions": ["X"],
        "isolated_paths": [],
    }
    configuration = await security.get_security_configuration()
    assert configuration.version == 2
    assert configuration.roles_for_named_sessions == {"X"}
    component.answer = {
        "version": 3,
        "principals": [],
        "anonymous": {"action": "deny", "roles": []},
        "trusted_client_proposed_properties": {},
    }
    other = await security.get_system_authentication_configuration()
    assert other.version == 3


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda s: s.get_global_permissions(), 5),
        (lambda s: s.get_path_permissions("x"), ["READ_TOPIC"]),
        (lambda s: s.get_security_configuration(), {}),
        (lambda s: s.get_security_configuration(), None),
        (lambda s: s.get_system_authentication_configuration(), {"version": 1}),
        (lambda s: s.update_security_store(""), "1"),
        (lambda s: s.change_roles(["a"], add=["R"]), True),
        (lambda s: s.get_session_properties(), []),
    ],
)
async def test_an_answer_that_cannot_be_read_is_a_failure_of_the_request(
    security: Security,
    component: Component,
    ask: Callable[[Security], Awaitable[Any]],
    answer: Any,
) -> None:
    component.answer = answer
    with pytest.raises(RequestFailed) as failed:
        await ask(security)
    assert failed.value.code == "INVALID_MESSAGE_DATA"


async def test_scripts_are_sent_as_they_are_and_answer_the_version(
    security: Security, component: Component
) -> None:
    component.answer = 5
    script = security.security_script_builder().isolate_path("a").build()
    assert await security.update_security_store(script) == 5
    assert await security.update_authentication_store("", expected_version=4) == 5
    assert component.asked == [
        ("hub/security/update_security_store", ["isolate path 'a'"], {}),
        ("hub/security/update_authentication_store", [""], {"expected_version": 4}),
    ]


async def test_s27_a_script_that_fails_says_where_and_why(
    security: Security, component: Component
) -> None:
    report = {"message": "NONSENSE is no permission", "line": 3, "column": 22}
    component.failure = ("SCRIPT_FAILED", {"reports": [report]})
    with pytest.raises(ScriptError) as failed:
        await security.update_security_store("…")
    assert failed.value.reports == (ErrorReport("NONSENSE is no permission", 3, 22),)
    assert isinstance(failed.value, RequestFailed)
    assert "3:22: NONSENSE is no permission" in str(failed.value)


async def test_s44_a_version_conflict_says_both_versions(
    security: Security, component: Component
) -> None:
    component.failure = ("VERSION_CONFLICT", {"expected": 4, "current": 5})
    with pytest.raises(VersionConflict) as failed:
        await security.update_security_store("", expected_version=4)
    assert (failed.value.expected, failed.value.current) == (4, 5)


async def test_session_properties_are_read_and_set(
    security: Security, component: Component
) -> None:
    component.answer = {"$Principal": "lisa"}
    assert await security.get_session_properties() == {"$Principal": "lisa"}
    await security.get_session_properties("5e55")
    component.answer = {"K": "v", "N": None}
    changed = await security.set_session_properties("5e55", {"K": None, "N": "1"})
    assert changed == {"K": "v", "N": None}
    assert component.asked == [
        ("hub/security/get_session_properties", [], {}),
        ("hub/security/get_session_properties", ["5e55"], {}),
        ("hub/security/set_session_properties", ["5e55", {"K": None, "N": "1"}], {}),
    ]


async def test_s86_roles_are_changed_and_s84_sessions_revoked(
    security: Security, component: Component
) -> None:
    component.answer = 2
    ids = iter(["a", "a", "b"])
    assert await security.change_roles(ids, add={"B", "A"}, remove=("C",)) == 2
    component.answer = None
    await security.revoke_authentication("a")
    assert component.asked == [
        (
            "hub/security/change_roles",
            [["a", "b"]],
            {"remove": ["C"], "add": ["A", "B"]},
        ),
        ("hub/security/revoke_authentication", ["a"], {}),
    ]


async def test_s85_no_such_session_is_said_so(
    security: Security, component: Component
) -> None:
    component.failure = ("NO_SUCH_SESSION", {})
    with pytest.raises(RequestFailed) as failed:
        await security.revoke_authentication("none")
    assert failed.value.code == "NO_SUCH_SESSION"


async def test_s87_a_change_that_says_nothing_or_both_is_not_sent(
    security: Security, component: Component
) -> None:
    with pytest.raises(ValueError, match="both"):
        await security.change_roles(["a"], add=["A"], remove=["A"])
    with pytest.raises(ValueError, match="no role"):
        await security.change_roles(["a"])
    assert component.asked == []


@pytest.mark.parametrize(
    ("method", "arguments", "options"),
    [
        ("get_path_permissions", (None,), {}),
        ("get_path_permissions", (["x"],), {}),
        ("update_security_store", (None,), {}),
        ("update_security_store", (b"",), {}),
        ("update_security_store", (SecurityScriptBuilder(),), {}),
        ("update_security_store", ("",), {"expected_version": "1"}),
        ("update_authentication_store", ("",), {"expected_version": True}),
        ("get_session_properties", (5,), {}),
        ("set_session_properties", (None, {}), {}),
        ("set_session_properties", ("a", None), {}),
        ("set_session_properties", ("a", {"K": 1}), {}),
        ("change_roles", ("a",), {"add": ["A"]}),
        ("change_roles", (["a"],), {"add": "A"}),
        ("change_roles", (["a"],), {"add": None, "remove": ["A"]}),
        ("change_roles", ([1],), {"add": ["A"]}),
        ("revoke_authentication", (None,), {}),
    ],
)
async def test_a_wrong_type_is_refused_before_anything_is_sent(
    security: Security,
    component: Component,
    method: str,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
) -> None:
    with pytest.raises(TypeError):
        await getattr(security, method)(*arguments, **options)
    assert component.asked == []


async def test_builders_are_made_without_waiting(security: Security) -> None:
    assert isinstance(security.security_script_builder(), SecurityScriptBuilder)
    builder = security.system_authentication_script_builder()
    assert isinstance(builder, SystemAuthenticationScriptBuilder)
