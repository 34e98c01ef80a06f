"""Files of secrets and keys: read strictly, and never shown."""

from pathlib import Path

import pytest

from vestibule.server.config_source import ConfigError
from vestibule.server.secretfile import read_public_file, read_secret_file


def written(folder: Path, content: bytes, mode: int) -> Path:
    path = folder / "file"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_newline_at_the_end_is_not_of_the_secret(tmp_path: Path, end: bytes) -> None:
    path = written(tmp_path, b"x" * 32 + end, 0o600)
    assert read_secret_file(path, least_bytes=32).reveal() == "x" * 32


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o610])
def test_a_secret_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path, b"x" * 32, mode)
    with pytest.raises(ConfigError, match=r"others may use it .* make it 0600"):
        read_secret_file(path, least_bytes=32)


def test_a_short_secret_is_refused_and_not_shown(tmp_path: Path) -> None:
    path = written(tmp_path, b"sesame", 0o600)
    with pytest.raises(ConfigError, match="shorter than 32") as caught:
        read_secret_file(path, least_bytes=32)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_public_key_that_others_may_change_is_refused(
    tmp_path: Path, mode: int
) -> None:
    with pytest.raises(ConfigError, match="make it 0644"):
        read_public_file(written(tmp_path, b"key", mode))
    assert read_public_file(written(tmp_path, b"key", 0o644)) == "key"


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_public_file(tmp_path / "absent")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_public_file(tmp_path)
    with pytest.raises(ConfigError, match="is not text"):
        read_public_file(written(tmp_path, b"\xff", 0o600))
    with pytest.raises(ConfigError, match="is longer than"):
        read_public_file(written(tmp_path, b"x" * 65_537, 0o600))
