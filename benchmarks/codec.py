"""What one record and one message cost in the protocol core, in microseconds.

Run `python benchmarks/codec.py`. Each line is the best of several runs, which on a
shared machine is the one number that repeats.
"""

import time
from collections.abc import Callable
from typing import Any

from msgspec import Raw

from vestibule.protocol.boxes import bound_ciphers, direct_ciphers
from vestibule.protocol.codec import encode, encode_body
from vestibule.protocol.crypto import IdentityKey
from vestibule.protocol.initiator import Initiator
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.messages import Event, Publish
from vestibule.protocol.responder import Responder
from vestibule.protocol.values import body_check


RUNS = 7
BODY = {"score": 3}
LARGER_BODY = {
    "home": "Ajax",
    "away": "PSV",
    "score": [3, 1],
    "minute": 71,
    "live": True,
}
FIELDS: dict[str, Any] = {
    "username": "lisa",
    "client_data": None,
    "token": None,
    "insecure": [],
}


def best(work: Callable[[], int]) -> float:
    """Give the fewest microseconds that `work` took for one of what it counts."""
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        count = work()
        times.append((time.perf_counter() - started) / count)
    return min(times) * 1e6


def admitted(*, encrypted: bool = True) -> tuple[Initiator, Responder]:
    """Give two ends after a login."""
    key = IdentityKey.generate()
    responder = Responder([key], WireLimits(), encrypted=encrypted)
    initiator = Initiator({key.public}, key.fingerprint, encrypted=encrypted)

    def exchange() -> None:
        for record in initiator.outgoing(0.0):
            responder.receive(record, 0.0)
        for record in responder.outgoing(0.0):
            initiator.receive(record, 0.0)

    exchange()
    initiator.login("plain", {"auth_data": {"username": "lisa"}})
    exchange()
    responder.admit(FIELDS, [key.public], 0.0)
    exchange()
    return initiator, responder


def receiving(batch: int, *, encrypted: bool) -> float:
    """Open, decode and check requests, a record at a time."""

    def work() -> int:
        initiator, responder = admitted(encrypted=encrypted)
        records = []
        body = encode_body(BODY)
        for _ in range(max(20, 8000 // batch)):
            for _ in range(batch):
                message = Publish(initiator.next_id(), "news/sport", body)
                initiator.queue(encode(message))
            records += initiator.outgoing(0.0)
        started = time.perf_counter()
        for record in records:
            responder.receive(record, 0.0)
        took = time.perf_counter() - started
        if responder.end is not None:
            raise RuntimeError(responder.end)
        spent.append(took / len(records) * 1e6)
        return 1

    spent: list[float] = []
    best(work)
    return min(spent)


def sending(batch: int, *, encrypted: bool) -> float:
    """Queue and seal deliveries, a record at a time."""
    _, responder = admitted(encrypted=encrypted)
    message = encode(Event("news/sport", encode_body(BODY)))
    records = max(20, 8000 // batch)

    def work() -> int:
        queue = responder.queue
        for _ in range(records):
            for _ in range(batch):
                queue(message)
            responder.outgoing(0.0)
        return records

    return best(work)


def handshakes() -> float:
    """Answer ClientHellos, at the server."""
    key = IdentityKey.generate()
    count = 100
    hellos = [Initiator({key.public}).outgoing(0.0)[0] for _ in range(count)]

    def work() -> int:
        for hello in hellos:
            responder = Responder([key], WireLimits())
            responder.receive(hello, 0.0)
            responder.outgoing(0.0)
        return count

    return best(work)


def ciphers() -> None:
    """Compare the two ways to libsodium."""
    key, nonce = bytes(32), bytes(24)
    ways = {"direct": direct_ciphers(), "nacl.bindings": bound_ciphers()}
    for size in (128, 1024, 16_384):
        batch = bytes(size)
        for name, (seal, unseal) in ways.items():
            box = seal(batch, nonce, key)

            def sealing(seal: Callable[..., bytes] = seal, batch: bytes = batch) -> int:
                for _ in range(2000):
                    seal(batch, nonce, key)
                return 2000

            def opening(unseal: Callable[..., bytes] = unseal, box: bytes = box) -> int:
                for _ in range(2000):
                    unseal(box, nonce, key)
                return 2000

            line = f"seal {best(sealing):7.2f}  open {best(opening):7.2f}"
            print(f"cipher, {size:6} bytes, {name:14} {line}")


def bodies() -> None:
    """Check bodies."""
    check = body_check(63)
    for body in (None, BODY, LARGER_BODY, {"blob": b"x"}, list(range(1000))):
        raw = encode_body(body)

        def work(raw: Raw = raw) -> int:
            for _ in range(1000):
                check(raw)
            return 1000

        print(f"check body {str(body)[:40]:42} {best(work):7.2f}")


def main() -> None:
    """Print everything."""
    ciphers()
    bodies()
    print(f"handshake at the server {handshakes():7.2f}")
    for encrypted in (True, False):
        word = "encrypted" if encrypted else "clear"
        for batch in (1, 2, 16, 256):
            opened = receiving(batch, encrypted=encrypted)
            sealed = sending(batch, encrypted=encrypted)
            print(
                f"{word:9} {batch:4} messages a record: "
                f"open+decode {opened:8.2f} a record, {opened / batch:6.2f} a message; "
                f"queue+seal {sealed:8.2f} a record, {sealed / batch:6.2f} a message"
            )


if __name__ == "__main__":
    main()
