import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from trails import chain, denial
from vestibule.server.trail import (
    DATABASE,
    Database,
    Head,
    Line,
    TrailDamaged,
    TrailError,
    parse_query,
)
from vestibule.server.trail.database import create


LINES = chain(
    ("login_accepted", {"user": "lisa"}),
    ("message_denied", denial("a/b")),
    ("message_denied", denial("a/bc", user="bob")),
    ("message_denied", denial("a[b]?")),
    ("session_ended", {"user": "lisa", "session_id": "5e55"}),
)


def never() -> bool:
    return False


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / DATABASE
    create(path, LINES)
    return path


def test_lines_come_back_as_they_were_written(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    with closing(Database.open(path)) as database:
        assert list(database.lines()) == LINES
        assert list(database.lines(4)) == LINES[3:]
        assert database.tail() == Head(5, LINES[4].hash)
        assert database.head_at(2) == Head(2, LINES[1].hash)
        assert database.head_at(6) is None
        assert database.first() == (1, 1_000)
        assert database.young(1_002) == 4
        assert database.young(9_999) is None
        assert database.problems() == []


QUESTIONS = [
    ({}, [5, 4, 3, 2, 1]),
    ({"username": "lisa"}, [5, 4, 2, 1]),
    ({"username": "lisa", "kind": "message_denied"}, [4, 2]),
    ({"verdict": "denied"}, [4, 3, 2]),
    ({"action": "event.publish", "before_seq": 4}, [3, 2]),
    ({"action": "login"}, [1]),
    ({"session_id": "5e55"}, [5, 4, 3, 2]),
    ({"path": "a/b"}, [2]),
    ({"path": "a/b*"}, [3, 2]),
    ({"path": "a[b]?"}, [4]),
    ({"path": "a?b"}, []),
    ({"path": "[a]/b"}, []),
    ({"since": "1970-01-01T00:00:01.003Z"}, [5, 4]),
    ({"until": "1970-01-01T00:00:01.002Z"}, [2, 1]),
    ({"username": "' OR 1=1 --"}, []),
]


@pytest.mark.parametrize(("asked", "numbers"), QUESTIONS)
def test_a_question_is_answered_by_the_lines_that_fit_latest_first(
    path: Path, asked: dict[str, object], numbers: list[int]
) -> None:
    with closing(Database.open(path)) as database:
        found = database.select(parse_query(**asked), expired=never)
    assert [line.seq for line in found] == numbers


def test_one_line_more_than_asked_tells_that_there_are_more(path: Path) -> None:
    with closing(Database.open(path)) as database:
        found = database.select(parse_query(limit=2), expired=never)
    assert [line.seq for line in found] == [5, 4, 3]


def test_a_question_that_takes_too_long_is_interrupted(tmp_path: Path) -> None:
    create(tmp_path / DATABASE, chain(count=3_000))
    with closing(Database.open(tmp_path / DATABASE)) as database:
        with pytest.raises(TrailError, match="interrupted"):
            database.select(parse_query(path="*x*y*z*"), expired=lambda: True)
        assert database.tail().seq == 3_000


def test_a_line_cannot_be_edited_by_mistake(path: Path) -> None:
    with (
        closing(sqlite3.connect(path)) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute("UPDATE lines SET user = 'bob'")


def test_a_transaction_is_whole_or_not_at_all(path: Path) -> None:
    more = LINES[0]._replace(seq=6)

    def write(*lines: Line, then: Exception | None = None) -> None:
        with database.transaction():
            for line in lines:
                database.append([line])
            if then is not None:
                raise then

    with closing(Database.open(path, write=True)) as database:
        with pytest.raises(TrailError):
            write(more, LINES[0])
        with pytest.raises(KeyError):
            write(more, then=KeyError())
        assert database.tail().seq == 5
        with database.transaction():
            database.append([more])
            database.cut(2)
        assert [line.seq for line in database.lines()] == [3, 4, 5, 6]


def test_a_copy_is_made_while_somebody_writes(path: Path) -> None:
    copy = path.with_name("copy.db")
    with (
        closing(Database.open(path, write=True)) as writer,
        closing(Database.open(path)) as reader,
        writer.transaction(),
    ):
        writer.append([LINES[0]._replace(seq=6)])
        reader.backup(copy)
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(Database.open(copy)) as database:
        assert list(database.lines()) == LINES


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be used"),
        (b"", "is no audit trail"),
        (b"x" * 5_000, "cannot be used"),
    ],
)
def test_what_is_no_trail_is_refused_and_named(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = tmp_path / DATABASE
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    for write in (False, True):
        with pytest.raises(TrailDamaged, match=rf"audit\.db: {told}"):
            Database.open(path, write=write)


@pytest.mark.skipif(os.name != "posix", reason="modes are posix")
def test_a_layout_that_is_no_text_is_refused(path: Path) -> None:
    # SQLite's own message quotes it, and is no text then either.
    path.write_bytes(path.read_bytes().replace(b"CREATE TABLE", b"CREATE \xc2ABLE"))
    with pytest.raises(TrailDamaged, match="cannot be used"):
        Database.open(path, write=True)
    with closing(Database.open(path)) as database, pytest.raises(TrailError):
        database.tail()


def test_a_trail_that_others_may_read_is_refused(path: Path) -> None:
    path.chmod(0o644)
    with pytest.raises(TrailDamaged, match=r"others may use it \(mode 0644\)"):
        Database.open(path)
