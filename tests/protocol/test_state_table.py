"""Whatever the two ends and the network do, the tables hold."""

from hypothesis import settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from vestibule.protocol.connection import Connection
from vestibule.protocol.errors import CloseCode, LocalProtocolError
from vestibule.protocol.events import (
    Ended,
    LoginAccepted,
    LoginReceived,
    Noticed,
    Received,
)
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.phases import (
    INITIATOR_TRANSITIONS,
    RESPONDER_TRANSITIONS,
    Phase,
    Transitions,
)
from wire import ACCEPTED, Wire, batch


def reachable(transitions: Transitions) -> dict[Phase, set[Phase]]:
    """Give what each phase can lead to, in any number of steps."""
    reach = {phase: {phase} for phase in Phase}
    for _ in Phase:
        for phase, targets in reach.items():
            for target in list(targets):
                targets.update(transitions[target].values())
                reach[phase] = targets
    return reach


RESPONDER_REACH = reachable(RESPONDER_TRANSITIONS)
INITIATOR_REACH = reachable(INITIATOR_TRANSITIONS)

NONCE = bytes(32)
CHALLENGE = {"server_nonce": NONCE, "salt": NONCE[:16], "opslimit": 1, "memlimit": 1}
MESSAGES = st.sampled_from(
    [
        [0, b"x"],
        [9, 1],
        [10, 1],
        [3, 90, "plain", {"auth_data": {}}],
        [5, 1, {"proof": NONCE}],
        [6, 1, dict(ACCEPTED)],
        [7, 1, "X", "", {}],
        [8, [NONCE]],
        [12],
        [16, 100, "n", None],
        [34, "n", None, False],
        [999],
        [],
    ]
)


class TwoEnds(RuleBasedStateMachine):
    """Owners that do anything at any time, and peers that say anything."""

    def __init__(self) -> None:
        super().__init__()
        limits = WireLimits(login_attempts=2, heartbeat_ms=1000)
        self.wire = Wire(limits=limits, encrypted=False)
        self.admissions = 0
        self.phases = {Phase.GREETING}, {Phase.QUARANTINED}
        self.before: list[Phase] = [Phase.GREETING, Phase.GREETING]

    @property
    def ends(self) -> tuple[Connection, Connection]:
        return self.wire.initiator, self.wire.responder

    @rule()
    def pump(self) -> None:
        self.wire.pump()

    @rule(scheme=st.sampled_from(["plain", "scram"]))
    def log_in(self, scheme: str) -> None:
        fields = {"auth_data": {}, "username": "lisa", "client_nonce": NONCE}
        allowed = self.wire.initiator.phase is Phase.QUARANTINED
        try:
            self.wire.initiator.login(scheme, fields)
        except LocalProtocolError:
            assert not allowed
        else:
            assert allowed

    @rule(answer=st.sampled_from(["admit", "refuse", "challenge", "prove"]))
    def answer(self, answer: str) -> None:
        wire = self.wire
        deciding = wire.responder.phase is Phase.DECIDING
        try:
            match answer:
                case "admit":
                    wire.at_server += wire.responder.admit(dict(ACCEPTED), [], wire.now)
                    self.admissions += 1
                case "refuse":
                    wire.at_server += wire.responder.refuse("X", "", {}, wire.now)
                case "challenge":
                    wire.at_server += wire.responder.challenge(CHALLENGE, wire.now)
                case _:
                    deciding = wire.initiator.phase is Phase.CHALLENGED
                    wire.initiator.prove({"proof": NONCE})
        except LocalProtocolError:
            assert not deciding
        else:
            assert deciding

    @rule(message=MESSAGES, from_client=st.booleans())
    def say(self, message: list[object], *, from_client: bool) -> None:
        end = self.wire.responder if from_client else self.wire.initiator
        events = end.receive(batch(message), self.wire.now)
        (self.wire.at_server if from_client else self.wire.at_client).extend(events)

    @rule(which=st.booleans(), code=st.sampled_from(CloseCode))
    def bye(self, *, which: bool, code: CloseCode) -> None:
        self.ends[which].bye(code)

    @precondition(lambda self: self.wire.now < 100)
    @rule(seconds=st.sampled_from([0.1, 0.6, 1.1, 2.5]))
    def wait(self, seconds: float) -> None:
        self.wire.now += seconds
        self.wire.at_client += self.wire.initiator.tick(self.wire.now)
        self.wire.at_server += self.wire.responder.tick(self.wire.now)

    @rule(which=st.booleans())
    def lose(self, *, which: bool) -> None:
        events = self.ends[which].lost(self.wire.now)
        (self.wire.at_server if which else self.wire.at_client).extend(events)

    @invariant()
    def phases_follow_the_tables(self) -> None:
        reaches = (INITIATOR_REACH, RESPONDER_REACH)
        for number, (end, reach) in enumerate(zip(self.ends, reaches, strict=True)):
            assert end.phase in reach[self.before[number]]
            self.before[number] = end.phase

    @invariant()
    def the_end_is_one_and_last(self) -> None:
        wire = self.wire
        for end, seen in (
            (wire.initiator, wire.at_client),
            (wire.responder, wire.at_server),
        ):
            told = [event for event in seen if isinstance(event, Ended)]
            assert len(told) <= 1
            if told:
                assert seen[-1] is told[0] is end.end
            assert (end.end is not None) is (end.phase is Phase.CLOSED)

    @invariant()
    def only_the_admitted_ask_and_are_told(self) -> None:
        wire = self.wire
        asked = any(isinstance(event, Received) for event in wire.at_server)
        assert not asked or self.admissions == 1
        assert self.admissions <= 1
        kinds = [type(event) for event in wire.at_client]
        if Noticed in kinds:
            assert LoginAccepted in kinds[: kinds.index(Noticed)]
        logins = [e for e in wire.at_server if isinstance(e, LoginReceived)]
        assert len(logins) == wire.responder.attempts <= 2

    @invariant()
    def nothing_is_waited_for_after_the_end(self) -> None:
        for end in self.ends:
            if end.phase is Phase.CLOSED:
                assert end.deadline() is None
                assert not end._entries
                assert not end._records


TestTwoEnds = TwoEnds.TestCase
TestTwoEnds.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)
