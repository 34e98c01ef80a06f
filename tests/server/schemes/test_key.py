"""Logins by key at the broker: the signature and the key, both for every name."""

import base64
import hmac
from typing import Any

import pytest

from directories import BY, Copies, Hub, opened
from login_attempts import EXPORTER, LISAS_KEY, attempt
from vestibule.protocol.signatures import SigningKey, key_login, verifies
from vestibule.server.admissions import Admission, Refusal
from vestibule.server.attempts import Attempt
from vestibule.server.schemes.key import KeyChecker


OTHER_KEY = SigningKey.generate()


def signed(
    username: str = "lisa",
    key: SigningKey = LISAS_KEY,
    *,
    public: bytes | None = None,
    exporter: bytes = EXPORTER,
    name_signed: str | None = None,
) -> Attempt:
    name = username if name_signed is None else name_signed
    return attempt(
        "key",
        username,
        public_key=key.public if public is None else public,
        signature=key.sign(key_login(exporter, name)),
    )


async def test_d66_the_key_of_the_user_logs_in(hub: Hub) -> None:
    answer = await KeyChecker(hub.directory).check(signed())
    assert isinstance(answer, Admission)
    assert (answer.username, answer.authenticator) == ("lisa", "directory")
    assert answer.user_id == hub.directory.policy.model.users["lisa"].user_id
    assert KeyChecker(hub.directory).account(signed()) == "lisa"


@pytest.mark.parametrize(
    "wrong",
    [
        signed(key=OTHER_KEY),
        signed(key=OTHER_KEY, public=LISAS_KEY.public),
        signed(exporter=b"another connection".ljust(32)),
        signed(name_signed="bob"),
        signed("keyless"),
        signed("keyless", public=bytes(32)),
        signed("unknown"),
        signed("disabled"),
        signed(""),
    ],
    ids=[
        "another key",
        "not the holder",
        "d108 another connection",
        "another name signed",
        "a user without a key",
        "the key of nobody",
        "an unknown name",
        "a disabled user",
        "no name",
    ],
)
async def test_d66_whatever_is_wrong_the_answer_is_one(
    hub: Hub, wrong: Attempt
) -> None:
    answer = await KeyChecker(hub.directory).check(wrong)
    assert answer == Refusal(authenticator="directory")


async def test_l2_signature_and_key_are_looked_at_for_every_name(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    compare = hmac.compare_digest

    def verifying(*args: Any) -> bool:
        calls.append("verifies")
        return verifies(*args)

    def comparing(one: Any, other: Any) -> bool:
        calls.append(f"compare {len(one)} {len(other)}")
        return compare(one, other)

    monkeypatch.setattr("vestibule.server.schemes.key.verifies", verifying)
    monkeypatch.setattr(hmac, "compare_digest", comparing)
    checker = KeyChecker(hub.directory)
    for one in (signed(), signed("unknown"), signed("keyless"), signed("disabled")):
        calls.clear()
        await checker.check(one)
        assert calls == ["verifies", "compare 32 32"]


async def test_without_encryption_there_is_nothing_to_sign(hub: Hub) -> None:
    bare = attempt(
        "key", "lisa", exporter=None, public_key=LISAS_KEY.public, signature=bytes(64)
    )
    assert isinstance(await KeyChecker(hub.directory).check(bare), Refusal)


async def test_a_key_that_was_taken_away_logs_nobody_in(hub: Hub) -> None:
    await hub.directory.update_user({"username": "lisa", "public_key": None}, by=BY)
    assert isinstance(await KeyChecker(hub.directory).check(signed()), Refusal)


async def test_where_case_does_not_count_the_name_is_signed_as_it_was_sent(
    copy: Copies,
) -> None:
    async with opened(copy(), case_insensitive=True) as directory:
        answer = await KeyChecker(directory).check(signed("LISA"))
        assert isinstance(answer, Admission)
        assert answer.username == "lisa"


async def test_a_key_that_was_taken_away_meanwhile_proves_nothing(hub: Hub) -> None:
    answer = await KeyChecker(hub.directory).check(signed())
    assert isinstance(answer, Admission)
    assert answer.stands is not None
    assert answer.stands()
    await hub.directory.update_user({"username": "lisa", "custom_data": 1}, by=BY)
    assert answer.stands()
    public = base64.b64encode(OTHER_KEY.public).decode()
    update = {"username": "lisa", "public_key": public}
    await hub.directory.update_user(update, by=BY)
    assert not answer.stands()
