"""A broker as a process of its own, run and used by commands alone."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from vestibule.client.cli_app import app


ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20
"""Seconds that any one command may take; most take half of one."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Give the variables of all commands: no settings but these."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("VESTIBULE_")}
    roots = [str(ROOT / part) for part in ("protocol", "server", "client")]
    kept["PYTHONPATH"] = os.pathsep.join(roots)
    return kept | {
        "VESTIBULE_DATA": str(tmp_path / "data"),
        "VESTIBULE_LISTEN__PORT": "0",
        "VESTIBULE_HTTP__PORT": "0",
        "VESTIBULE_PASSWORDS__MEMLIMIT": "19922944",
        "VESTIBULE_SHUTDOWN__SPREAD": "0",
    }


def run(environment: Mapping[str, str], *arguments: str, **variables: str) -> Result:
    """Run one command of a client, in this process: starting one costs half a second."""
    return CliRunner().invoke(app, arguments, env={**environment, **variables})


def run_broker(
    environment: Mapping[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run one command of the broker to its end, as a process."""
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "vestibule.client", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@contextmanager
def serving(environment: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Run `vestibule serve`; give what it tells; end it by SIGTERM, with status 0."""
    with subprocess.Popen(
        [sys.executable, "-m", "vestibule.client", "serve", "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        try:
            yield {**json.loads(line), "pid": process.pid}
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, errors
            assert "Traceback" not in errors
        finally:
            process.kill()


def test_from_the_first_start_to_a_message_denied_and_a_restart(
    environment: dict[str, str],
) -> None:
    with serving(environment) as told:
        assert told["administrator"] == "_ADMIN"
        environment |= {
            "VESTIBULE_URL": told["url"],
            "VESTIBULE_SERVER_KEY": told["server_key"],
        }
        admin = {
            "VESTIBULE_USERNAME": "_ADMIN",
            "VESTIBULE_PASSWORD": told["password"],
        }
        healthy = run_broker(
            environment, "health", "--url", told["health"].rpartition("/")[0]
        )
        assert healthy.stdout == "ok\n"

        for command in (
            ["group", "add", "staff"],
            ["grant", "add", "staff", "events", "news/*", "--actions=publish"],
            ["user", "add", "lisa", "--group", "staff"],
        ):
            made = run(environment, *command, VESTIBULE_NEW_PASSWORD="sesame", **admin)
            assert made.exit_code == 0, made.stderr

        lisa = {"VESTIBULE_USERNAME": "lisa", "VESTIBULE_PASSWORD": "sesame"}
        assert run(environment, "publish", "news/x", "1", **lisa).exit_code == 0
        denied = run(environment, "publish", "plans/x", "1", **lisa)
        assert denied.exit_code == 5
        assert denied.stderr.startswith("vestibule: MESSAGE_DENIED: denied")
        why = run(
            environment,
            "explain",
            "lisa",
            "events.publish",
            "news/x",
            "--json",
            **admin,
        )
        assert json.loads(why.stdout)["grant"]["holder"] == "group:staff"
        can = run(environment, "what-can", "lisa", **admin)
        assert "news/*" in can.stdout, can.stderr
        changes = Path(environment["VESTIBULE_DATA"]).parent / "changes.json"
        unlink = [{"method": "unlink_group", "args": ["staff", "lisa"]}]
        changes.write_text(json.dumps(unlink))
        supposed = run(environment, "what-if", str(changes), "--json", **admin)
        (touched,) = json.loads(supposed.stdout)["users"]
        assert touched["loses"] == [
            {"section": "events", "path": "news/*/**", "action": "publish"}
        ]
        wrong = run(
            environment, "login-check", **(lisa | {"VESTIBULE_PASSWORD": "guess"})
        )
        assert wrong.exit_code == 3
        assert "guess" not in wrong.stderr + wrong.stdout
        arguments = Path(f"/proc/{told['pid']}/cmdline")
        if arguments.exists():
            assert told["password"].encode() not in arguments.read_bytes()

    environment["VESTIBULE_LISTEN__PORT"] = "0"
    with serving(environment) as again:
        assert again["server_key"] == told["server_key"]
        assert "password" not in again
        environment["VESTIBULE_URL"] = again["url"]
        listed = run(environment, "user", "list", "--json", **admin)
        assert [row["username"] for row in json.loads(listed.stdout)] == [
            "_ADMIN",
            "lisa",
        ]


def test_a_port_that_is_taken_is_one_line(environment: dict[str, str]) -> None:
    with serving(environment) as told:
        port = told["url"].rpartition(":")[2]
        taken = run_broker(
            environment
            | {
                "VESTIBULE_DATA": environment["VESTIBULE_DATA"] + "2",
                "VESTIBULE_LISTEN__PORT": port,
            },
            "serve",
        )
    assert taken.returncode == 1
    assert taken.stdout == ""
    assert "address already in use" in taken.stderr
    lines = [
        line for line in taken.stderr.splitlines() if line.startswith("vestibule:")
    ]
    assert len(lines) == 1


def test_p12_serve_ends_with_1_and_one_line_in_time(
    environment: dict[str, str], tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("quarantine:\n  timeoot: 3\n")
    result = run_broker(environment, "serve", "--config", str(config))
    assert result.returncode == 1
    assert result.stderr == (
        f"vestibule: {config}:2: quarantine.timeoot: no key has this name\n"
    )
    assert list(tmp_path.iterdir()) == [config]
