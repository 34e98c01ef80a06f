"""The index finds what matching one by one finds."""

from hypothesis import given, strategies as st

from vestibule.protocol.names import parse_name
from vestibule.protocol.patterns import Pattern, parse_pattern
from vestibule.server.directory.index import JoinedIndex, PatternIndex, prefixes_of


SEGMENTS = st.sampled_from(["a", "b", "ab", "*", "**", "a*", "*b", "a*b", "*a*"])
PATTERNS = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join).map(parse_pattern)
NAMES = (
    st.lists(st.sampled_from(["a", "b", "ab", "aab", "ba"]), min_size=1, max_size=5)
    .map("/".join)
    .map(parse_name)
)


def test_prefixes_are_nearest_first() -> None:
    assert prefixes_of("a/b/c") == ("a/b", "a", "")
    assert prefixes_of("a") == ("",)


@given(st.lists(PATTERNS, max_size=8), st.lists(NAMES, min_size=1, max_size=8))
def test_a_name_is_found_under_a_pattern_that_matches(
    patterns: list[Pattern], names: list[str]
) -> None:
    index = PatternIndex((pattern, pattern) for pattern in patterns)
    for text in names:
        name = parse_name(text)
        matching = [pattern for pattern in patterns if pattern.matches(name)]
        found = index.find(name, prefixes_of(name))
        assert found in matching if matching else found is None


@given(st.lists(st.lists(PATTERNS, max_size=5), max_size=4), NAMES, PATTERNS)
def test_a_joined_index_is_all_its_parts(
    parts: list[list[Pattern]], text: str, asked: Pattern
) -> None:
    name = parse_name(text)
    indexes = [PatternIndex((one, one) for one in part) for part in parts]
    joined = JoinedIndex(indexes)
    every = [pattern for part in parts for pattern in part]
    for found, right in (
        (joined.find(name, prefixes_of(name)), [p for p in every if p.matches(name)]),
        (joined.overlapping(asked), [p for p in every if p.overlaps(asked)]),
        (joined.covering(asked), [p for p in every if p.covers(asked)]),
    ):
        assert found in right if right else found is None
    # Joining has changed none of the parts.
    for part, index in zip(parts, indexes, strict=True):
        matching = [pattern for pattern in part if pattern.matches(name)]
        assert (index.find(name, prefixes_of(name)) is None) is not bool(matching)


@given(st.lists(PATTERNS, max_size=8), PATTERNS)
def test_overlaps_and_covers_are_remembered_as_they_are(
    patterns: list[Pattern], asked: Pattern
) -> None:
    index = PatternIndex((pattern, pattern) for pattern in patterns)
    for _ in range(2):
        overlapping = index.overlapping(asked)
        assert (overlapping is None) is not any(p.overlaps(asked) for p in patterns)
        assert overlapping is None or overlapping.overlaps(asked)
        covering = index.covering(asked)
        assert (covering is None) is not any(p.covers(asked) for p in patterns)
        assert covering is None or covering.covers(asked)
