import logging
from pathlib import Path

import pytest

from vestibule.client.endpoint import Endpoint
from vestibule.client.errors import HandshakeFailed
from vestibule.client.known_brokers import KnownBrokers
from vestibule.client.trust import Source, Trust
from vestibule.protocol.crypto import IdentityKey, fingerprint_text


A, B, C = (IdentityKey.generate() for _ in range(3))
HERE = Endpoint("broker.example", 7420)
LOOPBACK = Endpoint("127.0.0.1", 7420)


def known(path: Path, *keys: IdentityKey, endpoint: Endpoint = HERE) -> Path:
    path.write_text("".join(f"{endpoint.text} {key.text}\n" for key in keys))
    path.chmod(0o600)
    return path


def test_pinned_keys_are_accepted_and_no_other() -> None:
    trust = Trust.pinned(HERE, [A.public, B.public])
    assert trust.accepts(A.public)
    assert trust.accepts(B.public)
    assert not trust.accepts(C.public)
    assert trust.hint == A.fingerprint
    assert trust.plain_allowed


def test_keys_of_the_file_are_accepted_and_no_other(tmp_path: Path) -> None:
    trust = Trust.looked_up(HERE, known(tmp_path / "known", B, A), first_use=True)
    assert trust.source is Source.KNOWN
    assert trust.hint == B.fingerprint
    assert trust.accepts(A.public)
    assert not trust.accepts(C.public)


def test_first_use_takes_any_key_until_it_is_settled(tmp_path: Path) -> None:
    trust = Trust.looked_up(HERE, tmp_path / "absent", first_use=True)
    assert trust.hint == bytes(16)
    assert trust.accepts(A.public)
    assert not trust.plain_allowed
    trust.settle(A.public)
    assert trust.accepts(A.public)
    assert not trust.accepts(B.public)
    assert not trust.plain_allowed


def test_where_first_use_is_refused_an_unknown_endpoint_is_an_error(
    tmp_path: Path,
) -> None:
    with pytest.raises(HandshakeFailed) as caught:
        Trust.looked_up(HERE, tmp_path / "absent", first_use=False)
    assert caught.value.code == "SERVER_KEY_UNKNOWN"
    assert caught.value.details == {"endpoint": HERE.text}


def test_loopback_is_neither_looked_up_nor_written_unless_a_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_environment = known(tmp_path / "known", B, endpoint=LOOPBACK)
    monkeypatch.setenv("VESTIBULE_KNOWN_BROKERS", str(of_environment))
    trust = Trust.looked_up(LOOPBACK, None, first_use=True)
    assert trust.source is Source.FIRST_USE
    assert trust.plain_allowed
    assert not trust.writes
    trust.admitted(A.public, [A.public])
    assert KnownBrokers(of_environment).keys(LOOPBACK) == (B.public,)

    named = Trust.looked_up(LOOPBACK, tmp_path / "named", first_use=True)
    assert not named.plain_allowed
    named.admitted(A.public, [A.public])
    assert KnownBrokers(tmp_path / "named").keys(LOOPBACK) == (A.public,)


def test_the_file_of_the_environment_serves_other_endpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTIBULE_KNOWN_BROKERS", str(known(tmp_path / "known", B)))
    assert Trust.looked_up(HERE, None, first_use=False).keys == (B.public,)


def test_w43_after_a_login_the_file_holds_the_brokers_own_list(tmp_path: Path) -> None:
    path = known(tmp_path / "known", B)
    trust = Trust.looked_up(HERE, path, first_use=True)
    trust.settle(B.public)
    trust.admitted(B.public, [A.public, B.public])
    assert KnownBrokers(path).keys(HERE) == (A.public, B.public)
    assert trust.accepts(A.public)


def test_a_list_without_the_brokers_own_key_is_ignored_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = known(tmp_path / "known", B)
    trust = Trust.looked_up(HERE, path, first_use=True)
    trust.settle(B.public)
    with caplog.at_level(logging.WARNING):
        trust.admitted(B.public, [A.public, C.public])
    assert KnownBrokers(path).keys(HERE) == (B.public,)
    assert trust.keys == (B.public,)
    assert [record.message for record in caplog.records] == ["server_keys.ignored"]


def test_pinned_keys_change_nothing_in_a_file() -> None:
    assert not Trust.pinned(HERE, [A.public]).writes


def test_a_file_that_cannot_be_written_is_logged_and_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    trust = Trust.looked_up(HERE, tmp_path / "new", first_use=True)
    other = Trust(HERE, Source.FIRST_USE, file=KnownBrokers(blocked / "known"))
    for one in (trust, other):
        one.settle(A.public)
    known(tmp_path / "new", C)
    with caplog.at_level(logging.WARNING):
        trust.admitted(A.public, [A.public])
        other.admitted(A.public, [A.public])
    assert [record.message for record in caplog.records] == [
        "known_brokers.other_key",
        "known_brokers.not_written",
    ]


def test_w42_a_refusal_tells_both_fingerprints() -> None:
    error = Trust.pinned(HERE, [A.public]).refusal(B.public)
    assert error.code == "SERVER_KEY_CHANGED"
    for key in (A, B):
        assert fingerprint_text(key.public) in str(error)
