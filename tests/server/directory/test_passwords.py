"""Passwords: one cost for every name, a bounded queue, renewed parameters."""

import asyncio
import hashlib
import hmac
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from nacl.pwhash import argon2id

from directories import BY, Cheap, Copies, Hub, opened
from vestibule.server.directory import DirectoryError, PasswordsBusy, passwords
from vestibule.server.directory.passwords import Passwords
from vestibule.server.directory.verifier import Verifier, canonical_password, derive


CHEAP = Cheap()


@pytest.fixture
async def pool() -> AsyncIterator[Passwords]:
    made = Passwords(CHEAP, bytes(32))
    yield made
    await made.close()


async def test_a_verifier_is_stored_with_its_parameters(pool: Passwords) -> None:
    verifier = await pool.make("sesame")

    assert verifier.text.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert Verifier.parse(verifier.text) == verifier
    assert repr(verifier) == "Verifier(...)"
    salted = argon2id.kdf(32, b"sesame", verifier.salt, 2, CHEAP.memlimit)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    assert verifier.stored_key == hashlib.sha256(client_key).digest()
    assert verifier.server_key == hmac.digest(salted, b"Server Key", "sha256")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sesame",
        "$argon2id$v=19$m=1,t=2,p=1$AAAA$AAAA$AAAA",
        "$argon2id$v=19$m=1,t=2,p=1$A$AAAA$AAAA",
        "$argon2id$v=19$m=19456,t=2,p=2$AAAA$AAAA$AAAA",
    ],
)
def test_what_is_no_verifier_is_not_read_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="is not a password verifier"):
        Verifier.parse(text)


async def test_a_password_is_the_same_in_any_form(pool: Passwords) -> None:
    verifier = await pool.make("caf\u00e9")
    assert await pool.verify("lisa", verifier, "cafe\u0301")
    assert not await pool.verify("lisa", verifier, "cafe")
    assert await pool.is_same(verifier, "cafe\u0301")
    assert not await pool.is_same(None, "café")


async def test_a_password_that_is_no_text_is_a_wrong_one(pool: Passwords) -> None:
    verifier = await pool.make("?")
    assert not await pool.verify("lisa", verifier, "\ud800")
    for wrong in ("\ud800", "", "x" * 1025, None, b"x"):
        with pytest.raises(DirectoryError):
            pool.check(wrong)
    assert pool.check("x" * 1024) == "x" * 1024


