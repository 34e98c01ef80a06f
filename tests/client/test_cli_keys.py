"""Commands for users' signing keys, and logging in by one."""

import base64
import json
from pathlib import Path

from client.shell import Shell
from vestibule.client.key_files import make_key
from vestibule.protocol.signatures import SigningKey


USER = {"username": "lisa", "user_id": "id", "public_key": "k", "groups": {}}


def test_a_new_key_is_written_and_its_public_half_shown(
    shell: Shell, tmp_path: Path
) -> None:
    path = tmp_path / "lisa.key"
    result = shell("user", "new-key", str(path), "--json")
    assert result.exit_code == 0
    made = json.loads(result.stdout)
    assert made["public_key"] == Path(f"{path}.pub").read_text().strip()
    secret = path.read_text().strip()
    assert secret not in result.output
    assert shell.opened == [], "no broker is needed"
    again = shell("user", "new-key", str(path))
    assert again.exit_code == 1
    assert "is there already" in again.stderr
    assert path.read_text().strip() == secret


def test_a_key_is_enrolled_by_its_public_half_alone(
    shell: Shell, tmp_path: Path
) -> None:
    path = tmp_path / "lisa.key"
    public = base64.b64encode(make_key(path).public).decode()
    shell.session.answer = USER
    for file in (path, f"{path}.pub"):
        assert shell("user", "enrol-key", "lisa", str(file)).exit_code == 0
    assert (
        shell.session.asked
        == [("update_user", {"username": "lisa", "public_key": public})] * 2
    )


def test_a_key_is_taken_away(shell: Shell) -> None:
    shell.session.answer = {**USER, "public_key": None}
    result = shell("user", "enrol-key", "lisa", "--remove")
    assert result.exit_code == 0
    assert "none" in result.stdout
    asked = ("update_user", {"username": "lisa", "public_key": None})
    assert shell.session.asked == [asked]


def test_enrolling_needs_a_key_or_to_take_one_away(
    shell: Shell, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text("sesame")
    for arguments in ((), (str(other), "--remove"), (str(other),)):
        result = shell("user", "enrol-key", "lisa", *arguments)
        assert result.exit_code == 2
        assert "sesame" not in result.output
    assert shell.session.asked == []


def test_commands_log_in_by_key(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "lisa.key"
    public = make_key(path).public
    shell("-u", "lisa", f"--key-file={path}", "publish", "x")
    shell("-u", "lisa", "publish", "x", VESTIBULE_KEY_FILE=str(path))
    for opened in shell.opened:
        key = opened.credentials["signing_key"]
        assert isinstance(key, SigningKey)
        assert key.public == public
        assert opened.credentials["username"] == "lisa"
    assert len(shell.opened) == 2


def test_a_key_without_a_user_or_that_others_may_use_is_not_used(
    shell: Shell, tmp_path: Path
) -> None:
    path = tmp_path / "lisa.key"
    make_key(path)
    assert shell(f"--key-file={path}", "publish", "x").exit_code == 2
    path.chmod(0o644)
    result = shell("-u", "lisa", f"--key-file={path}", "publish", "x")
    assert result.exit_code == 2
    assert "others may use it" in result.stderr
    assert shell.opened == []


def test_commands_prove_a_password_if_asked(shell: Shell) -> None:
    shell("-u", "lisa", "--scram", "publish", "x", VESTIBULE_PASSWORD="sesame")
    shell("--scram", "publish", "x")
    with_user, anonymous = shell.opened
    assert with_user.options["scram"] is True
    assert "scram" not in anonymous.options
