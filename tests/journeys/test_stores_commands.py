"""Scripts and sessions by the commands of `vestibule`, against a broker on a socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from journeys.conftest import ADMIN_PASSWORD, Starting
from journeys.stores import Stores, new_stores
from vestibule.client.cli_app import app


@pytest.fixture
async def stores(starting: Starting) -> AsyncIterator[Stores]:
    async with new_stores(starting) as stores:
        yield stores


async def run(stores: Stores, *arguments: str) -> Result:
    """Run a command as the administrator, beside the broker."""
    environment = {
        "VESTIBULE_URL": stores.broker.url,
        "VESTIBULE_SERVER_KEY": stores.broker.server_key,
        "VESTIBULE_USERNAME": "_ADMIN",
        "VESTIBULE_PASSWORD": ADMIN_PASSWORD,
        "COLUMNS": "250",
    }
    return await asyncio.to_thread(
        CliRunner().invoke, app, list(arguments), env=environment
    )


async def answer(stores: Stores, *arguments: str) -> Any:
    result = await run(stores, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def test_scripts_are_applied_shown_and_refused(
    stores: Stores, tmp_path: Path
) -> None:
    roles, users = tmp_path / "roles.script", tmp_path / "users.script"
    roles.write_text("set 'A' path 'x' permissions [READ_TOPIC]\nisolate path 'q'\n")
    users.write_text("add principal 'p' 'sesame' ['A']\n")
    told = await answer(stores, "script", "apply", str(roles))
    version = told["version"]
    view = await answer(stores, "script", "show")
    assert view["version"] == version
    assert view["isolated_paths"] == ["q"]
    shown = (await run(stores, "script", "show")).stdout
    assert "set 'A' path 'x' permissions [READ_TOPIC]\n" in shown
    again = tmp_path / "again.script"
    again.write_text(shown)
    assert (await answer(stores, "script", "apply", str(again)))["version"] == version
    of_users = ("--view", "authentication")
    assert (await run(stores, "script", "apply", str(users), *of_users)).exit_code == 0
    view = await answer(stores, "script", "show", *of_users)
    assert {"name": "p", "roles": ["A", "_GUEST"], "locking_principal": None} in view[
        "principals"
    ]
    refused = await run(stores, "script", "apply", str(users), *of_users)
    assert refused.exit_code == 1
    assert f"{users}:1:15: " in refused.stderr
    assert "sesame" not in refused.output
    conflict = await run(
        stores, "script", "apply", str(roles), "--expected-version", "1"
    )
    assert conflict.exit_code == 1
    assert "VERSION_CONFLICT" in conflict.stderr


async def test_sessions_and_tokens_are_listed_and_revoked(stores: Stores) -> None:
    u = await stores.user()
    rows = await answer(stores, "session", "list", "--user", "u")
    assert [row["session_id"] for row in rows] == [u.session_id]
    assert u.session_id in (await run(stores, "session", "list")).stdout
    assert (await run(stores, "session", "revoke", u.session_id)).exit_code == 0
    assert await u.wait_closed() == "revoked"
    again = await stores.login({"username": "u", "password": "u"})
    (row,) = await answer(stores, "session", "list", "--user", "u")
    revoked = await run(stores, "token", "revoke", row["token_id"], "--reason", "lost")
    assert revoked.exit_code == 0, revoked.output
    assert await again.wait_closed() == "token_revoked"
    (row,) = await answer(stores, "token", "list-revoked")
    assert (row["username"], row["reason"]) == ("u", "lost")
    unknown = await run(stores, "session", "revoke", u.session_id)
    assert (unknown.exit_code, "NO_SUCH_SESSION" in unknown.stderr) == (1, True)
