import copy
import unicodedata

import pytest
from hypothesis import assume, given, strategies as st

from vestibule.protocol.errors import ErrorCode, InvalidName
from vestibule.protocol.names import (
    MAX_NAME_BYTES,
    MAX_SEGMENTS,
    Name,
    canonical_text,
    parse_name,
)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("a/b", "a/b"),
        ("/a/b/", "a/b"),
        ("/a", "a"),
        ("a/", "a"),
        ("a", "a"),
        ("e\u0301", "é"),
        ("é", "é"),
        ("A/b", "A/b"),
        ("a b", "a b"),
        ("...", "..."),
        (".a/b.", ".a/b."),
        ("#/+/%2f/?/>/$/%2e%2e", "#/+/%2f/?/>/$/%2e%2e"),
        ("__proto__/constructor", "__proto__/constructor"),
        ("ﬀ", "ﬀ"),
        ("日本/語", "日本/語"),
        ("x" * 1024, "x" * 1024),
        ("/" + "x" * 1024 + "/", "x" * 1024),
        ("/".join("s" * 32), "/".join("s" * 32)),
    ],
)
def test_p6_a_name_has_one_canonical_form(text: str, canonical: str) -> None:
    name = parse_name(text)
    assert (name, name.text) == (canonical, canonical)
    assert type(name.text) is str
    assert name.segments == tuple(canonical.split("/"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "//",
        "///",
        "//a",
        "a//",
        "a//b",
        "a/./b",
        "a/../b",
        ".",
        "..",
        "/./",
        "a\0",
        "a\x07b",
        "a\nb",
        "a\x7f",
        "a\x85b",
        "a\u200bb",
        "a\u202eb",
        "\ufeffa",
        "a\xadb",
        "\ud800",
        "a\udfff",
        "x" * 1025,
        "é" * 513,
        "x" * 5000,
        "e\u0301" * 5000,
        "/".join("s" * 33),
        "a/*",
        "*",
        "**",
        "a*b",
    ],
)
def test_p6_what_has_no_canonical_form_is_refused(text: str) -> None:
    with pytest.raises(InvalidName) as refusal:
        parse_name(text)
    assert refusal.value.code is ErrorCode.INVALID_PATH
    assert len(str(refusal.value)) < 100


@given(st.text(st.characters(), max_size=60))
def test_a_canonical_form_is_its_own(text: str) -> None:
    try:
        name = canonical_text(text)
    except InvalidName:
        return
    assert canonical_text(name) == name
    assert canonical_text(f"/{name}/") == name
    assert unicodedata.is_normalized("NFC", name)
    assert 0 < len(name.encode()) <= MAX_NAME_BYTES
    segments = name.split("/")
    assert len(segments) <= MAX_SEGMENTS
    assert not {"", ".", ".."} & set(segments)
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in name)


@given(st.text("ab/.é\u0301", max_size=12))
def test_spellings_of_one_name_are_equal(text: str) -> None:
    try:
        name = parse_name(text)
    except InvalidName:
        assume(condition=False)
        raise
    other = parse_name(unicodedata.normalize("NFD", text))
    assert name == other
    assert hash(name) == hash(other) == hash(name.text)


def test_a_name_is_copied_as_itself() -> None:
    name = parse_name("a/b")
    assert copy.deepcopy(name) is name
    assert isinstance(name, Name)
    found: dict[str, int] = {name: 1}
    assert found["a/b"] == 1
