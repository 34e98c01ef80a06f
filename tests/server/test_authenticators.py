"""The chain and its members: admissions, refusals, abstentions."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from directories import Copies, Hub, copies_of, opened
from vestibule.protocol.errors import ErrorCode
from vestibule.server import ConnectionData, Identity, PermissionHandler
from vestibule.server.admissions import Admission, Answer, Refusal
from vestibule.server.attempts import Attempt, read_attempt
from vestibule.server.authenticators import (
    CLIENT_DATA_BYTES,
    Chain,
    DirectoryAuthenticator,
    HandlerAuthenticator,
    NoIdentity,
    admission_of,
)
from vestibule.server.counters import Counters
from vestibule.server.directory import Directory
from vestibule.server.directory.passwords import PasswordsBusy
from vestibule.server.directory.roles import Roles
from vestibule.server.handler import Headers, InvalidCredentials
from vestibule.server.hooks import Hooks


STRANGER = ConnectionData("192.0.2.1", Headers(), "00" * 16)


def attempt(auth_data: dict[str, Any] | None = None) -> Attempt:
    """Give a plain login."""
    read = read_attempt(STRANGER, "plain", {"auth_data": auth_data or {}})
    assert isinstance(read, Attempt)
    return read


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a directory once; its one hash is slow."""
    folder = tmp_path_factory.mktemp("made") / "data"

    async def make() -> None:
        async with opened(folder) as directory:
            hub = Hub(directory)
            await hub.group("staff")
            await hub.user("lisa", "staff", password="sesame")
            await hub.user("gone")
            await directory.update_user({"username": "gone", "disabled": True}, by="x")

    asyncio.run(make())
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Copies:
    return copies_of(made, tmp_path)


async def by_handler(
    directory: Directory, answer: Any, auth_data: dict[str, Any] | None = None
) -> Answer:
    """Ask the member `handler` whose handler does `answer`."""

    class Asked(PermissionHandler):
        def is_valid_user(
            self, connection: ConnectionData, auth_data: dict[str, Any]
        ) -> Any:
            return answer() if callable(answer) else answer

    hooks = Hooks(Asked(), timeout=1, login_timeout=1, counters=Counters())
    member = HandlerAuthenticator(hooks, directory)
    return await member.authenticate(attempt(auth_data))


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


async def test_a_handler_admits_with_the_groups_it_says_or_bound_to_the_user(
    copy: Copies,
) -> None:
    async with opened(copy()) as directory:
        bound = await by_handler(directory, "lisa")
        assert bound == Admission("lisa", "handler")
        identity = Identity("eve", ["staff"], {"a": 1}, {"b": 2}, {"c": "d"})
        admitted = await by_handler(directory, identity)
    assert isinstance(admitted, Admission)
    assert admitted.roles == Roles.fixed(["staff"])
    assert (admitted.client_data, admitted.server_data) == ({"a": 1}, {"b": 2})
    assert admitted.properties == {"c": "d"}
    assert "b" not in repr(admitted).removeprefix("Admission")


async def test_r15_a_handler_abstains_by_none(copy: Copies) -> None:
    async with opened(copy()) as directory:
        assert await by_handler(directory, None) is None


async def test_a_refusal_by_the_handler_carries_its_reason_and_data(
    copy: Copies,
) -> None:
    def refuse() -> str:
        raise InvalidCredentials("closed", {"until": 5})

    async with opened(copy()) as directory:
        refusal = await by_handler(directory, refuse)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.client_data) == ("closed", {"until": 5})
    assert refusal.evaluated


@pytest.mark.parametrize("data", [object(), {1: 2}, "x" * CLIENT_DATA_BYTES])
async def test_client_data_of_a_refusal_that_cannot_be_sent_is_left_out(
    copy: Copies, data: object, lines: list[Any]
) -> None:
    def refuse() -> str:
        raise InvalidCredentials("closed", data)

    async with opened(copy()) as directory:
        refusal = await by_handler(directory, refuse)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.client_data) == ("closed", None)
    assert [line["event"] for line in lines] == ["handler.nonsense"]


