"""Patterns of property values: they mean what regular expressions mean, and are quick."""

import re
import time

import pytest
from hypothesis import assume, given, settings, strategies as st

from vestibule.protocol.property_grammar import MAX_CHARACTERS, parse
from vestibule.protocol.property_patterns import PropertyPattern, parse_property_pattern


def matches(pattern: str, value: str) -> bool:
    return parse_property_pattern(pattern).matches(value)


@pytest.mark.parametrize(
    ("pattern", "accepted", "refused"),
    [
        ("", [""], ["a"]),
        ("abc", ["abc"], ["", "ab", "abcd", "xabc", "ABC"]),
        (r"x\d+", ["x1", "x12"], ["ax12", "x12b", "x", "x\u0661"]),
        ("a|bc|", ["a", "bc", ""], ["b", "abc"]),
        ("(a|b)c", ["ac", "bc"], ["c", "abc"]),
        ("(?:ab)+", ["ab", "abab"], ["", "aba"]),
        ("a{3}", ["aaa"], ["aa", "aaaa"]),
        ("a{2,}", ["aa", "aaaaa"], ["a"]),
        ("a{1,3}", ["a", "aa", "aaa"], ["", "aaaa"]),
        ("a{0}b{0,0}", [""], ["a", "b"]),
        ("[a-c_]", ["a", "c", "_"], ["d", "", "ab"]),
        ("[^a-c]", ["d", "\n", "é"], ["a", "b"]),
        (r"[\w-]+", ["a-b_9"], ["a b", "é"]),
        (r"[\]\[\\^-]", ["]", "[", "\\", "^", "-"], ["a"]),
        ("[-a]", ["-", "a"], ["b"]),
        (r"[\D]", ["a"], ["5"]),
        (r"\W\S\s\w\D", ["-x _y"], ["axx_y"]),
        (r"[+--]", ["+", ",", "-"], ["."]),
        (".", ["a", "é", "\r"], ["\n", "", "ab"]),
        (r"\.\*\$\^\/\-", [".*$^/-"], ["a"]),
        ("^x.*$", ["x", "xyz"], ["ax"]),
        ("^$", [""], ["a"]),
        ("((a*)*)*b", ["b", "aab"], ["a"]),
        ("(a?b?){3}c", ["c", "abbac", "ababababc"[2:]], ["ababababc"]),
        ("()*a", ["a"], [""]),
    ],
)
def test_s56_a_pattern_is_about_the_whole_value(
    pattern: str, accepted: list[str], refused: list[str]
) -> None:
    assert [value for value in accepted if not matches(pattern, value)] == []
    assert [value for value in refused if matches(pattern, value)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        *[
            "(",
            ")",
            "(a",
            "a)",
            "[",
            "[a",
            "[]",
            "[^]",
            "]",
            "{",
            "}",
            "a{",
            "a{}",
            "a{1",
        ],
        *["a{,2}", "a{2,1}", "a{256}", "a{1,256}", "a{0001}", "a{ 1}", "a{x}", "a{-1}"],
        *["*", "+a", "?", "{2}", "|*", "(*a)", "a**", "a+?", "a*+", "a??", "a{2}{3}"],
        *["a^", "$a", "a$b", "(^a)", "(a$)", "^*", "$*", "^^"],
        *[r"\1", r"\b", r"\A", r"\n", r"\x41", r"\p{L}", r"\ ", "\\"],
        *["(?=a)", "(?!a)", "(?<=a)", "(?P<n>a)", "(?i)a", "(?i:a)", "(?>a)", "(?"],
        *["[z-a]", r"[a-\d]", "[[a]", "[a[b]]", r"[\q]", "[a\\", "a{\u0661}"],
        "a" * 257,
    ],
)
def test_what_is_no_pattern_is_refused_with_a_reason(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_property_pattern(pattern)


@pytest.mark.parametrize(
    ("just", "above"),
    [
        ("(a{100}){20}", "(a{100}){21}"),
        ("(a{200}){10}", "(a{200}){10}b"),
        ("(){255}", "((){255}){255}"),
        ("(a{250}){7,}", "(a{250}){8,}"),
    ],
)
def test_what_is_too_large_written_out_is_refused(just: str, above: str) -> None:
    parse_property_pattern(just)
    with pytest.raises(ValueError, match="2000 states"):
        parse_property_pattern(above)


def test_patterns_are_as_long_as_they_may_be_and_as_deep() -> None:
    assert matches("(" * 85 + "a" + ")*" * 85, "aaa")
    assert matches("a" * 256, "a" * 256)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("(a+)+b", "a" * 4000),
        ("(a|a)*b", "a" * 4096),
        ("(a|b)*a(a|b){200}", "ab" * 2048),
        ("(.{0,40}){49}x", "ab" * 2048),
        ("((a?){40}){49}", "a" * 4096),
        ("(x?y?){255}z", "xy" * 255),
    ],
)
def test_s57_no_pattern_is_slow(pattern: str, value: str) -> None:
    compiled = parse_property_pattern(pattern)
    began = time.process_time()
    compiled.matches(value)
    # Backtracking would take longer than anybody waits; this takes a blink.
    assert time.process_time() - began < 2


def test_long_use_forgets_what_it_has_learnt_and_stays_right() -> None:
    pattern = parse_property_pattern("[^x]{1,40}")
    for number in range(0x400, 0x400 + 5_000):
        assert pattern.matches(chr(number) * 2)
    assert not pattern.matches("x")
    assert len(pattern._steps) <= 4_096
    assert len(pattern._masks) <= 1_024


def test_patterns_compare_by_their_text() -> None:
    one = parse_property_pattern("a+")
    assert one == PropertyPattern("a+", parse("a+"))
    assert one != parse_property_pattern("a*")
    assert len({one, parse_property_pattern("a+")}) == 1
    assert repr(one) == "PropertyPattern('a+')"


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", "1", "(?:)"])
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda p: f"(?:{'|'.join(p)})"),
        st.tuples(
            inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}", "{0}"])
        ).map(lambda p: f"(?:{p[0]}){p[1]}"),
    ),
    max_leaves=6,
)


@settings(max_examples=150)
@given(EXPRESSIONS, st.lists(st.text("ab1-", max_size=6), max_size=8))
def test_a_pattern_means_what_a_regular_expression_means(
    pattern: str, values: list[str]
) -> None:
    assume(len(pattern) <= MAX_CHARACTERS)
    ours = parse_property_pattern(pattern)
    theirs = re.compile(pattern, re.ASCII)
    for value in values:
        assert ours.matches(value) is (theirs.fullmatch(value) is not None)
