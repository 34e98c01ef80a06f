import os
from pathlib import Path

import pytest

from vestibule.protocol.crypto import IdentityKey
from vestibule.protocol.identity import identity_text
from vestibule.server import keyfile
from vestibule.server.config_source import ConfigError
from vestibule.server.keyfile import (
    DIRECTORY_FILE,
    IDENTITY_FILE,
    KeyFileError,
    check_data_folder,
    make_keys,
    read_keys,
    rotate_keys,
)


def publics(keys: list[IdentityKey]) -> list[bytes]:
    return [key.public for key in keys]


def test_a_made_key_is_read_back_and_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "data"
    old = os.umask(0)
    try:
        made = make_keys(folder)
    finally:
        os.umask(old)
    assert publics(read_keys(folder)) == publics(made)
    assert (folder / IDENTITY_FILE).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in folder.iterdir()] == [IDENTITY_FILE]


def test_a_key_that_is_there_is_never_replaced_by_making_one(tmp_path: Path) -> None:
    made = make_keys(tmp_path)
    with pytest.raises(KeyFileError, match="is there already"):
        make_keys(tmp_path)
    assert publics(read_keys(tmp_path)) == publics(made)


def test_rotating_puts_a_new_key_first_and_keeps_the_next_three(
    tmp_path: Path,
) -> None:
    known = publics(make_keys(tmp_path))
    for _ in range(5):
        known = [rotate_keys(tmp_path)[0].public, *known]
        assert publics(read_keys(tmp_path)) == known[:4]
    assert (tmp_path / IDENTITY_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601, 0o620])
def test_w52_a_file_that_others_may_use_stops_the_start(
    tmp_path: Path, mode: int
) -> None:
    make_keys(tmp_path)
    (tmp_path / IDENTITY_FILE).chmod(mode)
    with pytest.raises(KeyFileError, match=rf"{IDENTITY_FILE}: others may use it"):
        read_keys(tmp_path)
    with pytest.raises(KeyFileError, match="others may use it"):
        rotate_keys(tmp_path)


def test_a_bad_line_stops_the_start_and_is_not_shown(tmp_path: Path) -> None:
    make_keys(tmp_path)
    path = tmp_path / IDENTITY_FILE
    good = path.read_text()
    number = len(good.splitlines()) + 1
    for line in ("swordfish", "vss1_swordfish", f"{'A' * 48}", "vsk1_" + "A" * 43):
        path.write_text(f"{good}{line}\n")
        with pytest.raises(KeyFileError, match=f"line {number}") as caught:
            read_keys(tmp_path)
        assert line not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no key"),
        (b"# only a comment\n", "no key"),
        (b"\xff\xfe", "is not text"),
        (b"#" * 100_000, "is longer than"),
    ],
)
def test_a_file_without_a_key_stops_the_start(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / IDENTITY_FILE
    path.touch(mode=0o600)
    path.write_bytes(content)
    with pytest.raises(KeyFileError, match=problem):
        read_keys(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=rf"{IDENTITY_FILE}: cannot be read"):
        read_keys(tmp_path)


def test_a_folder_is_fresh_with_neither_and_old_with_both(tmp_path: Path) -> None:
    assert check_data_folder(tmp_path / "absent")
    assert check_data_folder(tmp_path)
    (tmp_path / IDENTITY_FILE).touch()
    (tmp_path / DIRECTORY_FILE).touch()
    assert not check_data_folder(tmp_path)


@pytest.mark.parametrize(
    ("there", "missing"),
    [(IDENTITY_FILE, DIRECTORY_FILE), (DIRECTORY_FILE, IDENTITY_FILE)],
)
def test_p12_one_without_the_other_is_refused(
    tmp_path: Path, there: str, missing: str
) -> None:
    (tmp_path / there).touch()
    with pytest.raises(KeyFileError, match=f"has {there} and no {missing}") as caught:
        check_data_folder(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert isinstance(caught.value, ConfigError)


def test_a_dangling_link_is_no_fresh_folder(tmp_path: Path) -> None:
    (tmp_path / IDENTITY_FILE).symlink_to(tmp_path / "gone")
    with pytest.raises(KeyFileError):
        check_data_folder(tmp_path)


def test_p12_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(KeyFileError, match="is not a folder"):
        check_data_folder(tmp_path / "data")
    with pytest.raises(KeyFileError, match="cannot be made"):
        make_keys(tmp_path / "data")


def test_a_write_that_fails_leaves_the_old_keys_and_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_keys(tmp_path)

    def full(_keys: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keyfile, "identity_text", full)
    with pytest.raises(KeyFileError, match="cannot be written: No space left"):
        rotate_keys(tmp_path)
    monkeypatch.undo()
    assert publics(read_keys(tmp_path)) == publics(made)
    assert [path.name for path in tmp_path.iterdir()] == [IDENTITY_FILE]


def test_comments_are_passed_over(tmp_path: Path) -> None:
    keys = [IdentityKey.generate(), IdentityKey.generate()]
    path = tmp_path / IDENTITY_FILE
    path.touch(mode=0o600)
    path.write_text(f"# mine\n{identity_text(keys)}# end\n")
    assert publics(read_keys(tmp_path)) == publics(keys)