Call = tuple[str, tuple[int, ...]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Record every call of a hashing or comparing function, with its sizes."""
    made: list[Call] = []
    lock = threading.Lock()

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            values = (*args, *kwargs.values())
            sizes = (len(one) if isinstance(one, bytes) else one for one in values)
            with lock:
                made.append((name, tuple(sizes)))
            return function(*args, **kwargs)

        return call

    for owner, name in (
        (argon2id, "kdf"),
        (hmac, "digest"),
        (hmac, "compare_digest"),
        (hashlib, "sha256"),
    ):
        monkeypatch.setattr(owner, name, watched(name, getattr(owner, name)))
    return made


async def test_l2_every_refused_login_makes_the_same_calls(
    hub: Hub, calls: list[Call]
) -> None:
    await hub.user("lisa", password="secret")
    await hub.user("anna", password="secret", disabled=True)
    await hub.user("dora", password="secret", expires="2031-01-31T09:30:00.000Z")
    await hub.user("zora")
    await hub.user("late", password="secret", expires="2001-01-31T09:30:00.000Z")

    recorded: list[list[Call]] = []
    for name, password in (
        ("lisa", "wrong!"),
        ("none", "secret"),
        ("anna", "secret"),
        ("anna", "wrong!"),
        ("zora", "secret"),
        ("late", "secret"),
        ("lisa", "secret"),
        ("dora", "secret"),
    ):
        calls.clear()
        user = await hub.directory.verify(name, password)
        assert (user is not None) is ((name, password) in ACCEPTED)
        recorded.append(list(calls))

    assert [name for name, _ in recorded[0]] == [
        "digest",
        "kdf",
        "digest",
        "sha256",
        "digest",
        "compare_digest",
        "compare_digest",
    ]
    assert all(one == recorded[0] for one in recorded)


ACCEPTED = {("lisa", "secret"), ("dora", "secret")}


def test_the_salt_of_an_unknown_name_is_always_the_same() -> None:
    one, other = Passwords(CHEAP, b"a" * 32), Passwords(CHEAP, b"b" * 32)
    assert one.decoy("zoe").salt == one.decoy("zoe").salt
    assert one.decoy("zoe").salt != one.decoy("ann").salt
    assert one.decoy("zoe").salt != other.decoy("zoe").salt
    assert one.decoy("zoe").stored_key != one.decoy("zoe").stored_key


async def test_l3_more_than_the_queue_are_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()

    def slow(*args: Any) -> Verifier:
        release.wait(10)
        return derive(*args)

    monkeypatch.setattr(passwords, "derive", slow)
    pool = Passwords(Cheap(workers=1, queue=4), bytes(32))
    async with asyncio.TaskGroup() as tasks:
        logins = [
            tasks.create_task(outcome(pool.verify("zoe", None, "x"))) for _ in range(20)
        ]
        await asyncio.sleep(0)
        # Whoever finds the queue full is told at once.
        assert sum(login.done() for login in logins) == 15
        release.set()
    outcomes = [login.result() for login in logins]
    assert outcomes.count("False") == 5
    assert outcomes.count("busy 1") == 15
    assert await pool.verify("zoe", None, "x") is False
    await pool.close()


async def outcome(login: Any) -> str:
    try:
        return str(await login)
    except PasswordsBusy as busy:
        return f"busy {busy.retry_after}"


async def test_a_login_that_is_given_up_keeps_its_place_until_its_thread_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()

    def slow(*args: Any) -> Verifier:
        release.wait(10)
        return derive(*args)

    monkeypatch.setattr(passwords, "derive", slow)
    pool = Passwords(Cheap(workers=1, queue=1), bytes(32))
    given_up = asyncio.ensure_future(pool.verify("zoe", None, "x"))
    waiting = asyncio.ensure_future(pool.verify("zoe", None, "x"))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    with pytest.raises(PasswordsBusy):
        await pool.verify("zoe", None, "x")
    release.set()
    assert await waiting is False
    assert await pool.verify("zoe", None, "x") is False
    await pool.close()


async def test_another_cost_renews_the_verifier_at_a_login(copy: Copies) -> None:
    folder = copy()
    async with opened(folder) as directory:
        await Hub(directory).user("lisa", password="secret")
    changed: list[object] = []

    async def listen(change: object) -> None:
        changed.append(change)

    async with opened(folder, passwords=Cheap(opslimit=3)) as directory:
        directory.on_change(listen)
        epoch, before = directory.policy.epoch, directory.user("lisa")
        assert await directory.verify("lisa", "wrong") is None
        assert directory.user("lisa") is before
        user = await directory.verify("lisa", "secret")
        assert user is directory.user("lisa")
        assert user is not None
        assert user.password is not None
        assert user.password.opslimit == 3
        assert directory.policy.epoch == epoch
        assert before is not None
        assert user.modified == before.modified
        assert changed == []
    async with opened(folder, passwords=Cheap(opslimit=3)) as directory:
        user = directory.user("lisa")
        assert user is not None
        assert user.password is not None
        assert user.password.opslimit == 3
        assert await directory.verify("lisa", "secret") is user


async def test_a_user_that_changes_while_its_password_is_hashed_is_not_let_in(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.user("lisa", password="secret")
    for change in (
        lambda: hub.directory.update_user(
            {"username": "lisa", "disabled": True}, by=BY
        ),
        lambda: hub.directory.update_user(
            {"username": "lisa", "disabled": False, "password": "other"}, by=BY
        ),
        lambda: hub.directory.delete_user("lisa", by=BY),
    ):
        verify = hub.directory._accounts._passwords.verify

        async def meanwhile(
            *args: Any, verify: Any = verify, change: Any = change
        ) -> bool:
            right: bool = await verify(*args)
            await change()
            return right

        with monkeypatch.context() as patch:
            patch.setattr(hub.directory._accounts._passwords, "verify", meanwhile)
            assert await hub.directory.verify("lisa", "secret") is None
        if hub.directory.user("lisa") is not None:
            again = {"username": "lisa", "disabled": False, "password": "secret"}
            await hub.directory.update_user(again, by=BY)
            assert await hub.directory.verify("lisa", "secret") is not None


def test_canonical_passwords_keep_what_is_no_text_apart() -> None:
    assert canonical_password("\ud800") == b"\xed\xa0\x80"
