"""Fuzzing of everything that reads what a peer or a file says.

Plain Python and deterministic: a seed gives the same inputs again. The suite runs a
short form; `python tests/fuzz_protocol.py --inputs 1000000 --seed 7` a long one, and
`python tests/fuzz_protocol.py --atheris` hands the same target to atheris where that is
installed, whose own options follow.
"""

import argparse
import importlib
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgpack

from vestibule.protocol.codec import decode_body, encode
from vestibule.protocol.connection import Connection
from vestibule.protocol.crypto import IdentityKey, parse_server_key
from vestibule.protocol.errors import FramingError, InvalidBody, InvalidName
from vestibule.protocol.events import (
    Ended,
    Event,
    LoginProofReceived,
    LoginReceived,
    Noticed,
    Received,
)
from vestibule.protocol.framing import split_batch
from vestibule.protocol.identity import parse_identity
from vestibule.protocol.initiator import Initiator
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.messages import Answered
from vestibule.protocol.names import parse_name
from vestibule.protocol.patterns import parse_pattern
from vestibule.protocol.phases import Phase
from vestibule.protocol.responder import Responder
from wire import ACCEPTED, Wire
from wire_vectors import VECTORS


SLOWEST_SECONDS: Final = 0.05
"""What one input may take, in time of this process."""

Target: TypeAlias = Callable[[bytes], None]

IDENTITY: Final = IdentityKey.generate()
PHASES: Final = (Phase.QUARANTINED, Phase.DECIDING, Phase.CHALLENGED, Phase.ADMITTED)
NONCE: Final = bytes(32)
CHALLENGE: Final = {
    "server_nonce": NONCE,
    "salt": NONCE[:16],
    "opslimit": 2,
    "memlimit": 2**26,
}


def _packed(*messages: object) -> bytes:
    return b"".join(msgpack.packb(message) for message in messages)


BATCHES: Final[Sequence[bytes]] = (
    *(bytes.fromhex(r["batch"]) for r in VECTORS["records_c2s"]),
    *(bytes.fromhex(r["batch"]) for r in VECTORS["records_s2c"]),
    *(bytes.fromhex(case["batch"]) for case in VECTORS["rejected_batches"]),
    _packed([16, 7, "a/b", {"k": [1, 2.5, None, True, b"x", "y"]}, True, ["s"]]),
    _packed([17, 8, ["a/*", "b/**"], False, False], [18, 9, ["a/*"]]),
    _packed([19, 10, "add", False], [20, 11, "add"], [21, 12, "add", {}, 500]),
    _packed([22, 13, "0" * 32, "add", [], 500], [23, 5], [24, 5], [25, 5]),
    _packed(
        [26, 5, {"a": {"b": {"c": [[[]]]}}}], [27, 5, "E", "text"], [9, 1], [10, 2]
    ),
    _packed([32, 5, None], [33, 6, "MESSAGE_DENIED", "", {}], [34, "a", 1, False]),
    _packed(
        [35, 1, "add", 1, {}, {}], [36, 1, "X"], [37, 1, "X"], [38, "event", [], "X"]
    ),
    _packed([5, 1, {"proof": NONCE}]),
    _packed([4, 1, CHALLENGE]),
    _packed([6, 1, dict(ACCEPTED)], [8, [IDENTITY.public]]),
    _packed([7, 1, "INVALID_AUTH_DATA", "no", {"attempts_left": 1}]),
    _packed([3, 1, "scram", {"username": "lisa", "client_nonce": NONCE}]),
)
"""Good and bad transcripts, to be changed."""

TEXTS: Final = (
    "news/sport",
    "/a/b/",
    "a/**/c*d/*",
    "é/ﬁ/e\u0301",
    "..",
    "a\0b",
    "\u202e",
    IDENTITY.text,
    IDENTITY.secret_text() + "\n# comment\n",
)


