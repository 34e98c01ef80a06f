import pytest

from vestibule.protocol.crypto import agree, new_ephemeral
from vestibule.protocol.errors import (
    CloseCode,
    InvalidClientHello,
    InvalidServerHello,
)
from vestibule.protocol.hello import (
    CLEAR_GREETING_BYTES,
    CLIENT_HELLO_BYTES,
    PROOF_BYTES,
    ClearGreeting,
    ClientHello,
    ServerHello,
    choose,
)
from vestibule.protocol.limits import WireLimits
from wire_vectors import HANDSHAKES, VECTORS, octets


def offer_of(name: str) -> ClientHello:
    given, v = VECTORS[name], octets(name)
    return ClientHello(
        ephemeral=v["client_ephemeral_public"],
        hint=v["pin_hint"],
        versions=tuple(given["offered_versions"]),
        suites=tuple(given["offered_suites"]),
    )


@pytest.mark.parametrize("name", HANDSHAKES)
def test_w1_both_hellos_are_made_and_read(name: str) -> None:
    given, v = VECTORS[name], octets(name)
    offer = offer_of(name)
    assert offer.encode() == v["client_hello"]
    assert ClientHello.decode(v["client_hello"]) == offer
    version, suite = choose(offer)
    answer = ServerHello(
        version=version,
        suite=suite,
        ephemeral=v["server_ephemeral_public"],
        identity=v["server_identity_public"],
        session_id=v["session_id"],
        limits=WireLimits(**given["limits"]),
    )
    assert answer.encode() == v["server_hello_without_proof"]
    assert ServerHello.decode(v["server_hello"], offer) == answer
    assert len(v["server_hello"]) <= CLIENT_HELLO_BYTES


def test_the_proof_has_56_bytes() -> None:
    assert PROOF_BYTES == len(octets("handshake")["proof"]) == 56


def refusal_of(hello: bytes) -> CloseCode | None:
    """Give the code with which a server refuses a ClientHello."""
    try:
        offer = ClientHello.decode(hello)
        choose(offer)
        agree(offer.ephemeral, new_ephemeral())
    except InvalidClientHello as refusal:
        return refusal.code
    except ValueError:
        return CloseCode.PROTOCOL_ERROR
    return None


@pytest.mark.parametrize(
    "case", VECTORS["rejected_client_hellos"], ids=lambda case: case["name"]
)
def test_w3_a_malformed_client_hello_is_refused_with_its_code(
    case: dict[str, str],
) -> None:
    hello = bytes.fromhex(case["client_hello"])
    assert refusal_of(hello) is CloseCode[case["close"]]


def test_a_hello_with_all_that_may_be_offered_is_read() -> None:
    offer = ClientHello(
        ephemeral=octets("handshake")["client_ephemeral_public"],
        hint=bytes(16),
        versions=tuple(range(65_520, 65_535 + 1)),
        suites=(*(f"s{'x' * 40}{number}" for number in range(7)), "!~"),
    )
    assert ClientHello.decode(offer.encode()) == offer
    with pytest.raises(InvalidClientHello) as refusal:
        choose(offer)
    assert refusal.value.code is CloseCode.NO_COMMON_VERSION


def test_a_suite_that_runs_over_the_end_is_refused() -> None:
    suites = tuple(f"{number}".ljust(64, "x") for number in range(8))
    data = ClientHello(
        ephemeral=octets("handshake")["client_ephemeral_public"],
        hint=bytes(16),
        suites=suites,
    ).encode()
    assert len(data) > CLIENT_HELLO_BYTES
    with pytest.raises(InvalidClientHello):
        ClientHello.decode(data[:CLIENT_HELLO_BYTES])


def patched(at: int, value: bytes) -> bytes:
    data = bytearray(octets("handshake")["server_hello"])
    data[at : at + len(value)] = value
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(113),
        octets("handshake")["server_hello"][:-1],
        octets("handshake")["server_hello"] + b"\0",
        octets("handshake")["server_hello_without_proof"],
        octets("handshake")["client_hello"],
        patched(0, b"VSTC"),
        patched(4, b"\x01"),
        patched(5, b"\x01"),
        patched(6, b"\x00\x00"),
        patched(6, b"\x00\x02"),
        patched(8, b"\xff" * 32),
        patched(40, b"\xff" * 32),
        patched(88, (1023).to_bytes(4, "big")),
        patched(92, (32_767).to_bytes(4, "big")),
        patched(96, bytes(4)),
        patched(108, bytes(4)),
        patched(112, b"\x00"),
        patched(112, b"\x20"),
        patched(112, b"\xff"),
        patched(113, b"y"),
        patched(113, b" "),
    ],
)
def test_w11_w12_a_server_hello_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidServerHello):
        ServerHello.decode(data, offer_of("handshake"))


def test_w12_what_was_not_offered_may_not_be_chosen() -> None:
    offer = offer_of("handshake_negotiation")
    data = octets("handshake")["server_hello"]
    assert ServerHello.decode(data, offer).suite in offer.suites
    only_future = ClientHello(ephemeral=offer.ephemeral, hint=offer.hint, versions=(3,))
    other_suite = ClientHello(
        ephemeral=offer.ephemeral, hint=offer.hint, suites=("future-suite",)
    )
    for narrower in (only_future, other_suite):
        with pytest.raises(InvalidServerHello, match="not offered"):
            ServerHello.decode(data, narrower)


def test_the_clear_greeting_has_48_bytes_and_one_form() -> None:
    greeting = ClearGreeting(session_id=bytes(range(16)), limits=WireLimits())
    data = greeting.encode()
    assert len(data) == CLEAR_GREETING_BYTES == 48
    assert ClearGreeting.decode(data) == greeting
    for bad in (
        b"",
        data[:-1],
        data + b"\0",
        b"X" + data[1:],
        data[:7] + b"\2" + data[8:],
    ):
        with pytest.raises(InvalidServerHello):
            ClearGreeting.decode(bad)
