"""The check-up finds each kind of damage, and changes nothing."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.operations.conftest import Running, config_of
from trails import stored
from vestibule.server.config import Config
from vestibule.server.operations import doctor
from vestibule.server.operations.doctor import Health, examine
from vestibule.server.trail.database import create


async def bad(config: Config) -> dict[str, str]:
    """Give what was found that is not well, by check."""
    found = await examine(config)
    return {
        one.check: f"{one.health}: {one.told}"
        for one in found
        if one.health is not Health.OK
    }


@pytest.fixture(autouse=True)
def future(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the folders that the tests are given runs ahead."""
    monkeypatch.setattr(doctor, "_FUTURE_SECONDS", 10 * 365 * 86_400.0)


async def test_a_folder_as_a_broker_leaves_it_is_well(config: Config) -> None:
    found = await examine(config)
    assert {one.check for one in found} == {
        "configuration",
        "data folder",
        "files",
        "directory",
        "audit trail",
        "clock",
        "disk",
        "descriptors",
        "memory",
        "directory opens",
    }
    told = {one.check: one.told for one in found}
    assert told["directory"] == "epoch 3"
    assert told["audit trail"].startswith("6 lines, head 6:")
    assert told["directory opens"] == "2 users, 10 groups"
    failed = [one for one in found if one.health is Health.FAILED]
    assert failed == []


async def test_it_changes_nothing_and_a_broker_may_run(
    config: Config, running: Running
) -> None:
    async with running(config) as hub:
        epoch, lines = hub.epoch, stored(config.data)
        found = await examine(config)
        assert [one for one in found if one.health is Health.FAILED] == []
        assert "a broker runs on it" in {one.told for one in found}
        assert (hub.epoch, stored(config.data)) == (epoch, lines)
    assert list(config.data.glob(".copy-*")) == []


def edit_row(folder: Path) -> None:
    path = folder / "directory.db"
    path.write_bytes(path.read_bytes().replace(b"news/*", b"news/x"))


def edit_line(folder: Path) -> None:
    lines = stored(folder)
    create(folder / "audit.db", [*lines[:-1], lines[-1]._replace(user="bob")])


def edit_time(folder: Path) -> None:
    lines = stored(folder)
    late: Any = "late"
    create(folder / "audit.db", [*lines[:-1], lines[-1]._replace(time=late)])


def garble(folder: Path) -> None:
    path = folder / "directory.db"
    content = bytearray(path.read_bytes())
    content[4096 : 2 * 4096] = bytes(4096)
    path.write_bytes(content)


DAMAGE: list[tuple[str, Callable[[Path], object], str, str]] = [
    ("mode", lambda f: (f / "identity.key").chmod(0o644), "files", "others may use it"),
    ("folder", lambda f: f.chmod(0o777), "data folder", "others may write it"),
    ("no key", lambda f: (f / "identity.key").unlink(), "data folder", "restore"),
    ("row", edit_row, "directory", "is damaged (a row of rules)"),
    ("page", garble, "directory", "directory.db"),
    (
        "epoch",
        lambda f: (f / "directory.epoch").write_text("9"),
        "directory",
        "says epoch 9, the directory has 3",
    ),
    ("line", edit_line, "audit trail", "line 6: was edited"),
    ("time", edit_time, "audit trail", "line 6: was edited"),
    ("trail", lambda f: (f / "audit.db").unlink(), "audit trail", "cannot be used"),
    ("head", lambda f: (f / "audit.head").write_text("x"), "audit trail", "no head"),
]


@pytest.mark.parametrize(
    ("damage", "check", "told"), [one[1:] for one in DAMAGE], ids=[o[0] for o in DAMAGE]
)
async def test_each_damage_is_found_and_named(
    config: Config, damage: Callable[[Path], object], check: str, told: str
) -> None:
    damage(config.data)
    found = await bad(config)
    assert found[check].startswith("failed: ")
    assert told in found[check]


async def test_a_damaged_row_also_shows_when_a_copy_is_opened(config: Config) -> None:
    edit_row(config.data)
    assert "is damaged" in (await bad(config))["directory opens"]


async def test_a_folder_without_a_directory_is_told_of(tmp_path: Path) -> None:
    found = await bad(config_of(tmp_path))
    assert "there is no directory here" in found["data folder"]


async def test_what_gives_up_protection_is_a_warning(config: Config) -> None:
    less = Config(data=config.data, http=None, name="hub", lockout={"enabled": False})
    found = await bad(less)
    assert found["configuration"] == "warning: gives up protection: lockout_off"


async def test_a_handler_that_does_not_load_is_told_of(config: Config) -> None:
    less = Config(data=config.data, http=None, handler="absent:Handler")
    assert "absent" in (await bad(less))["configuration"]


async def test_a_clock_that_was_never_set_or_jumps_is_told_of(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(time, "time", lambda: 5.0)
    found = doctor._looked("clock", doctor._clock, config)
    assert (found[0].health, "is not set" in found[0].told) == (Health.FAILED, True)
    times = iter([1_900_000_000.0, 1_900_000_009.0])
    monkeypatch.setattr(time, "time", lambda: next(times))
    (one,) = doctor._looked("clock", doctor._clock, config)
    assert (one.health, "jumped by +9.0" in one.told) == (Health.WARNING, True)


async def test_times_that_are_still_to_come_are_a_warning(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_FUTURE_SECONDS", -10 * 365 * 86_400.0)
    found = await bad(config)
    assert "still to come" in found["audit trail"]
    assert "still to come" in found["directory opens"]


@pytest.mark.parametrize(
    ("free", "health"), [(10**6, "failed"), (10**9, "warning"), (10**10, "ok")]
)
def test_little_space_is_told_of(
    config: Config, monkeypatch: pytest.MonkeyPatch, free: int, health: str
) -> None:
    class Usage:
        def __init__(self) -> None:
            self.free = free

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage())
    (one,) = doctor._looked("disk", doctor._disk, config)
    assert one.health == health


def test_memory_for_hashing_is_compared_with_what_there_is(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    for available, health in ((10**6, "warning"), (10**12, "ok"), (None, "ok")):
        monkeypatch.setattr(doctor, "_available", lambda here=available: here)
        (one,) = doctor._looked("memory", doctor._memory, config)
        assert one.health == health


@pytest.mark.skipif(os.name != "posix", reason="limits are posix")
def test_too_few_descriptors_are_a_warning(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    for most, health in ((1_000, "warning"), (100_000, "ok"), (-1, "ok")):
        monkeypatch.setattr("resource.getrlimit", lambda _, here=most: (here, here))
        (one,) = doctor._looked("descriptors", doctor._descriptors, config)
        assert one.health == health
