"""A session that becomes somebody else: who hears of it, in which order."""

from typing import Any

from standing import policy, session
from vestibule.server.admissions import Admission
from vestibule.server.audit import AuditLog
from vestibule.server.sessions import Sessions
from vestibule.server.switching import Switching


class Rechecks:
    """Notes what is decided again."""

    def __init__(self) -> None:
        self.rechecked: list[str] = []

    async def recheck_session(self, rechecked: Any) -> None:
        self.rechecked.append(rechecked.username)


class Place:
    """A live session of lisa's, and what would make it somebody else."""

    def __init__(self) -> None:
        decided_by = policy()
        self.lisa, self.link = session(decided_by)
        self.sessions = Sessions()
        self.sessions.add(self.lisa)
        self.following = Rechecks()
        self.audit = AuditLog()
        following: Any = self.following
        directory: Any = type("Directory", (), {"policy": decided_by})
        self.switching = Switching(
            directory, self.sessions, following, audit=self.audit
        )


BOB = Admission("bob", "directory", properties={"K": "v"}, expires_at=5)


async def test_a_session_is_somebody_else_in_every_respect_at_once() -> None:
    place = Place()
    told: list[tuple[str, str, str]] = []
    place.switching.hear(
        leaving=lambda one, admission: told.append(
            ("leaving", one.username, admission.username)
        ),
        became=lambda one, before: told.append(
            ("became", one.username, before.username)
        ),
    )
    generation = place.lisa.generation
    await place.switching.switch(place.lisa, BOB)
    assert told == [("leaving", "lisa", "bob"), ("became", "bob", "lisa")]
    assert place.following.rechecked == ["bob"]
    assert place.sessions.of("bob") == (place.lisa,)
    assert place.sessions.of("lisa") == ()
    lisa = place.lisa
    assert (lisa.authenticator, lisa.bound, lisa.properties) == (
        "directory",
        True,
        {"K": "v"},
    )
    assert (lisa.subject.username, lisa.expires_at) == ("bob", 5)
    assert lisa.generation > generation
    assert place.audit.counts["session_changed"] == 1


async def test_a_session_of_which_somebody_could_not_be_told_is_dropped() -> None:
    place = Place()

    def fail(_session: object, _before: Admission) -> None:
        raise RuntimeError("secret")

    place.switching.hear(became=fail)
    await place.switching.switch(place.lisa, BOB)
    assert place.link.failed
    assert place.following.rechecked == []
