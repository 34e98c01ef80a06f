import pytest
from hypothesis import given, strategies as st

from vestibule.protocol.quoting import quoted, speakable, unquoted


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", "''"),
        ("a", "'a'"),
        ("it's", "'it\\'s'"),
        ('a"\\', "'a\"\\\\'"),
        ("é;", "'é;'"),
    ],
)
def test_text_is_written_in_single_quotes(text: str, written: str) -> None:
    assert quoted(text) == written


@pytest.mark.parametrize("text", ["a\nb", "\0", "\x7f", "\x85", "é\t", "\ud800"])
def test_what_no_script_can_hold_is_not_written(text: str) -> None:
    assert not speakable(text)
    with pytest.raises(ValueError, match="control character"):
        quoted(text)


@given(st.text().filter(speakable), st.text())
def test_what_is_written_is_read_and_no_more(text: str, rest: str) -> None:
    written = quoted(text)
    assert unquoted(written + rest, 0) == (text, len(written))


@pytest.mark.parametrize("text", ["", "a", "'", "'a", "'a\\", "'\\x'"])
def test_what_is_no_quoted_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"quot|backslash"):
        unquoted(text, 0)