class Fuzzer:
    """Makes one input from a seed."""

    def __init__(self, seed: str) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - inputs are to be repeatable

    def mutated(self, data: bytes) -> bytes:
        """Change a good input: bits, cuts, repeats, joins, lengths."""
        chance = self.chance
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            at = chance.randrange(len(changed) + 1)
            match chance.randrange(8):
                case 0 if at < len(changed):
                    changed[at] ^= 1 << chance.randrange(8)
                case 1 if at < len(changed):
                    changed[at] = chance.randrange(256)
                case 2:
                    del changed[at:]
                case 3:
                    del changed[at : at + chance.randrange(1, 9)]
                case 4:
                    changed[at:at] = changed[: chance.randrange(64)]
                case 5:
                    changed[at:at] = chance.randbytes(chance.randrange(1, 9))
                case 6:
                    changed += chance.choice(BATCHES)
                case _:
                    lead = chance.choice(
                        b"\x90\x91\x80\x81\xc9\xdd\xdf\xdb\xc6\xd4\xc1"
                    )
                    changed[at:at] = bytes([lead]) * chance.choice((1, 4, 100))
        return bytes(changed)

    def batch(self) -> bytes:
        """Give something like a batch."""
        chance = self.chance
        if chance.random() < 0.1:
            return chance.randbytes(chance.randrange(64))
        return self.mutated(chance.choice(BATCHES))

    def text(self) -> str:
        """Give something like a name, a pattern or a key."""
        raw = self.mutated(self.chance.choice(TEXTS).encode())
        return raw.decode("utf-8", self.chance.choice(("replace", "surrogateescape")))


def in_phase(phase: Phase, *, encrypted: bool) -> Wire:
    """Give a wire whose ends are in a phase."""
    wire = Wire(
        identities=[IDENTITY],
        limits=WireLimits(data_nodes=200, batch_messages=50, login_attempts=2),
        encrypted=encrypted,
    )
    wire.pump()
    if phase is Phase.QUARANTINED:
        return wire
    if phase is Phase.CHALLENGED:
        wire.initiator.login("scram", {"username": "lisa", "client_nonce": NONCE})
        wire.pump()
        wire.responder.challenge(dict(CHALLENGE), 0.0)
        wire.pump()
        return wire
    wire.log_in()
    if phase is Phase.ADMITTED:
        wire.admit()
    return wire


def settle(end: Connection, events: list[Event]) -> list[Event]:
    """Do what an owner would do with what happened; check what an owner relies on."""
    seen: list[Event] = []
    while events:
        seen += events
        last = events[-1]
        events = []
        if isinstance(end, Responder) and end.phase is Phase.DECIDING:
            if not isinstance(last, LoginReceived | LoginProofReceived):
                raise AssertionError("a decision that nobody was asked for", seen)
            events = end.refuse("INVALID_AUTH_DATA", "no", {}, 0.0)
    ends = [event for event in seen if isinstance(event, Ended)]
    if len(ends) > 1 or (ends and seen[-1] is not ends[0]):
        raise AssertionError("more than one end, or not the last", seen)
    if bool(ends) is not (end.phase is Phase.CLOSED):
        raise AssertionError("an end without its event", seen)
    end.outgoing(0.0)
    if end.queued_bytes:
        raise AssertionError("something stays queued", seen)
    repr(seen)
    return seen


def receive_record(fuzzer: Fuzzer) -> None:
    """Give one end a record that opens and holds anything."""
    chance = fuzzer.chance
    phase = chance.choice(PHASES)
    wire = in_phase(phase, encrypted=False)
    end: Connection = chance.choice((wire.responder, wire.initiator))
    if isinstance(end, Responder) and phase is Phase.DECIDING:
        end.receive(fuzzer.batch(), 0.0)
        settle(end, end.refuse("X", "", {}, 0.0))
        return
    for _ in range(chance.choice((1, 1, 2))):
        if end.phase is Phase.CLOSED:
            break
        before = end.phase
        seen = settle(end, end.receive(fuzzer.batch(), 0.0))
        for event in seen:
            admitted = isinstance(event, Received | Noticed)
            if admitted and before is not Phase.ADMITTED and isinstance(end, Responder):
                raise AssertionError("a message of a stranger was handed on", seen)


def receive_bytes(fuzzer: Fuzzer) -> None:
    """Give one end a message that does not open."""
    chance = fuzzer.chance
    wire = in_phase(chance.choice(PHASES), encrypted=True)
    end: Connection = chance.choice((wire.responder, wire.initiator))
    record = chance.choice(
        (chance.randbytes(chance.randrange(80)), *wire.sent_by_client)
    )
    if isinstance(end, Responder) and end.phase is Phase.DECIDING:
        end.receive(fuzzer.mutated(record), 0.0)
        settle(end, end.refuse("X", "", {}, 0.0))
        return
    settle(end, end.receive(fuzzer.mutated(record), 0.0))
    if end.phase is not Phase.CLOSED:
        raise AssertionError("a record opened that nobody sealed")


