"""Scripts applied to the directory: read, hashed, judged, committed as one.

A script is one transaction: it is applied whole to the result of the one before, or
not at all (docs/stores.md, "Applying one").
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn, TypeAlias

import structlog

from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory.arguments import parse_text
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.engine import Engine
from vestibule.server.directory.errors import DirectoryError, invalid_argument
from vestibule.server.directory.passwords import Passwords
from vestibule.server.directory.protection import Shutout
from vestibule.server.directory.script import (
    Answers,
    Parsed,
    Report,
    Surroundings,
    View,
    apply_in_turns,
    parse,
)
from vestibule.server.directory.views import version_of


__all__ = ["ScriptListener", "ScriptRun", "Scripts"]

_SIDE_BY_SIDE: Final = 2
"""Passwords of one script that are hashed at a time: logins want threads too."""

_LONG: Final = 16 * 1024
"""Characters above which a script is read in a thread: others have their turn."""

log = structlog.get_logger("vestibule.directory")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRun:
    """What became of a script."""

    view: View
    by: str
    session_id: str | None
    script: str = field(repr=False)
    """With every password shown as `'***'`; empty where it was too large."""
    outcome: str
    """`applied`, `unchanged`, or the code of the refusal."""
    epoch: int | None
    """That it made, if it changed something."""

    @property
    def accepted(self) -> bool:
        """Whether it was not refused."""
        return self.outcome in ("applied", "unchanged")


ScriptListener: TypeAlias = Callable[[ScriptRun], Awaitable[None]]


class _UnansweredError(Exception):
    """A password was set meanwhile that has to be compared first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Script:
    view: View
    parsed: Parsed
    expected_version: int | None
    by: str
    session_id: str | None


class Scripts:
    """Applies scripts of both views."""

    def __init__(self, engine: Engine, passwords: Passwords) -> None:
        self._engine: Final = engine
        self._passwords: Final = passwords
        self._listeners: list[ScriptListener] = []

    def on_script(self, listener: ScriptListener) -> None:
        """Have a listener awaited for each script, refused ones too."""
        self._listeners.append(listener)

    async def update(
        self,
        view: View,
        script: object,
        *,
        expected_version: object,
        by: str,
        session_id: str | None,
    ) -> int:
        """Apply a script and give the version of its view afterwards.

        It goes on when the caller is cancelled.

        Raises:
            DirectoryError: INVALID_ARGUMENT, SCRIPT_TOO_LARGE, VERSION_CONFLICT,
                SCRIPT_FAILED, PROTECTED or STORAGE_FAILED; nothing has changed.
        """
        text = parse_text(script, "script")
        expected = _expected_version(expected_version)

        async def tell(outcome: str, kept: str, epoch: int | None = None) -> None:
            run = ScriptRun(
                view=view,
                by=by,
                session_id=session_id,
                script=kept,
                outcome=outcome,
                epoch=epoch,
            )
            await self._tell(run)

        async def run() -> int:
            kept = ""
            try:
                parsed = await self._parse(text, view)
                kept = parsed.redacted
                if parsed.reports:
                    _fail(parsed.reports)
                done = _Script(
                    view=view,
                    parsed=parsed,
                    expected_version=expected,
                    by=by,
                    session_id=session_id,
                )
                version, epoch = await self._run(done)
            except DirectoryError as refusal:
                await tell(str(refusal.code), kept)
                raise
            await tell("unchanged" if epoch is None else "applied", kept, epoch)
            return version

        return await self._engine.to_the_end(run())

    async def _parse(self, text: str, view: View) -> Parsed:
        shortest = self._passwords.min_length
        if len(text) < _LONG:
            return parse(text, view, min_password=shortest)
        return await asyncio.to_thread(parse, text, view, min_password=shortest)

    async def _run(self, script: _Script) -> tuple[int, int | None]:
        """Give the version afterwards, and the epoch if there is a new one.

        What the trial finds is as good as what the transaction would find at that
        moment, so a refusal costs no more hashes than it needs.
        """
        answers = Answers()
        while True:
            if script.parsed.has_passwords:
                draft = self._engine.draft(by=script.by)
                reports = await self._apply(script, draft, answers)
                if answers.asked:
                    await self._compare(answers)
                    continue
                if reports:
                    _fail(reports)
                await self._make(answers)

            async def make(draft: Draft) -> int:
                reports = await self._apply(script, draft, answers)
                if not answers.complete:
                    raise _UnansweredError
                if reports:
                    _fail(reports)
                return draft.before.epoch

            try:
                epoch, model = await self._engine.transact(
                    make, by=script.by, session_id=script.session_id
                )
            except _UnansweredError:
                continue
            version = version_of(model, script.view)
            return version, None if model.epoch == epoch else model.epoch

    async def _apply(
        self, script: _Script, draft: Draft, answers: Answers
    ) -> tuple[Report, ...]:
        """Apply a script to a draft of what is in force at this moment."""
        current = version_of(draft.before, script.view)
        expected = script.expected_version
        if expected is not None and expected != current:
            details = {"expected": expected, "current": current}
            raise DirectoryError(ErrorCode.VERSION_CONFLICT, "", details)
        answers.begin()
        policy = self._engine.policy
        prefix = policy.broker_prefix
        surroundings = Surroundings(
            isolated_for_good=frozenset(prefix + one for one in policy.components),
            shuts_out=Shutout(policy),
        )
        turns = apply_in_turns(script.parsed.commands, draft, answers, surroundings)
        while True:
            try:
                next(turns)
            except StopIteration as done:
                reports: tuple[Report, ...] = done.value
                return reports
            await asyncio.sleep(0)

    async def _compare(self, answers: Answers) -> None:
        """Compare passwords with verifiers, one after the other.

        When one is right, others for the same verifier are known to be wrong.
        """
        for (verifier, _), password in list(answers.asked.items()):
            if answers.known(verifier, password) is None:
                right = await self._passwords.is_same(verifier, password)
                answers.found(verifier, password, right=right)

    async def _make(self, answers: Answers) -> None:
        wanted = list(answers.wanted.items())

        async def some(begin: int) -> None:
            for line, password in wanted[begin::_SIDE_BY_SIDE]:
                answers.made(line, password, await self._passwords.make(password))

        await asyncio.gather(*map(some, range(_SIDE_BY_SIDE)))

    async def _tell(self, run: ScriptRun) -> None:
        for listener in self._listeners:
            try:
                await listener(run)
            except Exception as problem:  # noqa: BLE001 - the script stands all the same
                # The text and the traceback may hold what is in the script.
                log.error(  # noqa: TRY400 - as above
                    "directory.listener_failed", exception=type(problem).__name__
                )


def _expected_version(value: object) -> int | None:
    if value is None or type(value) is int:
        return value
    raise invalid_argument("expected_version", "is no number")


def _fail(reports: tuple[Report, ...]) -> NoReturn:
    shapes = [report.shape for report in reports]
    raise DirectoryError(ErrorCode.SCRIPT_FAILED, "", {"reports": shapes})
