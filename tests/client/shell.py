"""A command line in front of a session that answers what a test puts in."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from typer.testing import CliRunner, Result

from vestibule.client import cli_app


@dataclass
class FakeSubscription:
    """Yields what it was given, once."""

    events: list[Any]
    refused: dict[str, Exception] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_problem: object) -> None:
        return None

    async def __aiter__(self) -> AsyncIterator[Any]:
        for event in self.events:
            yield event


@dataclass
class FakeEvent:
    name: str
    data: Any


class FakeSession:
    """Answers every call with what the test put in, and notes what was asked."""

    username = "lisa"
    session_id = "5e55"
    insecure = ("lockout_off",)

    def __init__(self) -> None:
        self.answer: Any = None
        self.asked: list[tuple[Any, ...]] = []
        self.subscription = FakeSubscription([])
        self.events = self
        self.rpc = self
        self.exchange = self
        self.security = self

    def _note(self, *asked: Any) -> Any:
        self.asked.append(asked)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def publish(self, name: str, data: Any) -> None:
        self._note("publish", name, data)

    async def call(self, name: str, data: Any, **options: Any) -> Any:
        return self._note("call", name, data, options["timeout"])

    def subscribe(self, *patterns: str) -> FakeSubscription:
        self._note("subscribe", *patterns)
        return self.subscription

    def __getattr__(self, method: str) -> Callable[..., Any]:
        async def ask(*arguments: Any, **options: Any) -> Any:
            return self._note(method, *arguments, *([options] if options else []))

        return ask


@dataclass
class Opened:
    """How the command opened its session."""

    url: str
    credentials: dict[str, Any]
    options: dict[str, Any]


@dataclass
class Shell:
    """Runs commands against a fake session."""

    session: FakeSession
    opened: list[Opened]

    def __call__(self, *arguments: str, typed: str = "", **variables: str) -> Result:
        environment = {"COLUMNS": "200", "NO_COLOR": "1", **variables}
        return CliRunner().invoke(
            cli_app.app, list(arguments), input=typed, env=environment
        )
