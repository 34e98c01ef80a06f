import pytest
import typer

from client.shell import Shell
from vestibule.client import cli_joining


def test_commands_of_another_part_join_a_group_and_hide_none(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    more, users = typer.Typer(), typer.Typer()
    more.add_typer(users, name="user")

    @users.command("unlock")
    def _unlock() -> None:
        typer.echo("unlocked")

    @users.command("list")
    def _list() -> None:
        typer.echo("stolen")

    class Entry:
        def load(self) -> typer.Typer:
            return more

    monkeypatch.setattr(cli_joining, "entry_points", lambda **_: [Entry()])
    assert shell("user", "unlock").stdout == "unlocked\n"
    shell.session.answer = []
    assert "stolen" not in shell("user", "list").stdout
    assert "unlock" in shell("user", "--help").stdout
    assert shell("user", "nonsense").exit_code == 2
