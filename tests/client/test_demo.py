from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from vestibule import client
from vestibule.client import demo


def test_the_story_goes_as_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.play() == 0
    told = capsys.readouterr().out
    assert told.endswith("Every step went as told.\n")
    for step in (
        "INVALID_AUTH_MSG",
        "INVALID_AUTH_DATA",
        "bob heard news/sport",
        "MESSAGE_DENIED",
        "plans/secret: denied",
        "lisa got 3",
        "suspended",
        "gaps is 1",
        "status 0",
    ):
        assert step in told


@pytest.mark.parametrize(
    "problem",
    [
        demo.StoryFailed("bob heard nothing"),
        client.LoginRefused("INVALID_AUTH_DATA"),
        ConnectionRefusedError(),
        TimeoutError(),
    ],
)
def test_a_step_that_goes_otherwise_ends_the_story_with_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    problem: Exception | None,
) -> None:
    @asynccontextmanager
    async def broker(_folder: str) -> AsyncIterator[dict[str, str]]:
        if problem is not None:
            raise problem
        yield {}

    monkeypatch.setattr(demo, "_broker", broker)
    assert demo.play() == 1
    assert "not as told" in capsys.readouterr().out


def test_a_broker_that_does_not_start_ends_the_story(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.executable", "false")
    assert demo.play() == 1
    assert "the broker did not start" in capsys.readouterr().out
