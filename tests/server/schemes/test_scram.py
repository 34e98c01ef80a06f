"""SCRAM at the broker: one challenge and one cost for every name, and no slow hash."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from nacl.pwhash import argon2id

from directories import BY, Copies, Hub, opened
from login_attempts import EXPORTER, attempt
from vestibule.protocol.scram import ScramExchange, canonical_password, password_keys
from vestibule.server.admissions import Admission, Refusal
from vestibule.server.attempts import Attempt
from vestibule.server.schemes.scram import ScramChecker


NONCE = b"n" * 32
PASSWORD = "sesame"


class Client:
    """Answers challenges; `seen` are those it got."""

    def __init__(self, username: str, password: str = PASSWORD) -> None:
        self.username = username
        self.password = password
        self.seen: list[Mapping[str, Any]] = []
        self.signature = b""
        self.spoil: Callable[[bytes], bytes] = bytes
        self.before: Callable[[], Any] | None = None

    async def challenged(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        self.seen.append(fields)
        exchange = ScramExchange(
            username=self.username,
            client_nonce=NONCE,
            exporter=EXPORTER,
            **{name: fields[name] for name in fields},
        )
        password = canonical_password(self.password)
        keys = password_keys(
            password, exchange.salt, exchange.opslimit, exchange.memlimit
        )
        self.signature = exchange.server_signature(keys.server_key)
        if self.before is not None:
            await self.before()
        return {"proof": self.spoil(exchange.proof(keys))}

    def attempt(self, **facts: Any) -> Attempt:
        facts.setdefault("challenge", self.challenged)
        return attempt("scram", self.username, client_nonce=NONCE, **facts)


async def test_w30_the_right_password_is_proved_and_the_broker_proves_itself(
    hub: Hub,
) -> None:
    lisa = Client("lisa")
    answer = await ScramChecker(hub.directory).check(lisa.attempt())
    assert isinstance(answer, Admission)
    assert answer.username == "lisa"
    assert answer.authenticator == "directory"
    assert answer.user_id == hub.directory.policy.model.users["lisa"].user_id
    assert answer.answer == {"server_signature": lisa.signature}
    assert answer.stands is not None
    assert answer.stands()


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("lisa", "wrong"),
        ("unknown", "sesame"),
        ("disabled", "sesame"),
        ("passwordless", "sesame"),
        ("", ""),
        ("_ANONYMOUS", ""),
    ],
)
async def test_l2_whatever_is_wrong_the_answer_is_one(
    hub: Hub, name: str, password: str
) -> None:
    checker = ScramChecker(hub.directory)
    answer = await checker.check(Client(name, password).attempt())
    assert answer == Refusal(authenticator="directory")


async def test_w30_an_unknown_name_has_one_salt_for_ever(copy: Copies) -> None:
    seen: list[tuple[Any, ...]] = []
    folder = copy()
    for _ in range(2):
        # Also after a restart.
        async with opened(folder) as directory:
            for _ in range(2):
                client = Client("nobody")
                await ScramChecker(directory).check(client.attempt())
                (challenge,) = client.seen
                assert set(challenge) == {
                    "server_nonce",
                    "salt",
                    "opslimit",
                    "memlimit",
                }
                assert len(challenge["server_nonce"]) == 32
                seen.append(tuple(challenge[key] for key in sorted(challenge)[:3]))
    assert len(set(seen)) == 1


async def test_a_user_and_nobody_are_asked_alike(hub: Hub) -> None:
    clients = [Client(name) for name in ("lisa", "nobody", "passwordless", "disabled")]
    for client in clients:
        await ScramChecker(hub.directory).check(client.attempt())
    costs = {(c.seen[0]["opslimit"], c.seen[0]["memlimit"]) for c in clients}
    assert costs == {(2, 19 * 1024 * 1024)}
    assert {len(c.seen[0]["salt"]) for c in clients} == {16}
    assert len({c.seen[0]["salt"] for c in clients}) == 4
    assert len({c.seen[0]["server_nonce"] for c in clients}) == 4


async def test_names_that_are_one_have_one_salt(copy: Copies) -> None:
    async with opened(copy(), case_insensitive=True) as directory:
        clients = [Client(name) for name in ("Nobody", "nobody", "Lisa", "lisa")]
        for client in clients:
            answer = await ScramChecker(directory).check(client.attempt())
            assert isinstance(answer, Admission) is (client.username in "Lisa lisa")
        salts = [client.seen[0]["salt"] for client in clients]
        assert salts[0] == salts[1]
        assert salts[2] == salts[3]


Call = tuple[str, tuple[int, ...]]


async def test_l2_every_scram_login_makes_the_same_calls_and_no_slow_hash(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Call] = []

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            values = (*args, *kwargs.values())
            sizes = (len(one) for one in values if isinstance(one, bytes))
            calls.append((name, tuple(sizes)))
            return function(*args, **kwargs)

        return call

    async def any_proof(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        del fields
        return {"proof": bytes(32)}

    checker = ScramChecker(hub.directory)
    for owner, name in (
        (argon2id, "kdf"),
        (hmac, "digest"),
        (hmac, "compare_digest"),
        (hashlib, "sha256"),
    ):
        monkeypatch.setattr(owner, name, watched(name, getattr(owner, name)))
    recorded: list[list[Call]] = []
    # Of one length, so that the sizes of what is hashed can be compared.
    for name in ("keyless", "unknown", "unknowm"):
        calls.clear()
        await checker.check(Client(name).attempt(challenge=any_proof))
        recorded.append(list(calls))
    assert [name for name, _ in recorded[0]] == [
        "digest",
        "digest",
        "sha256",
        "compare_digest",
        "digest",
    ]
    assert all(one == recorded[0] for one in recorded)


async def test_a_changed_proof_is_a_wrong_one(hub: Hub) -> None:
    lisa = Client("lisa")
    lisa.spoil = lambda proof: bytes([proof[0] ^ 1]) + proof[1:]
    answer = await ScramChecker(hub.directory).check(lisa.attempt())
    assert isinstance(answer, Refusal)


async def test_a_password_that_was_changed_meanwhile_proves_nothing(hub: Hub) -> None:
    lisa = Client("lisa")

    async def change() -> None:
        await hub.directory.update_user({"username": "lisa", "password": "new"}, by=BY)

    lisa.before = change
    answer = await ScramChecker(hub.directory).check(lisa.attempt())
    assert isinstance(answer, Refusal)

    lisa = Client("lisa", "new")
    answer = await ScramChecker(hub.directory).check(lisa.attempt())
    assert isinstance(answer, Admission)
    assert answer.stands is not None
    await hub.directory.update_user({"username": "lisa", "password": "newer"}, by=BY)
    assert not answer.stands()


async def test_without_encryption_or_challenge_nothing_is_proved(hub: Hub) -> None:
    checker = ScramChecker(hub.directory)
    lisa = Client("lisa")
    for facts in ({"exporter": None}, {"challenge": None}):
        assert isinstance(await checker.check(lisa.attempt(**facts)), Refusal)
    assert lisa.seen == []
    assert checker.account(lisa.attempt()) == "lisa"
