"""A session that logs in anew: what is sent, who it is then, and what stays."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from client.fake_broker import LOOPBACK, FakeBroker, turns, until
from vestibule.client import (
    LoginRefused,
    MessageDenied,
    RequestFailed,
    SessionClosed,
)
from vestibule.protocol import messages
from vestibule.protocol.codec import decode_body, encode_body
from vestibule.protocol.signatures import SigningKey, key_login, verifies


BOB = {"username": "bob", "password": "builder"}


class Judge:
    """Answers re-authentications with what a test puts in."""

    def __init__(self, broker: FakeBroker) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refusal: str | None = None
        self.silent = False
        self.peers: list[Any] = []
        broker.features.instead[messages.Reauthenticate] = self._asked

    def _asked(self, peer: Any, request: messages.Reauthenticate) -> None:
        fields = decode_body(request.data)
        self.asked.append((request.scheme, fields))
        self.peers.append((peer, request.id))
        if self.refusal is not None:
            peer.send(messages.Failed(request.id, self.refusal, "no"))
        elif not self.silent:
            self.answer(fields.get("username", fields.get("auth_data", {})))

    def answer(self, who: Any) -> None:
        peer, id_ = self.peers[-1]
        username = who.get("username") if isinstance(who, dict) else who
        facts = {"username": username, "client_data": {"theme": "dark"}}
        peer.send(messages.Answered(id_, encode_body(facts)))


@pytest.fixture
def judge(broker: FakeBroker) -> Judge:
    return Judge(broker)


async def test_s77_s81_the_session_becomes_whom_the_broker_says(
    broker: FakeBroker, judge: Judge
) -> None:
    async with broker.open_session() as session:
        before = session.session_id
        assert await session.security.re_authenticate("bob", "builder") is True
        assert session.security.get_principal() == session.username == "bob"
        assert session.client_data == {"theme": "dark"}
        assert session.session_id == before
        await session.security.change_principal("lisa", "sesame")
        assert session.security.get_principal() == "lisa"
    assert judge.asked == [
        ("plain", {"auth_data": BOB}),
        ("plain", {"auth_data": {"username": "lisa", "password": "sesame"}}),
    ]


async def test_s78_a_refusal_leaves_everything_as_it_was(
    broker: FakeBroker, judge: Judge
) -> None:
    judge.refusal = "INVALID_AUTH_DATA"
    async with broker.open_session() as session:
        assert await session.security.re_authenticate("bob", "wrong") is False
        assert session.security.get_principal() == "lisa"
        with pytest.raises(LoginRefused) as refused:
            await session.security.change_principal("bob", "wrong")
        assert refused.value.code == "INVALID_AUTH_DATA"
        judge.refusal = "ACCOUNT_LOCKED"
        assert await session.security.re_authenticate("bob", "wrong") is False


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("BUSY", LoginRefused),
        ("MESSAGE_DENIED", MessageDenied),
        ("STORAGE_FAILED", RequestFailed),
    ],
)
async def test_what_is_no_judgement_is_raised(
    broker: FakeBroker, judge: Judge, code: str, kind: type[Exception]
) -> None:
    judge.refusal = code
    async with broker.open_session() as session:
        with pytest.raises(kind, match=code):
            await session.security.re_authenticate("bob", "builder")
        assert session.username == "lisa"


async def test_credentials_may_be_login_data_and_properties_are_proposed(
    broker: FakeBroker, judge: Judge
) -> None:
    async with broker.open_session() as session:
        await session.security.re_authenticate("bob", {"otp": 123}, {"K": "a"})
        await session.security.re_authenticate("", {})
    assert judge.asked == [
        (
            "plain",
            {"auth_data": {"username": "bob", "otp": 123, "properties": {"K": "a"}}},
        ),
        ("plain", {"auth_data": {"username": ""}}),
    ]


async def test_a_signing_key_signs_this_connection_and_is_not_sent(
    broker: FakeBroker, judge: Judge
) -> None:
    key = SigningKey.generate()
    async with broker.open_session() as session:
        await session.security.re_authenticate("bob", {"signing_key": key})
        exporter = broker.connection.core.exporter
    ((scheme, fields),) = judge.asked
    assert scheme == "key"
    assert exporter is not None
    assert set(fields) == {"username", "public_key", "signature"}
    assert verifies(
        fields["public_key"], key_login(exporter, "bob"), fields["signature"]
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((None, "x"), TypeError),
        (("bob", None), TypeError),
        (("bob", 5), TypeError),
        (("bob", b"x"), TypeError),
        (("bob", "x", None), TypeError),
        (("bob", "x", {"K": 1}), TypeError),
        (("bob", {"x": object()}), TypeError),
        (("bob", {"username": "lisa"}), ValueError),
        (("bob", {"signing_key": "no key"}), TypeError),
    ],
)
async def test_what_is_wrong_is_refused_before_anything_is_sent(
    broker: FakeBroker,
    judge: Judge,
    arguments: tuple[Any, ...],
    problem: type[Exception],
) -> None:
    async with broker.open_session() as session:
        with pytest.raises(problem):
            await session.security.re_authenticate(*arguments)
    assert judge.asked == []


async def test_who_cancels_still_learns_who_the_session_is(
    broker: FakeBroker, judge: Judge
) -> None:
    judge.silent = True
    async with broker.open_session() as session:
        asking = asyncio.ensure_future(session.security.change_principal("bob", "b"))
        await until(lambda: judge.asked)
        asking.cancel()
        await turns()
        judge.answer("bob")
        await until(lambda: session.username == "bob")
        assert asking.cancelled()


async def test_a_session_that_is_closed_meanwhile_answers_so(
    broker: FakeBroker, judge: Judge
) -> None:
    judge.silent = True
    async with broker.open_session() as session:
        asking = asyncio.ensure_future(session.security.change_principal("bob", "b"))
        await until(lambda: judge.asked)
    with pytest.raises(SessionClosed):
        await asking


async def test_the_session_is_taken_up_again_as_the_new_user(
    broker: FakeBroker, judge: Judge
) -> None:
    async with broker.open_session() as session:
        await session.security.change_principal("bob", "builder")
        await broker.cut()
        await until(lambda: len(broker.connections) == 2 and session.username)
        await until(lambda: broker.connection.logins)
        assert broker.connection.logins[-1]["auth_data"] == BOB


async def test_a_password_is_shown_again_where_the_first_was(
    broker: FakeBroker, judge: Judge, tmp_path: Path
) -> None:
    async with broker.open_session(
        plain_on_first_use=True, server_key=None, known_brokers=tmp_path / "known"
    ) as session:
        await session.security.change_principal("bob", "builder")
    async with broker.open_session(url=LOOPBACK, server_key=None) as session:
        await session.security.change_principal("bob", "builder")
    assert len(judge.asked) == 2


async def test_no_password_is_shown_to_a_broker_that_nobody_has_verified(
    broker: FakeBroker, judge: Judge, tmp_path: Path
) -> None:
    async with broker.open_session(
        plain_on_first_use=True, server_key=None, known_brokers=tmp_path / "known"
    ) as session:
        # As after a login by key, which shows nothing and proves nothing.
        session._lifecycle._shown = False
        with pytest.raises(LoginRefused) as refused:
            await session.security.re_authenticate("bob", "builder")
        assert refused.value.code == "SERVER_KEY_UNVERIFIED"
        assert judge.asked == []
        key = {"signing_key": SigningKey.generate()}
        assert await session.security.re_authenticate("bob", key)
