"""What the thread writes: chained lines, losses told, the head, what goes with age."""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from trails import Settings, Wall, denial, stored, trail
from vestibule.server.trail import (
    Database,
    TrailError,
    parse_query,
    verify,
    writer as module,
)


class Switch(Protocol):
    def __call__(self, *, yes: bool) -> None: ...


def kinds(folder: Path) -> list[str]:
    return [line.kind for line in stored(folder)]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Switch:
    """Give a switch that makes every write fail, as on a full disk."""
    state = {"broken": False}
    append = Database.append

    def fail(self: Database, lines: Any) -> None:
        if state["broken"]:
            raise TrailError("database or disk is full")
        append(self, lines)

    monkeypatch.setattr(Database, "append", fail)
    monkeypatch.setattr(module, "_RETRY", 0.01)

    def switch(*, yes: bool) -> None:
        state["broken"] = yes

    return switch


async def test_what_was_put_and_settled_is_on_disk_and_chained(tmp_path: Path) -> None:
    async with trail(tmp_path) as opened:
        opened.put("login_accepted", {"user": "lisa"})
        opened.put("message_denied", denial())
        await opened.settled()
        assert kinds(tmp_path) == ["trail_begun", "login_accepted", "message_denied"]
        report = verify(tmp_path, [])
        assert report.faults == []
        assert report.head is not None
        assert report.head.seq == 3
    assert verify(tmp_path, []).faults == []


async def test_a_trail_is_gone_on_with(tmp_path: Path) -> None:
    for number in range(3):
        async with trail(tmp_path) as opened:
            opened.put("message_denied", denial(str(number)))
    assert kinds(tmp_path) == ["trail_begun", *["message_denied"] * 3]
    assert verify(tmp_path, []).faults == []


async def test_a_flood_loses_refusals_and_a_line_of_the_chain_says_how_many(
    tmp_path: Path,
) -> None:
    lost: list[int] = []
    async with trail(tmp_path, Settings(queue_lines=5), lost=lost) as opened:
        # No await: the thread may take some meanwhile, and what it took has a place.
        for number in range(2_000):
            opened.put("message_denied", denial(str(number)))
        opened.put("session_ended", {"user": "lisa"})
    lines = stored(tmp_path)
    told = [json.loads(line.fields) for line in lines if line.kind == "lines_lost"]
    assert {one["of"] for one in told} == {"message_denied"}
    assert sum(one["count"] for one in told) == len(lost) > 0
    kept = [line for line in lines if line.kind == "message_denied"]
    assert len(kept) + len(lost) == 2_000
    assert [line.kind for line in lines].count("session_ended") == 1
    assert verify(tmp_path, []).faults == []


async def test_lines_that_cannot_be_written_wait_and_come_later(
    tmp_path: Path, broken: Switch
) -> None:
    lost: list[int] = []
    async with trail(tmp_path, Settings(on_failure="refuse"), lost=lost) as opened:
        broken(yes=True)
        opened.put("login_accepted", {"user": "lisa"})
        await opened.settled()
        assert (opened.failed, opened.refuses) == (True, True)
        assert kinds(tmp_path) == ["trail_begun"]
        await opened.room()
        # Nobody waits for a disk that is full, whatever waits before.
        opened.put("session_ended", {})
        await asyncio.wait_for(opened.settled(), 5)
        broken(yes=False)
        while opened.failed:
            await opened.settled()
        assert not opened.refuses
        await opened.settled()
        assert kinds(tmp_path)[1:] == ["login_accepted", "session_ended"]
    assert lost == []


async def test_by_default_the_broker_goes_on_and_what_has_no_place_is_counted(
    tmp_path: Path, broken: Switch
) -> None:
    lost: list[int] = []
    async with trail(tmp_path, Settings(queue_lines=5), lost=lost) as opened:
        broken(yes=True)
        opened.put("session_ended", {})
        await opened.settled()
        assert (opened.failed, opened.refuses) == (True, False)
        for _ in range(20):
            opened.put("session_ended", {})
            opened.put("message_denied", denial())
        assert len(lost) == 31
    # At the end, what waited for the disk is lost too.
    assert len(lost) == 41
    assert kinds(tmp_path) == ["trail_begun"]


async def test_after_a_failure_the_losses_are_told_once(
    tmp_path: Path, broken: Switch
) -> None:
    async with trail(tmp_path, Settings(queue_lines=5)) as opened:
        broken(yes=True)
        opened.put("session_ended", {})
        await opened.settled()
        for _ in range(7):
            opened.put("session_ended", {})
        broken(yes=False)
        while opened.failed:
            await opened.settled()
        opened.put("session_ended", {})
    told = [line for line in stored(tmp_path) if line.kind == "lines_lost"]
    assert [json.loads(line.fields) for line in told] == [{"of": "deeds", "count": 3}]


async def test_a_line_that_was_taken_out_while_it_runs_stops_the_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RETRY", 0.01)
    async with trail(tmp_path) as opened:
        opened.put("login_accepted", {"user": "lisa"})
        await opened.settled()
        other = Database.open(tmp_path / "audit.db", write=True)
        with other.transaction():
            other.cut(2)
        other.close()
        opened.put("session_ended", {})
        await opened.settled()
        assert opened.failed