async def test_unknown_groups_are_warned_about_and_kept(
    copy: Copies, lines: list[Any]
) -> None:
    async with opened(copy()) as directory:
        admitted = await by_handler(directory, Identity("eve", ["staff", "stuff"]))
    assert isinstance(admitted, Admission)
    assert admitted.roles == Roles.fixed(["staff", "stuff"])
    warned = [line for line in lines if line["event"] == "handler.unknown_group"]
    assert [line["group"] for line in warned] == ["stuff"]


@pytest.mark.parametrize("identity", ["gone", Identity("gone", ["staff"])])
async def test_a_disabled_user_is_refused_though_the_handler_admits(
    copy: Copies, identity: object
) -> None:
    async with opened(copy()) as directory:
        answer = await by_handler(directory, identity)
    assert answer == Refusal(authenticator="handler")


async def test_where_case_does_not_count_a_user_is_admitted_as_it_is_stored(
    copy: Copies,
) -> None:
    async with opened(copy(), case_insensitive=True) as directory:
        for name in ("LISA", "lisa"):
            admitted = await by_handler(directory, name)
            assert isinstance(admitted, Admission)
            assert admitted.username == "lisa"
        assert await by_handler(directory, "GONE") == Refusal(authenticator="handler")


def broken() -> Iterator[str]:
    yield "staff"
    raise RuntimeError("no more")


def wrong(part: str, value: Any) -> Any:
    """Make an identity of which one part is not what its type says."""
    return Identity(**{"username": "lisa", part: value})


@pytest.mark.parametrize(
    ("identity", "part"),
    [
        (Identity("_ADMIN"), "username"),
        (Identity(""), "username"),
        (Identity("a/b"), "username"),
        (wrong("username", 5), "username"),
        (wrong("username", None), "username"),
        (wrong("groups", "staff"), "groups"),
        (wrong("groups", None), "groups"),
        (wrong("groups", [1]), "groups"),
        (wrong("groups", broken()), "groups"),
        (wrong("client_data", object()), "client_data"),
        (wrong("client_data", {"a": {1}}), "client_data"),
        (wrong("client_data", "x" * CLIENT_DATA_BYTES), "client_data"),
        (wrong("properties", ["a"]), "properties"),
        (wrong("properties", {"a": 1}), "properties"),
        (wrong("properties", {1: "a"}), "properties"),
    ],
)
async def test_an_identity_that_makes_no_session_is_refused_as_a_failure(
    copy: Copies, identity: Identity, part: str
) -> None:
    async with opened(copy()) as directory:
        answer = await by_handler(directory, identity)
    assert answer == Refusal(reason="login failed", authenticator="handler")
    if part != "groups":  # a generator is asked once
        with pytest.raises(NoIdentity, match=part):
            admission_of(identity)


def test_what_is_admitted_is_a_copy_that_the_handler_cannot_change() -> None:
    data = {"theme": ["dark"]}
    admitted = admission_of(Identity("lisa", client_data=data, properties={"a": "b"}))
    data["theme"].append("late")
    assert admitted.client_data == {"theme": ["dark"]}
    with pytest.raises(TypeError):
        admitted.properties["a"] = "c"  # type: ignore[index]  # that is the test


async def by_directory(directory: Directory, auth_data: dict[str, Any]) -> Answer:
    return await DirectoryAuthenticator(directory).authenticate(attempt(auth_data))


async def test_the_directory_admits_by_password_and_denies_its_users_all_else(
    copy: Copies,
) -> None:
    async with opened(copy()) as directory:
        right = {"username": "lisa", "password": "sesame"}
        assert await by_directory(directory, right) == Admission("lisa", "directory")
        for username in ("lisa", "gone"):
            wrong = {"username": username, "password": "wrong"}
            for said in (wrong, {"username": username}):
                answer = await by_directory(directory, said)
                assert answer == Refusal(authenticator="directory")


