"""The phases of a connection, as tables: what each reads, and what leads where.

What is not in a table is an error. `docs/states.md` is made from these tables, and a
test compares the two.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeAlias

from vestibule.protocol.errors import LocalProtocolError
from vestibule.protocol.reserved import FIRST_MESSAGE_TAG, Tag


__all__ = [
    "INITIATOR_READS",
    "INITIATOR_TRANSITIONS",
    "RESPONDER_READS",
    "RESPONDER_TRANSITIONS",
    "Phase",
    "Reads",
    "Step",
    "Transitions",
    "follow",
    "render_states",
]


class Phase(StrEnum):
    """What an end believes about the connection.

    Before these lies the HTTP upgrade, which is the transport's.
    """

    GREETING = "greeting"
    """The hellos are not exchanged: there are no keys."""
    QUARANTINED = "quarantined"
    """The keys are there, the client is a stranger."""
    DECIDING = "deciding"
    """A login is with the server; the server reads nothing."""
    CHALLENGED = "challenged"
    """A login is with the client: it owes a proof."""
    ADMITTED = "admitted"
    """The client is a user."""
    CLOSING = "closing"
    """This end has said bye and looks for the other's alone."""
    CLOSED = "closed"
    """It is over; a last record may have to be sent."""


class Step(StrEnum):
    """What leads from one phase to another."""

    HELLO_ACCEPTED = "hello accepted"
    LOGIN_SENT = "login"
    CHALLENGE_SENT = "challenge"
    PROOF_SENT = "proof"
    LOGIN_ACCEPTED = "login accepted"
    LOGIN_REFUSED = "login refused"
    BYE_SAID = "bye said"
    ENDED = "ended"


Transitions: TypeAlias = Mapping[Phase, Mapping[Step, Phase]]
Reads: TypeAlias = Mapping[Phase, frozenset[int]]

_ENDS: Final = {Step.BYE_SAID: Phase.CLOSING, Step.ENDED: Phase.CLOSED}

RESPONDER_TRANSITIONS: Final[Transitions] = {
    Phase.GREETING: {
        Step.HELLO_ACCEPTED: Phase.QUARANTINED,
        Step.ENDED: Phase.CLOSED,
    },
    Phase.QUARANTINED: {Step.LOGIN_SENT: Phase.DECIDING, **_ENDS},
    Phase.DECIDING: {
        Step.CHALLENGE_SENT: Phase.CHALLENGED,
        Step.LOGIN_ACCEPTED: Phase.ADMITTED,
        Step.LOGIN_REFUSED: Phase.QUARANTINED,
        **_ENDS,
    },
    Phase.CHALLENGED: {Step.PROOF_SENT: Phase.DECIDING, **_ENDS},
    Phase.ADMITTED: dict(_ENDS),
    Phase.CLOSING: {Step.ENDED: Phase.CLOSED},
    Phase.CLOSED: {},
}
"""What the server's end does. A step that is not here does not happen."""

INITIATOR_TRANSITIONS: Final[Transitions] = RESPONDER_TRANSITIONS
"""What the client's end does: the same steps, seen from the other side."""

_ALWAYS: Final = frozenset({Tag.PAD, Tag.REKEY, Tag.BYE, Tag.PING, Tag.PONG})

RESPONDER_READS: Final[Reads] = {
    Phase.GREETING: frozenset(),
    Phase.QUARANTINED: _ALWAYS | {Tag.LOGIN},
    Phase.DECIDING: frozenset(),
    Phase.CHALLENGED: _ALWAYS | {Tag.LOGIN_PROOF},
    # A login is read to be refused: the session goes on.
    Phase.ADMITTED: _ALWAYS | {Tag.LOGIN, FIRST_MESSAGE_TAG},
    Phase.CLOSING: frozenset({Tag.BYE}),
    Phase.CLOSED: frozenset(),
}
"""The tags that the server's end reads; 16 stands for all from there on."""

INITIATOR_READS: Final[Reads] = {
    Phase.GREETING: frozenset(),
    Phase.QUARANTINED: _ALWAYS,
    Phase.DECIDING: _ALWAYS
    | {Tag.LOGIN_CHALLENGE, Tag.LOGIN_ACCEPTED, Tag.LOGIN_REFUSED},
    Phase.CHALLENGED: _ALWAYS,
    Phase.ADMITTED: _ALWAYS | {Tag.SERVER_KEYS, FIRST_MESSAGE_TAG},
    Phase.CLOSING: frozenset({Tag.BYE}),
    Phase.CLOSED: frozenset(),
}
"""The tags that the client's end reads; 16 stands for all from there on."""


def follow(transitions: Transitions, phase: Phase, step: Step) -> Phase:
    """Give the phase that `step` leads to.

    Raises:
        LocalProtocolError: it leads nowhere from here.
    """
    try:
        return transitions[phase][step]
    except KeyError:
        raise LocalProtocolError(f"{step} in the phase {phase}") from None


def render_states() -> str:
    """Write `docs/states.md`."""
    sections = [_HEAD]
    for title, transitions, reads in (
        ("The server's end", RESPONDER_TRANSITIONS, RESPONDER_READS),
        ("The client's end", INITIATOR_TRANSITIONS, INITIATOR_READS),
    ):
        rows = [f"## {title}", "", "| phase | reads | leads to |", "|---|---|---|"]
        for phase in Phase:
            tags = ", ".join(_tag_text(tag) for tag in sorted(reads[phase])) or "-"
            steps = "; ".join(
                f"{step}: {target}" for step, target in transitions[phase].items()
            )
            rows.append(f"| {phase} | {tags} | {steps or '-'} |")
        sections.append("\n".join(rows))
    return "\n\n".join(sections) + "\n"


_HEAD: Final = """\
# Phases of a connection

Made from the tables in `vestibule.protocol.phases` by
`python -m vestibule.protocol.phases`; a test compares the two.
What is not in a row ends the connection: before the admission with
4401 at the server and 4405 at the client, afterwards with 4405.
Before `greeting` lies the HTTP upgrade, which is the transport's.
Where a server is `deciding`, what arrives waits unopened. An admitted
server reads a login only to refuse it. In `closing` records are still
opened and keys still change; nothing in them counts but a bye."""


def _tag_text(tag: int) -> str:
    if tag == FIRST_MESSAGE_TAG:
        return "tags from 16 on"
    return Tag(tag).name.lower()


if __name__ == "__main__":
    print(render_states(), end="")  # noqa: T201 - its output is the file