class Untellable(Mapping[str, Any]):
    """Fields whose reading fails."""

    def __getitem__(self, name: str) -> Any:
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        raise KeyError("sesame")

    def __len__(self) -> int:
        return 1


async def test_what_cannot_be_told_leaves_a_line_and_stops_nothing(
    tmp_path: Path,
) -> None:
    async with trail(tmp_path) as opened:
        opened.put("operator_command", Untellable())
        opened.put("session_ended", {})
        await opened.settled()
    bad, good = stored(tmp_path)[1:]
    assert (bad.kind, json.loads(bad.fields)) == (
        "operator_command",
        {"failed": "KeyError"},
    )
    assert good.kind == "session_ended"


async def test_an_unforeseen_failure_is_one_like_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RETRY", 0.01)
    state = {"broken": True}
    append = Database.append

    def fail(self: Database, lines: Any) -> None:
        if state["broken"]:
            raise KeyError("sesame")
        append(self, lines)

    monkeypatch.setattr(Database, "append", fail)
    async with trail(tmp_path) as opened:
        opened.put("session_ended", {})
        await asyncio.wait_for(opened.settled(), 5)
        assert [opened.failed] == [True]
        state["broken"] = False
        while opened.failed:
            await opened.settled()
    assert kinds(tmp_path) == ["trail_begun", "session_ended"]


async def test_after_the_end_nobody_waits(tmp_path: Path) -> None:
    async with trail(tmp_path) as opened:
        opened.put("session_ended", {})
    opened.put("session_ended", {})
    await asyncio.wait_for(opened.settled(), 5)


async def test_too_many_lines_go_from_the_beginning_and_a_line_says_which(
    tmp_path: Path,
) -> None:
    async with trail(tmp_path, Settings(max_lines=1_000, queue_lines=5_000)) as opened:
        for number in range(1_500):
            opened.put("message_denied", denial(str(number)))
            if number % 250 == 0:
                await opened.settled()
    lines = stored(tmp_path)
    assert 1_000 <= len(lines) <= 1_011
    cuts = [json.loads(line.fields) for line in lines if line.kind == "lines_cut"]
    assert cuts[-1]["last"] == lines[0].seq - 1
    assert cuts[-1]["last_hash"] == lines[0].previous.hex()
    report = verify(tmp_path, [])
    assert report.faults == []
    assert report.cut == lines[0].seq - 1
    async with trail(tmp_path):
        """It is gone on with."""


async def test_old_lines_go_for_their_age(tmp_path: Path) -> None:
    now = Wall()
    settings = Settings(max_age=3_600)
    async with trail(tmp_path, settings, now=now) as opened:
        opened.put("login_accepted", {"user": "lisa"})
        await opened.settled()
        assert len(stored(tmp_path)) == 2
        now.seconds += 3_601
    async with trail(tmp_path, settings, now=now) as opened:
        opened.put("session_ended", {})
        await opened.settled()
        assert kinds(tmp_path) == ["session_ended", "lines_cut"]
    assert verify(tmp_path, []).faults == []


async def test_refusals_do_not_push_out_young_lines(tmp_path: Path) -> None:
    now, lost = Wall(), list[int]()
    settings = Settings(max_lines=1_000, min_age=86_400, queue_lines=5_000)
    async with trail(tmp_path, settings, now=now, lost=lost) as opened:
        opened.put("login_accepted", {"user": "lisa"})
        for number in range(1_200):
            opened.put("message_denied", denial(str(number)))
        await opened.settled()
        for _ in range(50):
            opened.put("message_denied", denial())
        opened.put("session_ended", {})
        await opened.settled()
        found = kinds(tmp_path)
        assert len(lost) >= 50
        assert found[:2] == ["trail_begun", "login_accepted"]
        assert {"session_ended", "lines_lost"} <= set(found[-2:])
        now.seconds += 86_401
        opened.put("session_ended", {})
        await opened.settled()
        opened.put("message_denied", denial("again"))
        await opened.settled()
        assert stored(tmp_path)[-1].path == "again"
        assert len(stored(tmp_path)) <= 1_011
    assert verify(tmp_path, []).faults == []


async def test_questions_are_answered_while_lines_are_written(tmp_path: Path) -> None:
    async with trail(tmp_path) as opened:
        for number in range(50):
            opened.put("message_denied", denial(str(number)))
        await opened.settled()
        answers = await asyncio.gather(
            *(opened.query(parse_query(path=str(number))) for number in range(50))
        )
        assert [line.path for (line,) in answers] == [str(n) for n in range(50)]


async def test_the_log_is_told_where_the_trail_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []
    original = module.log.info
    module.log.info = lambda event, **fields: told.append(f"{event} {fields}")
    try:
        async with trail(tmp_path) as opened:
            opened.put("login_accepted", {"user": "lisa"})
    finally:
        module.log.info = original
    head = verify(tmp_path, []).head
    assert told[-1] == f"audit.head {{'head': '{head}'}}"


async def test_a_refusal_costs_the_loop_at_most_five_microseconds(
    tmp_path: Path,
) -> None:
    async with trail(tmp_path, Settings(queue_lines=20_000)) as opened:
        fields = denial()
        costs = []
        for _ in range(50):
            begin = time.perf_counter()
            for _ in range(100):
                opened.put("message_denied", fields)
            costs.append((time.perf_counter() - begin) / 100)
        # The least: others use this machine too.
        assert min(costs) < 5e-6
