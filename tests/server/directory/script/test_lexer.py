"""Tokens of a line, and where they begin."""

import pytest
from hypothesis import given, strategies as st

from vestibule.protocol.quoting import quoted, speakable
from vestibule.server.directory.script.lexer import Kind, lines_of, tokens_of
from vestibule.server.directory.script.reports import Fault


W, T, OPEN, CLOSE, COMMA = Kind.WORD, Kind.STRING, Kind.OPEN, Kind.CLOSE, Kind.COMMA


def shape(line: str) -> list[tuple[Kind, str, int, int]]:
    return [(t.kind, t.text, t.column, t.end) for t in tokens_of(line).tokens]


def test_tokens_need_no_space_beside_brackets_commas_and_comments() -> None:
    assert shape("set\t'A'  x[READ_TOPIC,'b'] ;'") == [
        (W, "set", 1, 4),
        (T, "A", 5, 8),
        (W, "x", 10, 11),
        (OPEN, "[", 11, 12),
        (W, "READ_TOPIC", 12, 22),
        (COMMA, ",", 22, 23),
        (T, "b", 23, 26),
        (CLOSE, "]", 26, 27),
    ]
    assert tokens_of("set\t'A'  x[READ_TOPIC,'b'] ;'").comment == 28
    assert shape("  ") == shape("") == shape(";x") == []


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("'a;b'", "a;b"),
        (r"'it\'s'", "it's"),
        (r'"it\'s"', "it's"),
        (r"'say \"x\"'", 'say "x"'),
        (r"'x\\d'", r"x\d"),
        (r"'\\'", "\\"),
        ("''", ""),
        ('"\'"', "'"),
    ],
)
def test_what_a_string_stands_for(written: str, text: str) -> None:
    assert shape(written) == [(T, text, 1, len(written) + 1)]


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("'abc", 1, "no end"),
        ("x 'abc", 3, "no end"),
        (r"'abc\'", 1, "no end"),
        ("'abc\\", 1, "no end"),
        (r"'a\b'", 1, "backslash"),
        (r"'a\n'", 1, "backslash"),
        (r"'ok\\' 'a\x", 8, "backslash"),
        ("'a\tb'", 1, "control character"),
        ("'a\x7fb'", 1, "control character"),
        ("'a\x85b'", 1, "control character"),
        ("x #", 3, "U+0023"),
        ("x\r", 2, "U+000D"),
        ("x 5", 3, "U+0035"),
        ("é", 1, "U+00E9"),
        ("x\u00a0y", 2, "U+00A0"),
        ("'a''b'", 4, "space"),
        ("'a'b", 4, "space"),
        ("a'b'", 2, "space"),
    ],
)
def test_what_is_no_token_is_told_where_it_begins(
    line: str, column: int, message: str
) -> None:
    fault = tokens_of(line).fault
    assert fault is not None
    assert fault.column == column
    assert message in fault.message


def test_lines_end_with_lf_or_cr_lf_alone() -> None:
    assert list(lines_of("a\nb\r\n\nc\rd\u2028\r")) == ["a", "b", "", "c\rd\u2028\r"]
    assert list(lines_of("")) == [""]


def test_a_token_does_not_show_what_may_be_a_password() -> None:
    (token,) = tokens_of("'geheim'").tokens
    assert "geheim" not in repr(token)


@given(st.text())
def test_any_line_is_read_without_raising(text: str) -> None:
    for line in lines_of(text):
        read = tokens_of(line)
        for token in read.tokens:
            written = line[token.column - 1 : token.end - 1]
            assert written
            assert token.text == written or token.kind is T
        assert read.fault is None or isinstance(read.fault, Fault)


@given(st.text().filter(speakable), st.sampled_from([" ", "\t", "[", ","]))
def test_what_is_quoted_is_read_back(text: str, after: str) -> None:
    first = tokens_of(quoted(text) + after).tokens[0]
    assert (first.kind, first.text) == (T, text)
