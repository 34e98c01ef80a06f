import asyncio
import os
import signal
from pathlib import Path
from typing import Any, Self

import pytest

from vestibule.protocol.crypto import IdentityKey
from vestibule.server import logs, serving
from vestibule.server.config import Config, ConfigError
from vestibule.server.keyfile import IDENTITY_FILE, make_keys
from vestibule.server.secret import Secret


KEY = IdentityKey.generate()


class FakeBroker:
    """Starts, can be asked to stop, and notes what happened."""

    problem: Exception | None = None
    first_password: Secret | None = None
    url = "ws://127.0.0.1:1"
    http_url: str | None = None
    server_key = KEY.text

    def __init__(self, config: Config) -> None:
        self.config = config
        self.stopped = asyncio.Event()

    async def __aenter__(self) -> Self:
        if self.problem is not None:
            raise self.problem
        return self

    async def __aexit__(self, *_problem: object) -> None:
        await self.stop()

    async def wait(self, *_problem: object) -> None:
        await self.stopped.wait()

    async def stop(self) -> None:
        self.stopped.set()

    async def wait_stopped(self) -> None:
        await self.stopped.wait()


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run without touching this process's log and limits."""
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    monkeypatch.setattr(serving, "_harden", lambda: None)
    monkeypatch.setattr(serving, "Broker", FakeBroker)


def told_until_signal(number: int, config: Config | None = None) -> dict[str, str]:
    """Serve, send this process a signal when it has told its facts; give these."""
    told: dict[str, str] = {}

    def announce(facts: dict[str, str]) -> None:
        told.update(facts)
        os.kill(os.getpid(), number)

    serving.serve(config or Config(), announce=announce)
    return told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_broker_and_serve_returns(number: int) -> None:
    told = told_until_signal(number)
    assert told["url"] == "ws://127.0.0.1:1"
    assert told["server_key"] == KEY.text
    assert told["fingerprint"].count("-") == 7
    assert "password" not in told


def test_a_second_signal_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses: list[int] = []
    ended = asyncio.Event()

    async def drain(self: FakeBroker) -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
        # The drain would take for ever; the second signal does not wait for it.
        await ended.wait()
        self.stopped.set()

    def end(status: int) -> None:
        # The real one does not return; here the test has to go on.
        statuses.append(status)
        ended.set()

    monkeypatch.setattr("os._exit", end)
    monkeypatch.setattr(FakeBroker, "stop", drain)
    monkeypatch.setattr(FakeBroker, "__aexit__", FakeBroker.wait)
    told_until_signal(signal.SIGTERM)
    assert statuses == [128 + signal.SIGTERM]


def test_the_first_password_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeBroker, "first_password", Secret("sesame"))
    monkeypatch.setattr(FakeBroker, "http_url", "http://127.0.0.1:2")
    told = told_until_signal(signal.SIGTERM)
    assert told["administrator"] == "_ADMIN"
    assert told["password"] == "sesame"
    assert told["health"] == "http://127.0.0.1:2/health"


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"encryption": "off"}, "encryption"),
        ({"handler": "open", "insecure": True}, "handler"),
    ],
)
def test_what_gives_up_protection_is_told_loudly(
    settings: dict[str, Any], name: str
) -> None:
    told = told_until_signal(signal.SIGTERM, Config(**settings))
    assert told[name].isascii()
    assert ("OFF" in told[name]) or ("OPEN" in told[name])
    assert ("server_key" in told) is (name != "encryption")


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (ConfigError("wrong", where="c.yaml:1"), "c.yaml:1: wrong"),
        (OSError(98, "address already in use"), "cannot start: address already in use"),
        (OSError(), "cannot start: OSError"),
    ],
)
def test_a_start_that_fails_is_one_line(
    monkeypatch: pytest.MonkeyPatch, problem: Exception, line: str
) -> None:
    monkeypatch.setattr(FakeBroker, "problem", problem)
    with pytest.raises(serving.StartFailed) as caught:
        serving.serve(Config(), announce=lambda _: None)
    assert str(caught.value) == line


def test_check_makes_no_file(tmp_path: Path) -> None:
    serving.check(Config(data=tmp_path / "data"))
    assert list(tmp_path.iterdir()) == []


def test_check_reads_the_keys_of_a_folder_in_use(tmp_path: Path) -> None:
    make_keys(tmp_path)
    (tmp_path / "directory.db").touch()
    serving.check(Config(data=tmp_path))
    (tmp_path / IDENTITY_FILE).chmod(0o644)
    with pytest.raises(ConfigError, match="others may use it"):
        serving.check(Config(data=tmp_path))


def test_check_loads_the_handler_and_the_certificate(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no module absent"):
        serving.check(Config(handler="absent:H", data=tmp_path))
    tls = {"certificate": tmp_path / "c.pem", "key": tmp_path / "k.pem"}
    with pytest.raises(ConfigError, match=r"c\.pem: listen\.tls: cannot be read"):
        serving.check(Config(listen={"tls": tls}, data=tmp_path))
