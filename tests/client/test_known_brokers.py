import os
import stat
from pathlib import Path

import pytest

from vestibule.client.endpoint import Endpoint
from vestibule.client.errors import HandshakeFailed
from vestibule.client.known_brokers import KnownBrokers, default_path
from vestibule.protocol.crypto import IdentityKey, server_key_text


A, B, C = (IdentityKey.generate() for _ in range(3))
HERE = Endpoint("broker.example", 7420)


def file_of(path: Path, *lines: str) -> KnownBrokers:
    path.write_text("".join(f"{line}\n" for line in lines))
    path.chmod(0o600)
    return KnownBrokers(path)


def line(endpoint: str, key: IdentityKey, *more: str) -> str:
    return " ".join([endpoint, key.text, *more])


def test_an_absent_file_knows_nobody(tmp_path: Path) -> None:
    assert KnownBrokers(tmp_path / "absent").keys(HERE) == ()


def test_several_lines_are_several_keys_and_the_rest_is_passed_over(
    tmp_path: Path,
) -> None:
    known = file_of(
        tmp_path / "known",
        "# brokers of mine",
        "",
        "   ",
        line(HERE.text, A, "the", "old", "one"),
        line("other.example:80", C),
        f"{HERE.text}\t \t{B.text}\tcomment",
    )
    assert known.keys(HERE) == (A.public, B.public)
    assert known.keys(Endpoint("unknown.example", 1)) == ()


@pytest.mark.parametrize(
    "bad",
    [
        f"broker.example {A.text}",
        f"Broker.example:7420 {A.text}",
        f"broker.example:7420 {A.text[:-1]}",
        "broker.example:7420",
        f" broker.example:7420 {A.text}",
        f"ws://broker.example:7420 {A.text}",
    ],
    ids=range(6),
)
def test_w44_one_bad_line_makes_the_whole_file_invalid(
    tmp_path: Path, bad: str
) -> None:
    known = file_of(tmp_path / "known", line("other.example:80", C), bad)
    with pytest.raises(HandshakeFailed) as caught:
        known.keys(HERE)
    assert caught.value.code == "KNOWN_BROKERS_INVALID"
    assert caught.value.details == {"file": str(tmp_path / "known"), "line": 2}


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666])
def test_w44_a_file_that_others_may_write_is_invalid(tmp_path: Path, mode: int) -> None:
    known = file_of(tmp_path / "known", line(HERE.text, A))
    known.path.chmod(mode)
    with pytest.raises(HandshakeFailed) as caught:
        known.keys(HERE)
    assert caught.value.code == "KNOWN_BROKERS_INVALID"
    with pytest.raises(HandshakeFailed):
        known.write(HERE, [A.public, B.public], own=A.public)


def test_a_file_that_is_no_text_or_no_file_is_invalid(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    (tmp_path / "bytes").chmod(0o600)
    for path in (tmp_path / "bytes", tmp_path):
        with pytest.raises(HandshakeFailed) as caught:
            KnownBrokers(path).keys(HERE)
        assert caught.value.code == "KNOWN_BROKERS_INVALID"


def test_writing_makes_the_file_and_its_folder_for_this_user_alone(
    tmp_path: Path,
) -> None:
    known = KnownBrokers(tmp_path / "new" / "deeper" / "known")
    assert known.write(HERE, [A.public], own=A.public)
    assert known.path.read_text() == f"{HERE.text} {server_key_text(A.public)}\n"
    assert stat.S_IMODE(known.path.stat().st_mode) == 0o600
    assert [path.name for path in known.path.parent.iterdir()] == ["known"]


def test_writing_keeps_all_other_lines_and_those_whose_key_stays(
    tmp_path: Path,
) -> None:
    others = ["# mine", line("other.example:80", C), "", line("third.example:80", C)]
    known = file_of(
        tmp_path / "known",
        *others[:2],
        line(HERE.text, B, "seen on Monday"),
        others[2],
        line(HERE.text, C, "long gone"),
        others[3],
    )
    assert known.write(HERE, [A.public, B.public], own=B.public)
    assert known.path.read_text().splitlines() == [
        *others[:2],
        line(HERE.text, A),
        line(HERE.text, B, "seen on Monday"),
        *others[2:],
    ]


def test_keys_that_do_not_hold_the_brokers_own_are_never_replaced(
    tmp_path: Path,
) -> None:
    known = file_of(tmp_path / "known", line(HERE.text, B))
    before = known.path.read_bytes()
    assert not known.write(HERE, [A.public], own=A.public)
    assert known.path.read_bytes() == before


def test_what_is_right_already_is_not_written(tmp_path: Path) -> None:
    known = file_of(tmp_path / "known", line(HERE.text, A))
    inode = known.path.stat().st_ino
    assert known.write(HERE, [A.public], own=A.public)
    assert known.path.stat().st_ino == inode


def test_a_write_that_fails_leaves_the_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = file_of(tmp_path / "known", line(HERE.text, A))
    before = known.path.read_bytes()

    def full(_: int) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        known.write(HERE, [A.public, B.public], own=A.public)
    assert known.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["known"]


@pytest.mark.skipif(os.name != "posix", reason="users are POSIX's")
def test_w44_a_file_of_another_user_is_invalid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = file_of(tmp_path / "known", line(HERE.text, A))
    owner = known.path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    status = os.stat_result((0o600, 0, 0, 1, owner + 2, 0, 0, 0, 0, 0))
    monkeypatch.setattr(os, "fstat", lambda _: status)
    with pytest.raises(HandshakeFailed) as caught:
        known.keys(HERE)
    assert caught.value.code == "KNOWN_BROKERS_INVALID"


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    target = file_of(tmp_path / "target").path
    link = tmp_path / "link"
    link.symlink_to(target)
    assert KnownBrokers(link).write(HERE, [A.public], own=A.public)
    assert link.is_symlink()
    assert KnownBrokers(target).keys(HERE) == (A.public,)


def test_the_default_path_follows_the_environment() -> None:
    named = {"VESTIBULE_KNOWN_BROKERS": "/etc/brokers", "XDG_CONFIG_HOME": "/x"}
    assert default_path(named) == Path("/etc/brokers")
    base = {"XDG_CONFIG_HOME": "/x"}
    assert default_path(base) == Path("/x/vestibule/known_brokers")
    home = Path.home() / ".config" / "vestibule" / "known_brokers"
    assert default_path({}) == home
    assert default_path({"XDG_CONFIG_HOME": "relative"}) == home
