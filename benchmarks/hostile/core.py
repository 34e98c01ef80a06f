"""Q8 and K5: the protocol core alone, without a broker."""

import asyncio
import os
import random
import secrets
import sys
from pathlib import Path
from unittest.mock import patch

from hostile.ground import Finding, Ground
from vestibule.protocol import crypto
from vestibule.protocol.crypto import SendingKey


__all__ = ["k5", "q8"]

TESTS = Path(__file__).resolve().parents[2] / "tests"
NONCE_BYTES = 24


async def q8(ground: Ground) -> list[Finding]:
    """Hand the parsers inputs of strangers; the test's own fuzzer, for long."""
    inputs, seed = ground.amount(1_000_000, 20_000), secrets.randbits(32)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(TESTS / "fuzz_protocol.py"),
        f"--inputs={inputs}",
        f"--seed={seed}",
        stdout=sys.stderr,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
    )
    status = await process.wait()
    return [
        Finding(f"exit status of {inputs} inputs, seed {seed}", status, "status", 0)
    ]


class Observed:
    """Stands at the sealing function and sees every key and nonce.

    Under one key nonces only ever grow, and a key that was left never comes back: so no
    pair is used twice, without keeping all of them.
    """

    def __init__(self) -> None:
        self.sealed = 0
        self.twice = 0
        self._left: set[bytes] = set()
        self._key = b""
        self._nonce = b""

    def __call__(self, batch: bytes, nonce: bytes, key: bytes) -> bytes:
        """Take the place of the cipher."""
        del batch
        self.sealed += 1
        if key == self._key:
            self.twice += nonce <= self._nonce
        else:
            self._left.add(self._key)
            self.twice += key in self._left
            self._key = key
        self._nonce = nonce
        return b""


async def k5(ground: Ground) -> list[Finding]:
    """Seal records in both directions, with early changes of keys at random."""
    count = ground.amount(10_000_000, 200_000)
    seed = secrets.randbits(32)
    chance = random.Random(seed)  # noqa: S311 - when to change keys is no secret
    observed = Observed()
    with patch.object(crypto, "seal_box", observed):
        for direction in ("c2s", "s2c"):
            key = SendingKey(direction, secrets.token_bytes(32))
            due = 0
            for number in range(count):
                if number == due:
                    due += chance.randrange(1, 200)
                    key.rekey()
                key.seal(b"")
    return [
        Finding(f"pairs used twice, seed {seed}", observed.twice, "pairs", 0),
        Finding("records not seen", 2 * count - observed.sealed, "records", 0),
    ]
