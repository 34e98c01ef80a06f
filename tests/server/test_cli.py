import asyncio
import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from vestibule.protocol.crypto import fingerprint_text
from vestibule.server import logs, serving
from vestibule.server.cli import commands
from vestibule.server.keyfile import IDENTITY_FILE, make_keys, read_keys


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("VESTIBULE_"):
            monkeypatch.delenv(name)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(commands, [str(argument) for argument in arguments])


# P12


def touch_directory(folder: Path) -> None:
    (folder / "directory.db").touch()


FOLDERS: dict[str, Callable[[Path], object]] = {
    "key alone": make_keys,
    "directory alone": touch_directory,
}

CONFIGURATIONS = [
    ("absent", None, "config.yaml: there is no such file"),
    ("empty file", "", "config.yaml: the file is empty"),
    ("unknown key", "nmae: x", "config.yaml:1: nmae: no key has this name"),
    ("wrong type", "rpc: {max_timeout: long}", "config.yaml:1: rpc.max_timeout: "),
    ("handler missing", "handler: absent:H", "handler absent:H: there is no module"),
    ("wrong shape", "handler: json:JSONDecoder", "handler json:JSONDecoder: has nei"),
    ("bad network", "trusted_proxies: [x]", "config.yaml:1: trusted_proxies.0: "),
    ("key alone", "name: hub", "data: has identity.key and no directory.db"),
    ("directory alone", "name: hub", "data: has directory.db and no identity.key"),
    (
        "encryption off",
        "encryption: off\nlisten: 0.0.0.0",
        "config.yaml: encryption: off is for loopback addresses only, and listen.host",
    ),
    ("floor", "passwords: {opslimit: 1}", "config.yaml:1: passwords.opslimit: "),
]


@pytest.fixture
def no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make opening a port a failure, and leave this process's log alone."""

    async def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a port was opened")

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "create_server", refuse)
    monkeypatch.setattr(serving, "_loop_factory", lambda: None)
    monkeypatch.setattr(serving, "_harden", lambda: None)
    monkeypatch.setattr(logs, "configure", lambda *_: None)


@pytest.mark.usefixtures("no_port")
@pytest.mark.parametrize("command", ["serve", "check-config"])
@pytest.mark.parametrize(
    ("kind", "text", "line"), CONFIGURATIONS, ids=[kind for kind, *_ in CONFIGURATIONS]
)
def test_p12_a_bad_configuration_ends_with_1_and_a_line_and_makes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    kind: str,
    text: str | None,
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config.yaml"
    if text is not None:
        config.write_text(text)
    (tmp_path / "data").mkdir()
    if kind in FOLDERS:
        FOLDERS[kind](tmp_path / "data")
    before = sorted(tmp_path.rglob("*"))
    result = run(command, "--config", config)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("vestibule: ")
    assert result.stderr.count("\n") == 1
    assert line in result.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("no_port")
def test_a_good_configuration_is_told_so_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("check-config").stdout == "the configuration is good\n"
    config = tmp_path / "config.yaml"
    config.write_text("lockout: {enabled: false}\n")
    result = run("check-config", "-c", config)
    assert result.exit_code == 0
    assert result.stderr == "vestibule: gives up protection: lockout_off\n"
    assert list(tmp_path.iterdir()) == [config]


FACTS = {
    "url": "ws://127.0.0.1:7420",
    "server_key": "vsk1_x",
    "fingerprint": "0123-4567",
    "administrator": "_ADMIN",
    "password": "sesame",
}


def test_serve_tells_people_where_and_with_which_key_and_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(serving, "serve", lambda _, announce: announce(FACTS))
    assert run("serve").stdout.splitlines() == [
        "vestibule listens on ws://127.0.0.1:7420",
        "server key              vsk1_x",
        "fingerprint             0123-4567",
        "administrator password  sesame",
    ]
    assert json.loads(run("serve", "--json").stdout) == FACTS


# Keys


def test_keys_are_shown_and_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTIBULE_DATA", str(tmp_path))
    (first,) = make_keys(tmp_path)
    shown = json.loads(run("key", "show", "--json").stdout)
    assert shown == [{"key": first.text, "fingerprint": fingerprint_text(first.public)}]
    text = run("key", "rotate").stdout
    second, kept = read_keys(tmp_path)
    assert text.splitlines() == [
        f"current  {second.text}  {fingerprint_text(second.public)}",
        f"earlier  {first.text}  {fingerprint_text(first.public)}",
    ]
    assert kept.text == first.text
    assert first.secret_text() not in text


@pytest.mark.parametrize("command", ["show", "rotate"])
def test_without_a_key_file_the_line_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("VESTIBULE_DATA", str(tmp_path))
    result = run("key", command)
    assert result.exit_code == 1
    assert f"{IDENTITY_FILE}: cannot be read" in result.stderr
    assert list(tmp_path.iterdir()) == []


# Health


class Answering(HTTPServer):
    """Answers every GET with what the test sets."""

    status, body = 200, b'{"status":"ok"}'


class Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def answering() -> Iterator[Answering]:
    server = Answering(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "code", "told"),
    [
        (200, b'{"status":"ok"}', 0, "ok\n"),
        (503, b'{"status":"stopping"}', 1, "stopping\n"),
        (200, b"no json", 1, ""),
        (200, b"[]", 1, ""),
    ],
)
def test_health_is_0_only_for_ok(
    answering: Answering, status: int, body: bytes, code: int, told: str
) -> None:
    answering.status, answering.body = status, body
    result = run("health", "--url", f"http://127.0.0.1:{answering.server_port}")
    assert result.exit_code == code
    assert result.stdout == told


def test_health_asks_where_the_configuration_says(
    answering: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTIBULE_HTTP__PORT", str(answering.server_port))
    assert run("health").stdout == "ok\n"
    monkeypatch.delenv("VESTIBULE_HTTP__PORT")
    monkeypatch.setenv("VESTIBULE_HTTP", "null")
    assert "there is no listener to ask" in run("health").stderr


def test_health_of_nobody_is_a_line() -> None:
    result = run("health", "--url", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert result.stderr == "vestibule: the broker does not answer\n"
    assert run("health", "--url", "nonsense").exit_code == 1