def receive_hello(fuzzer: Fuzzer) -> None:
    """Give one end something like a hello."""
    chance = fuzzer.chance
    limits = WireLimits()
    if chance.random() < 0.5:
        responder = Responder([IDENTITY], limits)
        hello = Initiator([IDENTITY.public]).outgoing(0.0)[0]
        settle(responder, responder.receive(fuzzer.mutated(hello), 0.0))
        return
    encrypted = chance.random() < 0.5
    responder = Responder([IDENTITY], limits, encrypted=encrypted)
    initiator = Initiator([IDENTITY.public], encrypted=encrypted)
    for hello in initiator.outgoing(0.0):
        responder.receive(hello, 0.0)
    (answer,) = responder.outgoing(0.0)
    settle(initiator, initiator.receive(fuzzer.mutated(answer), 0.0))


def parse(fuzzer: Fuzzer) -> None:
    """Give each parser something like what it parses."""
    text, data = fuzzer.text(), fuzzer.batch()
    attempts: tuple[tuple[Callable[[], Any], type[Exception]], ...] = (
        (lambda: parse_name(text), InvalidName),
        (lambda: parse_pattern(text), InvalidName),
        (lambda: parse_server_key(text), ValueError),
        (lambda: parse_identity(text), ValueError),
        (lambda: split_batch(data, 50), FramingError),
        (lambda: decode_body(data), InvalidBody),
    )
    for attempt, documented in attempts:
        try:
            attempt()
        except documented as error:
            if len(str(error)) > 200:
                raise AssertionError("an error that quotes its input") from error


KINDS: Final = (
    *[receive_record] * 6,
    *[parse] * 3,
    receive_bytes,
    receive_hello,
)


def run_one(seed: int, number: int) -> float:
    """Try input `number` of a seed, and give the seconds of this process it took.

    Raises:
        AssertionError: it raised what it must not.
    """
    fuzzer = Fuzzer(f"{seed}/{number}")
    kind = fuzzer.chance.choice(KINDS)
    started = time.process_time()
    try:
        kind(fuzzer)
    except Exception as error:
        problem = f"seed {seed}, input {number}, {kind.__name__}: {error!r:.300}"
        raise AssertionError(problem) from error
    return time.process_time() - started


def run(inputs: int, seed: int) -> None:
    """Try so many inputs.

    Raises:
        AssertionError: one raised what it must not, or took too long; the text says
            which seed and which input.
    """
    for number in range(inputs):
        took = run_one(seed, number)
        if took > SLOWEST_SECONDS:
            # The collector may have passed: what is slow is slow again.
            took = min(run_one(seed, number) for _ in range(3))
        if took > SLOWEST_SECONDS:
            raise AssertionError(f"seed {seed}, input {number}: {took:.3f} s")


def fuzz_one(data: bytes) -> None:
    """Take one input of atheris: a byte that says where to, and what."""
    where, content = (data[0], data[1:]) if data else (0, b"")
    phase = PHASES[where % len(PHASES)]
    wire = in_phase(phase, encrypted=False)
    end: Connection = wire.responder if where & 0x80 else wire.initiator
    if isinstance(end, Responder) and phase is Phase.DECIDING:
        end.receive(content, 0.0)
        settle(end, end.refuse("X", "", {}, 0.0))
    else:
        settle(end, end.receive(content, 0.0))
    if end.phase is Phase.ADMITTED and isinstance(end, Responder):
        end.queue(encode(Answered(1)))
    end.outgoing(0.0)


def main() -> None:
    """Run for long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--atheris", action="store_true")
    options, rest = parser.parse_known_args()
    if options.atheris:
        atheris = importlib.import_module("atheris")
        atheris.instrument_all()
        atheris.Setup([str(Path(__file__)), *rest], fuzz_one)
        atheris.Fuzz()
        return
    seed = options.seed
    if seed is None:
        seed = random.SystemRandom().randrange(2**32)
    run(options.inputs, seed)
    sys.stdout.write(f"{options.inputs} inputs, seed {seed}: nothing found\n")


if __name__ == "__main__":
    main()