async def test_s76_the_directory_leaves_unknown_names_to_others_after_equal_work(
    copy: Copies, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(copy()) as directory:
        verified: list[str] = []
        verify = directory.verify

        async def noting(username: str, password: str) -> Any:
            verified.append(username)
            return await verify(username, password)

        monkeypatch.setattr(directory, "verify", noting)
        for username in ("nobody", "__proto__"):
            wrong = {"username": username, "password": "wrong"}
            assert await by_directory(directory, wrong) is None
        assert verified == ["nobody", "__proto__"]


@pytest.mark.parametrize(
    "auth_data",
    [{"username": "bob"}, {"password": "sesame"}, {"username": 5, "password": "x"}],
)
async def test_the_directory_abstains_on_what_is_no_name_and_password(
    copy: Copies, auth_data: dict[str, Any]
) -> None:
    async with opened(copy()) as directory:
        assert await by_directory(directory, auth_data) is None


@pytest.mark.parametrize(
    "auth_data", [{}, {"username": "_ANONYMOUS"}, {"properties": {}, "info": "x"}]
)
async def test_an_anonymous_login_has_a_refusal_of_its_own_and_is_no_failure(
    copy: Copies, auth_data: dict[str, Any]
) -> None:
    async with opened(copy()) as directory:
        answer = await by_directory(directory, auth_data)
    assert isinstance(answer, Refusal)
    assert answer.code is ErrorCode.ANONYMOUS_DISABLED
    assert not answer.evaluated


async def test_where_too_many_passwords_wait_a_login_is_busy_and_no_failure() -> None:
    class Busy:
        def user(self, username: str) -> None:
            return None

        async def verify(self, username: str, password: str) -> None:
            raise PasswordsBusy(3)

    directory: Any = Busy()
    answer = await by_directory(directory, {"username": "lisa", "password": "x"})
    assert isinstance(answer, Refusal)
    assert (answer.code, answer.retry_after) == (ErrorCode.BUSY, 3)
    assert not answer.evaluated


class Member:
    """Answers what it is told to."""

    def __init__(self, answer: Answer) -> None:
        self.name = "member"
        self.answer = answer
        self.given: list[dict[str, Any]] = []

    async def authenticate(self, attempt: Attempt) -> Answer:
        self.given.append(dict(attempt.auth_data))
        return self.answer


@pytest.mark.parametrize("first", [Admission("lisa", "member"), Refusal(reason="no")])
async def test_r15_the_first_answer_that_is_no_abstention_decides(
    first: Admission | Refusal,
) -> None:
    last = Member(Admission("eve", "member"))
    chain = Chain([Member(None), Member(first), last])
    assert await chain.authenticate(attempt({"a": 1})) == first
    assert last.given == []


async def test_all_abstaining_refuses_and_counts_as_a_failure() -> None:
    for chain in (Chain([]), Chain([Member(None)])):
        assert await chain.authenticate(attempt()) == Refusal()
    assert Refusal().evaluated


async def test_a_member_that_fails_refuses_and_tells_no_login_data(
    lines: list[Any],
) -> None:
    class Fails(Member):
        async def authenticate(self, attempt: Attempt) -> Answer:
            raise RuntimeError(attempt.auth_data["password"])

    last = Member(Admission("eve", "member"))
    answer = await Chain([Fails(None), last]).authenticate(attempt({"password": "pw1"}))
    assert answer == Refusal(reason="login failed", authenticator="member")
    assert last.given == []
    assert [line["event"] for line in lines] == ["authenticator.failed"]
    assert "pw1" not in str(lines)


async def test_each_member_is_given_what_the_client_gave() -> None:
    members = [Member(None), Member(None)]
    await Chain(members).authenticate(attempt({"a": 1}))
    assert [member.given for member in members] == [[{"a": 1}]] * 2
