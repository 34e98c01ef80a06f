from pathlib import Path

import pytest

from vestibule.server import machine


def test_this_machine_has_a_core_and_some_memory() -> None:
    assert machine.cores() >= 1
    assert machine.memory_bytes() > 16 * 1024 * 1024


def test_a_containers_limit_counts_if_it_is_less_than_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(machine, "_CGROUP_LIMITS", (limit, tmp_path / "absent"))
    limit.write_text("33554432\n")
    assert machine.memory_bytes() == 33_554_432
    limit.write_text("max\n")
    assert machine.memory_bytes() > 33_554_432
    limit.write_text(f"{2**63}\n")
    assert machine.memory_bytes() < 2**63


def test_where_the_system_does_not_tell_a_small_machine_is_assumed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_name: str) -> int:
        raise ValueError

    monkeypatch.setattr("os.sysconf", refuse)
    monkeypatch.setattr(machine, "_CGROUP_LIMITS", ())
    assert machine.memory_bytes() == 1024**3
