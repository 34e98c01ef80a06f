import pytest

from vestibule.protocol.errors import LocalProtocolError
from vestibule.protocol.phases import (
    INITIATOR_READS,
    INITIATOR_TRANSITIONS,
    RESPONDER_READS,
    RESPONDER_TRANSITIONS,
    Phase,
    Reads,
    Step,
    Transitions,
    follow,
)
from vestibule.protocol.reserved import FIRST_MESSAGE_TAG, Tag


TABLES = [
    (RESPONDER_TRANSITIONS, RESPONDER_READS),
    (INITIATOR_TRANSITIONS, INITIATOR_READS),
]


@pytest.mark.parametrize(("transitions", "reads"), TABLES)
def test_every_phase_has_its_rows_and_can_be_reached(
    transitions: Transitions, reads: Reads
) -> None:
    assert set(transitions) == set(reads) == set(Phase)
    reached = {Phase.GREETING}
    for _ in Phase:
        reached |= {to for phase in reached for to in transitions[phase].values()}
    assert reached == set(Phase)


@pytest.mark.parametrize(("transitions", "reads"), TABLES)
def test_the_end_is_reached_from_everywhere_and_left_by_nothing(
    transitions: Transitions, reads: Reads
) -> None:
    for phase in set(Phase) - {Phase.CLOSED}:
        assert follow(transitions, phase, Step.ENDED) is Phase.CLOSED
    assert not transitions[Phase.CLOSED]
    assert not reads[Phase.CLOSED]


@pytest.mark.parametrize(("transitions", "reads"), TABLES)
def test_only_an_accepted_login_admits_and_only_the_admitted_ask(
    transitions: Transitions, reads: Reads
) -> None:
    admitting = [
        (phase, step)
        for phase, steps in transitions.items()
        for step, to in steps.items()
        if to is Phase.ADMITTED
    ]
    assert admitting == [(Phase.DECIDING, Step.LOGIN_ACCEPTED)]
    asking = [phase for phase in Phase if FIRST_MESSAGE_TAG in reads[phase]]
    assert asking == [Phase.ADMITTED]


@pytest.mark.parametrize(("transitions", "reads"), TABLES)
@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("step", Step)
def test_what_is_not_in_the_table_is_an_error(
    transitions: Transitions, reads: Reads, phase: Phase, step: Step
) -> None:
    del reads
    if step in transitions[phase]:
        assert follow(transitions, phase, step) is transitions[phase][step]
    else:
        with pytest.raises(LocalProtocolError):
            follow(transitions, phase, step)


def test_a_server_reads_nothing_while_it_decides() -> None:
    assert not RESPONDER_READS[Phase.DECIDING]
    assert Tag.LOGIN not in RESPONDER_READS[Phase.CHALLENGED]
    assert Tag.LOGIN_PROOF not in RESPONDER_READS[Phase.QUARANTINED]
