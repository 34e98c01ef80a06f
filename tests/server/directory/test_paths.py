"""Paths of permission objects: the table of wildcards, and templates."""

from typing import Any

import pytest

from vestibule.protocol.actions import Section
from vestibule.protocol.names import parse_name
from vestibule.server.directory.paths import Template, compiled, stored_path


@pytest.mark.parametrize(
    ("written", "pattern", "matching", "other"),
    [
        ("*", "**", "a a/b", ""),
        ("x/*", "x/*/**", "x/a x/a/b/c", "x xa/b"),
        ("x/b*", "x/b*/**", "x/b x/bob x/bob/y", "x/a x"),
        ("b*", "b*/**", "b bob bob/y", "a a/b"),
        ("x/*/y", "x/*/**/y", "x/1/y x/1/2/y", "x/y x/1/z"),
        ("*/x/y", "*/x/y", "a/x/y", "a/b/x/y x/y"),
        ("*/*", "*/*/**", "a/b a/b/c", "a"),
        ("a*b", "a*b", "ab axb", "ab/c"),
        ("a*b/c", "a*b/c", "axb/c", "axb/d"),
        ("a*/c", "a*/c", "ax/c", "ax/b/c"),
        ("**", "**", "a a/b", ""),
        ("x/**", "x/**", "x x/a x/a/b", "y"),
        ("x/**/y", "x/**/y", "x/y x/1/2/y", "x"),
        ("x/y", "x/y", "x/y", "x/y/z x X/y"),
    ],
)
def test_how_a_star_crosses_slashes(
    written: str, pattern: str, matching: str, other: str
) -> None:
    made = compiled(stored_path(written, Section.EVENTS, "hub"), deep=True)
    assert made.text == pattern
    assert [
        name for name in matching.split() if not made.matches(parse_name(name))
    ] == []
    assert [name for name in other.split() if made.matches(parse_name(name))] == []
    assert compiled(written, deep=False).text == written


def test_a_path_at_the_limit_can_still_end_with_a_star() -> None:
    path = "/".join(["a"] * 31 + ["*"])
    made = compiled(stored_path(path, Section.EVENTS, "hub"), deep=True)
    assert made.matches(parse_name(path.replace("*", "b")))


def fill(path: str, **values: Any) -> tuple[list[str], list[str]]:
    problems: list[str] = []
    template = Template(path, deep=True)
    return [one.text for one in template.fill(values, problems.append)], problems


def data(**values: Any) -> dict[str, Any]:
    return {"application_data": values}


def test_what_a_template_stands_for() -> None:
    assert fill("u/{username}/*", username="lisa") == (["u/lisa/*/**"], [])
    assert fill("n{application_data.a.b}", **data(a={"b": 5})) == (["n5"], [])
    both = data(a=["1", "2"], b=["x", "y"])
    assert fill("{application_data.a}/{application_data.b}", **both) == (
        ["1/x", "1/y", "2/x", "2/y"],
        [],
    )
    assert fill("{application_data.a}/{application_data.a}", **both) == (
        ["1/1", "2/2"],
        [],
    )


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        True,
        1.5,
        {},
        [],
        "a/b",
        "*",
        "a*",
        "{x}",
        "a}",
        "a\nb",
        "\0",
        "\u202e",
        "\u200d",
        "\ud800",
        ".",
        "..",
        "x" * 2000,
        [["a"]],
    ],
)
def test_p5_values_that_make_an_entry_void(value: Any) -> None:
    filled, problems = fill("t/{application_data.x}", **data(x=value))
    assert filled == []
    assert len(problems) == 1


def test_a_list_loses_only_what_cannot_be_used() -> None:
    filled, problems = fill("t/{application_data.x}", **data(x=["a", "b/c", 7]))
    assert filled == ["t/a", "t/7"]
    assert len(problems) == 1


def test_a_missing_value_and_too_many_paths_are_void() -> None:
    assert fill("t/{application_data.x.y}", **data(x="text"))[0] == []
    assert fill("t/{user_id}")[0] == []
    some = data(x=[str(number) for number in range(256)])
    assert len(fill("t/{application_data.x}", **some)[0]) == 256
    many = data(x=[str(number) for number in range(257)])
    filled, problems = fill("t/{application_data.x}", **many)
    assert filled == []
    assert len(problems) == 1


def test_no_attribute_is_reached() -> None:
    assert fill("t/{application_data.__class__.__name__}", **data(x=1))[0] == []
    assert fill("t/{application_data.__class__}", **data(__class__="a"))[0] == ["t/a"]
