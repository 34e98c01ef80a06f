import os
from pathlib import Path

import pytest

from vestibule.server.trail.head import (
    HEAD_FILE,
    KEY_FILE,
    Head,
    TrailDamaged,
    make_key,
    parse_head,
    read_head,
    read_key,
    write_head,
)


HEAD = Head(7, bytes(range(32)))


def test_a_head_is_told_and_read_as_number_and_hash() -> None:
    assert str(HEAD) == f"7:{bytes(range(32)).hex()}"
    assert parse_head(f" {HEAD}\n") == HEAD


@pytest.mark.parametrize("text", ["", "7", "7:00", f"x:{'00' * 32}", f"7:{'0g' * 32}"])
def test_other_text_is_no_head(text: str) -> None:
    with pytest.raises(ValueError, match="is not SEQ:HASH"):
        parse_head(text)


def test_what_was_written_is_read_and_has_its_owner_alone(tmp_path: Path) -> None:
    key = make_key(tmp_path)
    assert read_key(tmp_path) == key
    for head in (Head(2**60, bytes(32)), HEAD):
        write_head(tmp_path, key, head, sync=True)
        assert read_head(tmp_path, key) == head
    for name in (KEY_FILE, HEAD_FILE):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_a_key_is_made_once(tmp_path: Path) -> None:
    make_key(tmp_path)
    with pytest.raises(FileExistsError):
        make_key(tmp_path)


def test_a_head_of_another_key_is_refused(tmp_path: Path) -> None:
    key = make_key(tmp_path)
    write_head(tmp_path, bytes(32), HEAD)
    assert read_head(tmp_path, None) == HEAD
    with pytest.raises(TrailDamaged, match=r"audit\.head: was not made with audit\.ke"):
        read_head(tmp_path, key)


def test_a_head_with_another_number_or_hash_is_refused(tmp_path: Path) -> None:
    key = make_key(tmp_path)
    write_head(tmp_path, key, HEAD)
    path = tmp_path / HEAD_FILE
    text = path.read_text()
    for other in (text.replace("07:", "06:"), text.replace(":00", ":01")):
        path.write_text(other)
        with pytest.raises(TrailDamaged, match="was not made with"):
            read_head(tmp_path, key)


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"7:00 00\n"])
def test_a_head_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / HEAD_FILE).write_bytes(content)
    with pytest.raises(TrailDamaged, match=r"audit\.head: (cannot be read|holds no)"):
        read_head(tmp_path, None)


@pytest.mark.skipif(os.name != "posix", reason="modes are posix")
def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    make_key(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o640)
    with pytest.raises(TrailDamaged, match=r"others may use it \(mode 0640\)"):
        read_key(tmp_path)


def test_a_key_that_is_none_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(TrailDamaged, match="cannot be read"):
        read_key(tmp_path)
    make_key(tmp_path)
    (tmp_path / KEY_FILE).write_text("sesame")
    with pytest.raises(TrailDamaged, match="holds no key") as refused:
        read_key(tmp_path)
    assert "sesame" not in str(refused.value)
