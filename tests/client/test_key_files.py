"""Files of signing keys: made once, for their owner, read strictly."""

import base64
from pathlib import Path

import pytest

from vestibule.client.key_files import (
    KeyFileError,
    make_key,
    public_key_of,
    public_text,
    read_key,
)


def test_a_key_is_made_for_its_owner_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "lisa.key"
    key = make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().startswith("vsu1_")
    assert read_key(path).public == key.public
    public = path.with_name("lisa.key.pub")
    assert public.read_text() == public_text(key.public) + "\n"
    assert base64.b64decode(public.read_text()) == key.public
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "lisa.key",
        "lisa.key.pub",
    ]


@pytest.mark.parametrize("name", ["lisa.key", "lisa.key.pub"])
def test_nothing_is_written_over(tmp_path: Path, name: str) -> None:
    there = tmp_path / name
    there.write_text("mine")
    with pytest.raises(KeyFileError, match="is there already"):
        make_key(tmp_path / "lisa.key")
    assert [one.read_text() for one in tmp_path.iterdir()] == ["mine"]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be written"):
        make_key(tmp_path / "none" / "lisa.key")


def test_a_key_that_others_may_use_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lisa.key"
    make_key(path)
    path.chmod(0o640)
    with pytest.raises(KeyFileError, match="others may use it"):
        read_key(path)
    with pytest.raises(KeyFileError, match="others may use it"):
        public_key_of(path)


def test_the_public_half_is_had_of_either_file(tmp_path: Path) -> None:
    path = tmp_path / "lisa.key"
    expected = public_text(make_key(path).public)
    assert public_key_of(path) == expected
    assert public_key_of(path.with_name("lisa.key.pub")) == expected


@pytest.mark.parametrize(
    "content",
    [b"", b"sesame", b"vsu1_sesame", b"vss1_" + b"A" * 43, b"\xff", b"s" * 5000],
)
def test_what_is_no_key_is_refused_and_not_shown(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    path.chmod(0o600)
    for read in (read_key, public_key_of):
        with pytest.raises(KeyFileError) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert "sesame" not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be read"):
        read_key(tmp_path / "none")
    with pytest.raises(KeyFileError, match="cannot be read"):
        read_key(tmp_path)
