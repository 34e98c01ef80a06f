from pathlib import Path

import pytest

from trails import chain, denial
from vestibule.server.trail import Head, Line, TrailDamaged
from vestibule.server.trail.exporting import line_text, verify_export


LINES = chain(
    ("script_applied", {"user": "é\n", "script": 'x "y"\u2028'}),
    ("message_denied", denial()),
    ("session_ended", {}),
)


def exported(folder: Path, lines: list[Line]) -> Path:
    path = folder / "lines.jsonl"
    path.write_text("".join(map(line_text, lines)), "utf-8")
    return path


def test_exported_lines_are_checked_like_those_of_the_trail(tmp_path: Path) -> None:
    path = exported(tmp_path, LINES)
    report = verify_export(path, [Head(2, LINES[1].hash)])
    assert (report.faults, report.lines) == ([], 3)
    assert len(path.read_text("utf-8").split("\n")) == 4


def test_a_part_of_them_is_checked_by_itself(tmp_path: Path) -> None:
    assert verify_export(exported(tmp_path, LINES[1:]), []).faults == []


def test_nothing_is_nothing_wrong_but_for_a_head(tmp_path: Path) -> None:
    path = exported(tmp_path, [])
    assert verify_export(path, []).faults == []
    assert verify_export(path, [Head(2, LINES[1].hash)]).faults != []


def test_an_edited_export_is_detected(tmp_path: Path) -> None:
    path = exported(tmp_path, LINES)
    path.write_text(path.read_text("utf-8").replace("lisa", "bob"), "utf-8")
    assert [fault.seq for fault in verify_export(path, []).faults] == [2]


@pytest.mark.parametrize("text", ["x\n", "{}\n", '{"seq": 1}\n', "[1]\n"])
def test_what_is_no_line_is_named_by_its_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text(line_text(LINES[0]) + text, "utf-8")
    with pytest.raises(TrailDamaged, match=r"lines\.jsonl:2: is no exported line"):
        verify_export(path, [])


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrailDamaged, match="cannot be read"):
        verify_export(tmp_path / "absent", [])
