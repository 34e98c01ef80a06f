"""The worked examples of docs/permissions.md, each asked of a directory of its own."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from directories import BY, Copies, Hub, copies_of, opened


PAGE = Path(__file__).resolve().parent.parent / "docs" / "permissions.md"

EXAMPLE = re.compile(
    r"^### (?P<title>\d+\. .*?)\n.*?^```example\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
ANSWER = re.compile(
    r"(?P<verdict>allowed|denied) by (?P<by>\S+?)(?:, (?P<through>.*))?"
)


def examples() -> dict[str, dict[str, Any]]:
    """Give the examples of the page by their titles."""
    found = EXAMPLE.finditer(PAGE.read_text("utf-8"))
    return {one["title"]: yaml.safe_load(one["text"]) for one in found}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Copies:
    """Make a directory once, and copies of it for each example."""
    folder = tmp_path_factory.mktemp("examples")

    async def make() -> None:
        async with opened(folder / "data"):
            pass

    asyncio.run(make())
    return copies_of(folder / "data", folder)


@pytest.fixture
async def hub(fresh: Copies) -> AsyncIterator[Hub]:
    async with opened(fresh()) as directory:
        yield Hub(directory)


async def made(hub: Hub, example: Mapping[str, Any]) -> None:
    """Make the directory of an example."""
    for name, group in example.get("groups", {}).items():
        await hub.group(name, **group)
    if "script" in example:
        await hub.directory.update_security_store(example["script"], by=BY)
    for name, user in example.get("users", {}).items():
        facts = {"groups": user} if isinstance(user, list) else dict(user)
        await hub.user(name, *facts.pop("groups", ()), **facts)


def asked(hub: Hub, answers: Mapping[str, str]) -> None:
    """Ask, and see that the page says what is answered."""
    for question, answer in answers.items():
        username, action, path = question.split()
        said = ANSWER.fullmatch(answer)
        assert said is not None, answer
        why = hub.directory.explain(username, action, path)
        by = "nothing" if why["grant"] is None else why["grant"]["holder"]
        verdict = "allowed" if why["allowed"] else "denied"
        assert f"{verdict} by {by}" == f"{said['verdict']} by {said['by']}", question
        if said["through"] is not None:
            assert " > ".join(why["through"]) == said["through"], question


@pytest.mark.parametrize("title", examples())
async def test_a_worked_example_is_what_the_directory_answers(
    hub: Hub, title: str
) -> None:
    step: dict[str, Any] | None = examples()[title]
    assert step is not None
    await made(hub, step)
    while step is not None:
        for method, args in step.get("call", {}).items():
            await getattr(hub.directory, method)(*args, by=BY)
        asked(hub, step["answers"])
        step = step.get("then")


def test_there_are_twenty_examples_and_no_two_of_one_number() -> None:
    titles = list(examples())
    assert [int(title.partition(".")[0]) for title in titles] == list(
        range(1, len(titles) + 1)
    )
    assert len(titles) >= 20
    assert PAGE.read_text("utf-8").count("```example") == len(titles)


def test_each_example_says_yes_and_no_or_tells_of_a_refusal() -> None:
    for title, example in examples().items():
        answers = [*example["answers"].values()]
        step = example
        while "then" in step:
            step = step["then"]
            answers += step["answers"].values()
        assert any(one.startswith("denied") for one in answers), title


async def test_a_page_that_lies_is_noticed(hub: Hub) -> None:
    example = examples()["1. Silence is a no"]
    await made(hub, example)
    asked(hub, example["answers"])
    for question in example["answers"]:
        for lie in ("allowed by nothing", "denied by group:readers"):
            with pytest.raises(AssertionError):
                asked(hub, {question: lie})
