"""Sessions without a connection: links that note what they are told, short policies."""

import asyncio
from collections.abc import Iterable
from typing import Any

from vestibule.protocol.actions import Section
from vestibule.protocol.errors import CloseCode, EndReason
from vestibule.server.admissions import Admission
from vestibule.server.directory.model import Entry, Group, Model
from vestibule.server.directory.policy import Policy
from vestibule.server.directory.roles import BOUND, Roles
from vestibule.server.handler import ConnectionData, Headers
from vestibule.server.session import Session


class NotingLink:
    """The link of a session that has no connection."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.ended: EndReason | None = None
        self.failed = False
        self.over = asyncio.Event()
        self.session: Session | None = None

    def put(self, message: bytes) -> None:
        self.said.append(message)

    def slow(self) -> None:
        self.end(CloseCode.SLOW_READER, EndReason.SLOW_READER)

    def end(
        self,
        code: CloseCode,
        reason: EndReason,
        *,
        retry_after_ms: int = 0,
        discard: bool = False,
    ) -> None:
        self.ended = reason
        self.over.set()
        if self.session is not None:
            self.session.ended = True

    def fail(self) -> None:
        self.failed = True
        if self.session is not None:
            self.session.ended = True


def policy(
    allowed: Iterable[str] = (),
    forbidden: Iterable[str] = (),
    *,
    section: Section = Section.EVENTS,
    verbs: Iterable[str] = ("publish", "subscribe"),
) -> Policy:
    """Give a policy whose group `G` allows and forbids these patterns."""
    given = frozenset(verbs)
    rules = {name: Entry(allowed=given) for name in allowed}
    rules |= {name: Entry(prohibited=given) for name in forbidden}
    group = Group(name="G", rules={section: rules})
    return Policy(Model(groups={"G": group}), broker_name="hub", components={})


def session(
    decided_by: Policy, username: str = "lisa", number: int = 1, **facts: Any
) -> tuple[Session, NotingLink]:
    """Give a session of group `G`, and its link."""
    link = NotingLink()
    groups = facts.pop("groups", ("G",))
    admission = Admission(
        username,
        "handler",
        BOUND if groups is None else Roles.fixed(groups),
        server_data=facts.pop("server_data", None),
    )
    made = Session(
        ConnectionData("192.0.2.1", Headers(), f"{number:032x}"),
        admission,
        policy=decided_by,
        link=link,
        connected_at=0.0,
        **facts,
    )
    link.session = made
    return made, link
