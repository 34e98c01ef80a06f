import itertools
import re
import time

import pytest
from hypothesis import given, strategies as st

from vestibule.protocol.errors import InvalidName
from vestibule.protocol.names import Name, parse_name
from vestibule.protocol.patterns import Pattern, PatternTrie, parse_pattern


SEGMENTS = ("a", "b", "ab", "aab")
NAMES = [
    parse_name("/".join(segments))
    for size in (1, 2, 3, 4)
    for segments in itertools.product(SEGMENTS, repeat=size)
]

patterns = st.lists(
    st.sampled_from(["a", "b", "ab", "*", "a*", "*b", "*a*", "a*b", "**", "**"]),
    min_size=1,
    max_size=3,
).map(lambda segments: parse_pattern("/".join(segments)))


def oracle(pattern: Pattern, name: str) -> bool:
    """Match by a regular expression, which backtracks but is another way."""
    parts = []
    for segment in pattern.text.split("/"):
        if segment == "**":
            parts.append("(?:[^/]+/)*")
        else:
            inner = "[^/]*".join(map(re.escape, segment.split("*")))
            parts.append(f"{inner}/")
    return re.fullmatch("".join(parts), name + "/") is not None


def names_of(pattern: Pattern) -> set[Name]:
    return {name for name in NAMES if oracle(pattern, name)}


@given(patterns)
def test_a_pattern_matches_what_another_way_matches(pattern: Pattern) -> None:
    assert {name for name in NAMES if pattern.matches(name)} == names_of(pattern)


@given(st.text("ab*", min_size=1, max_size=8), st.text("ab", min_size=1, max_size=8))
def test_stars_inside_a_segment_match_any_run(glob: str, segment: str) -> None:
    if "**" in glob:
        if glob == "**":
            assert parse_pattern(glob).matches(parse_name(segment))
        else:
            with pytest.raises(InvalidName):
                parse_pattern(glob)
        return
    pattern = parse_pattern(glob)
    assert pattern.matches(parse_name(segment)) is oracle(pattern, segment)


@given(patterns, patterns)
def test_patterns_overlap_where_some_name_is_of_both(
    left: Pattern, right: Pattern
) -> None:
    expected = bool(names_of(left) & names_of(right))
    assert left.overlaps(right) is expected
    assert right.overlaps(left) is expected


@given(patterns, patterns)
def test_what_is_covered_is_matched(wide: Pattern, narrow: Pattern) -> None:
    if wide.covers(narrow):
        assert names_of(narrow) <= names_of(wide)


def covers_oracle(wide: tuple[str, ...], narrow: tuple[str, ...]) -> bool:
    """Say it again by recursion: a star needs a star, `**` needs `**`."""
    if not wide:
        return not narrow
    first, rest = wide[0], wide[1:]
    if first == "**":
        return covers_oracle(rest, narrow) or (
            bool(narrow) and covers_oracle(wide, narrow[1:])
        )
    if not narrow or narrow[0] == "**":
        return False
    inner = ".*".join(map(re.escape, first.split("*")))
    return re.fullmatch(inner, narrow[0]) is not None and covers_oracle(
        rest, narrow[1:]
    )


@given(patterns, patterns)
def test_covering_is_as_it_is_defined(wide: Pattern, narrow: Pattern) -> None:
    assert wide.covers(narrow) is covers_oracle(wide.segments, narrow.segments)


@pytest.mark.parametrize(
    ("wide", "narrow", "expected"),
    [
        ("**", "**", True),
        ("**", "a/*/b", True),
        ("*", "*", True),
        ("*", "a*", True),
        ("*", "**", False),
        ("a/*", "a/b", True),
        ("a/*", "a/**", False),
        ("a/**", "a/b/**", True),
        ("a/**", "**", False),
        ("a/*/c", "a/b*/c", True),
        ("a/b*/c", "a/*/c", False),
        ("**/c", "a/**/c", True),
        ("a*", "a*b", True),
        ("a", "a", True),
        ("a", "*", False),
    ],
)
def test_covering_by_example(wide: str, narrow: str, *, expected: bool) -> None:
    assert parse_pattern(wide).covers(parse_pattern(narrow)) is expected


def test_patterns_are_canonical_and_compare_by_their_text() -> None:
    pattern = parse_pattern("/e\u0301/*/")
    assert (pattern.text, pattern.segments) == ("é/*", ("é", "*"))
    assert pattern == parse_pattern("é/*")
    assert pattern != parse_pattern("é/**")
    assert len({pattern, parse_pattern("é/*")}) == 1
    assert not pattern.literal
    assert parse_pattern("a/b").literal
    assert parse_pattern("a/b/c*/d").literal_prefix == ("a", "b")


@pytest.mark.parametrize("text", ["a**", "**a", "a/b**c", "***", "a//b", "", "a\0*"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        parse_pattern(text)


def test_q8_no_pattern_takes_more_than_linear_time() -> None:
    segment = "a" * 900
    hostile = [
        ("*a" * 400 + "b", segment),
        ("*" + "a*" * 400 + "b", segment),
        ("/".join(["**", "a"] * 15 + ["b"]), "/".join("a" * 32)),
        ("/".join(["**"] * 31 + ["b"]), "/".join("a" * 32)),
        ("/".join(["**", "*a*a*a*"] * 16), "/".join(["a" * 30] * 32)),
    ]
    for text, name in hostile:
        pattern, concrete = parse_pattern(text), parse_name(name)
        started = time.process_time()
        pattern.matches(concrete)
        pattern.covers(pattern)
        pattern.overlaps(pattern)
        assert time.process_time() - started < 0.05, text


@given(
    st.lists(st.tuples(st.booleans(), patterns, st.integers(0, 3)), max_size=30),
    st.sampled_from(NAMES),
)
def test_a_trie_finds_what_a_list_finds(
    steps: list[tuple[bool, Pattern, int]], name: Name
) -> None:
    trie: PatternTrie[int] = PatternTrie()
    filed: set[tuple[str, int]] = set()
    for adds, pattern, value in steps:
        if adds:
            trie.add(pattern, value)
            filed.add((pattern.text, value))
        else:
            trie.discard(pattern, value)
            filed.discard((pattern.text, value))
    assert len(trie) == len(filed)
    found = sorted(value for text, value in filed if parse_pattern(text).matches(name))
    assert sorted(trie.find(name)) == found
    for text, value in filed:
        trie.discard(parse_pattern(text), value)
    assert len(trie) == 0
    assert trie._root.empty()


def test_q8_a_trie_visits_a_node_once_a_segment() -> None:
    trie: PatternTrie[int] = PatternTrie()
    for size in range(1, 16):
        trie.add(parse_pattern("/".join(["**", "a"] * size)), size)
        trie.add(parse_pattern("/".join(["**", "*"] * size)), -size)
    name = parse_name("/".join("a" * 32))
    started = time.process_time()
    assert len(trie.find(name)) == 30
    assert time.process_time() - started < 0.05
