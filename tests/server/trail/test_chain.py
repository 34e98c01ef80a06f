from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from trails import chain, denial
from vestibule.server.trail import Head, Line, Report
from vestibule.server.trail.chain import check
from vestibule.server.trail.lines import chained, digest, drafts


LINES = chain(count=12)
HEAD = Head(LINES[-1].seq, LINES[-1].hash)


def places(report: Report) -> list[int]:
    return [fault.seq for fault in report.faults]


def test_a_whole_chain_has_no_fault() -> None:
    report = check(LINES, heads=[HEAD])
    assert report.faults == []
    assert (report.lines, report.first, report.head) == (12, 1, HEAD)


def test_an_empty_chain_has_none_either_but_misses_a_head() -> None:
    assert check([]).faults == []
    (fault,) = check([], heads=[HEAD]).faults
    assert str(fault) == "line 1: is missing, with those up to 12: the end was cut off"


EDITS: dict[str, Callable[[Line], Any]] = {
    "seq": lambda line: line.seq + 100,
    "time": lambda line: line.time + 1,
    "kind": lambda line: "login_accepted",
    "user": lambda line: "bob",
    "session": lambda line: "",
    "action": lambda line: "event.subscribe",
    "path": lambda line: "news",
    "verdict": lambda line: "allowed",
    "fields": lambda line: "{}",
    "previous": lambda line: bytes(32),
    "hash": lambda line: bytes(32),
}


@given(
    place=st.integers(0, len(LINES) - 1),
    column=st.sampled_from(sorted(EDITS)),
    resealed=st.booleans(),
)
def test_any_edited_line_is_detected_and_named(
    place: int, column: str, *, resealed: bool
) -> None:
    lines = list(LINES)
    line = lines[place]
    lines[place] = line._replace(**{column: EDITS[column](line)})
    if lines[place] == line:
        return
    if resealed and column not in {"hash", "seq"}:
        # Whoever edits it may compute its hash again; the next one then differs.
        lines[place] = lines[place]._replace(hash=digest(lines[place]))
    report = check(lines, heads=[HEAD])
    near = {line.seq - 1, line.seq, line.seq + 1, line.seq + 100}
    assert report.faults
    assert set(places(report)) & near


@given(first=st.integers(0, 11), count=st.integers(1, 12))
def test_any_removed_run_of_lines_is_detected_and_named(first: int, count: int) -> None:
    left = LINES[:first] + LINES[first + count :]
    report = check(left, heads=[HEAD])
    assert places(report)[0] == first + 1
    if first + count < len(LINES):
        assert check(left).faults, "inside or at the beginning, without any head"


@given(st.permutations(LINES))
def test_any_other_order_is_detected(lines: list[Line]) -> None:
    faulty = bool(check(lines, heads=[HEAD]).faults)
    assert faulty is (lines != LINES)


@given(place=st.integers(0, 12), resealed=st.booleans())
def test_any_line_that_was_put_in_is_detected(place: int, *, resealed: bool) -> None:
    (draft,) = drafts(5, "message_denied", denial("put/in"))
    before = LINES[place - 1].hash if place else bytes(32)
    extra = chained(draft, place + 1, before)
    lines = [*LINES[:place], extra, *LINES[place:]]
    if resealed:
        lines = [
            line if number < place else line._replace(seq=number + 1)
            for number, line in enumerate(lines)
        ]
        lines = [line._replace(hash=digest(line)) for line in lines]
    added_at_the_end = place == len(LINES)
    assert bool(check(lines, heads=[HEAD]).faults) is not added_at_the_end


def test_a_chain_that_was_made_anew_is_found_by_a_head_alone() -> None:
    forged = chain(*(("message_denied", denial(f"m/{i}")) for i in range(12)))
    assert check(forged).faults == []
    (fault,) = check(forged, heads=[HEAD]).faults
    assert str(fault) == "line 12: is another line than the head says"


def test_an_end_that_was_cut_off_is_found_by_a_head_alone() -> None:
    assert check(LINES[:7]).faults == []
    (fault,) = check(LINES[:7], heads=[HEAD]).faults
    assert str(fault) == "line 8: is missing, with those up to 12: the end was cut off"


def test_lines_behind_the_head_are_no_fault() -> None:
    assert check(LINES, heads=[Head(3, LINES[2].hash)]).faults == []


def retained(last: int = 5, **said: Any) -> list[Line]:
    """Give a chain of which retention took the beginning."""
    told = {"last": last, "last_hash": LINES[last - 1].hash.hex(), **said}
    (draft,) = drafts(99, "lines_cut", told)
    cut = chained(draft, 13, LINES[-1].hash)
    return [*LINES[last:], cut]


def test_what_retention_took_is_not_missed() -> None:
    report = check(retained(), heads=[HEAD, Head(3, LINES[2].hash)])
    assert report.faults == []
    assert (report.first, report.cut) == (6, 5)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (retained()[1:], "line 6: is missing"),
        (retained()[:-1], "line 1: is missing, with those up to 5"),
        ([LINES[4], *retained()], "line 5: was cut, with those up to 5, and is here"),
        (retained(last_hash="00" * 32), "line 6: does not follow the last line"),
        (retained(last=6, last_hash="x"), "line 1: is missing, with those up to 6"),
    ],
    ids=["one more", "untold", "put back", "another", "garbled"],
)
def test_what_retention_did_not_take_is_missed(lines: list[Line], told: str) -> None:
    assert str(check(lines).faults[0]).startswith(told)


@pytest.mark.parametrize(
    "fields",
    ['{"last": Infinity, "last_hash": "00"}', "[" * 100_000, "[]", "no JSON"],
    ids=["no number", "deep", "no mapping", "no JSON"],
)
def test_a_line_of_retention_that_cannot_be_read_takes_nothing(fields: str) -> None:
    (draft,) = drafts(99, "lines_cut", {})
    cut = chained(draft._replace(fields=fields), 13, LINES[-1].hash)
    report = check([*LINES, cut])
    assert (report.cut, report.faults) == (0, [])


def test_a_part_does_not_miss_what_is_before_it() -> None:
    assert check(LINES[4:], heads=[HEAD], part=True).faults == []


def test_of_very_many_faults_the_first_hundred_are_named() -> None:
    lines = [line._replace(user="bob") for line in chain(count=250)]
    report = check(lines)
    assert len(report.faults) == 100
    assert report.more == 150


def test_two_heads_of_one_number_are_both_looked_for() -> None:
    lines = chain(count=3)
    good, bad = Head(2, lines[1].hash), Head(2, bytes(32))
    assert check(lines, heads=[good, good]).faults == []
    for heads in ([good, bad], [bad, good]):
        (fault,) = check(lines, heads=heads).faults
        assert (fault.seq, fault.problem) == (2, "is another line than the head says")
