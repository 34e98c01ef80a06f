import random

from fuzz_protocol import PHASES, fuzz_one, run


def test_q8_twenty_thousand_inputs_raise_nothing_and_take_no_time() -> None:
    run(20_000, random.SystemRandom().randrange(2**32))


def test_q8_the_entry_for_atheris_takes_anything() -> None:
    for where in range(256):
        fuzz_one(bytes([where]) + b"\x92\x09\x05")
    for size in range(40):
        fuzz_one(bytes(size))
    assert PHASES
