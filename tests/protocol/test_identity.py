import pytest

from vestibule.protocol.crypto import IdentityKey
from vestibule.protocol.identity import identity_text, parse_identity


def test_keys_come_back_in_their_order() -> None:
    keys = [IdentityKey.generate() for _ in range(4)]
    text = identity_text(keys)
    assert [key.public for key in parse_identity(text)] == [k.public for k in keys]


def test_comments_and_blank_lines_are_passed_over() -> None:
    key = IdentityKey.generate()
    text = f"# a comment\n\n  {key.secret_text()}  \r\n#\n"
    assert [other.public for other in parse_identity(text)] == [key.public]


GOOD = IdentityKey.generate().secret_text()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no key"),
        ("# nothing\n", "no key"),
        (f"{GOOD}\nvss1_short\n", "line 2"),
        (f"{GOOD} comment\n", "line 1"),
        (f"{GOOD}\n\n{GOOD}\n", "line 3: the same key"),
        (f"\n{IdentityKey.generate().text}\n", "line 2"),
        (f"{GOOD}=\n", "line 1"),
        ("".join(IdentityKey.generate().secret_text() + "\n" for _ in range(5)), "4"),
    ],
    ids=range(8),
)
def test_a_bad_file_is_refused_by_line_and_never_quoted(
    text: str, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem) as refusal:
        parse_identity(text)
    shown = repr(refusal.value)
    assert all(line[5:] not in shown for line in text.split() if len(line) > 10)
