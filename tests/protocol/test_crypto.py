import copy
import os
import pickle  # noqa: TID251 - to see it refused
import random
from collections.abc import Callable

import pytest

from vestibule.protocol import crypto
from vestibule.protocol.crypto import (
    MAX_EPOCH,
    MAX_EPOCH_RECORDS,
    DirectionKey,
    IdentityKey,
    ReceivingKey,
    SendingKey,
    agree,
    derive,
    fingerprint,
    fingerprint_text,
    new_ephemeral,
    parse_server_key,
    public_key,
    server_key_text,
)
from vestibule.protocol.errors import BadRecord, LocalProtocolError
from wire import Wire
from wire_vectors import HANDSHAKES, VECTORS, octets


PRIME = (2**255 - 19).to_bytes(32, "little")
SMALL_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    (2**255 - 20).to_bytes(32, "little"),
]
NOT_CANONICAL = [PRIME, b"\xff" * 32, b"\x09" + bytes(30) + b"\x80"]


@pytest.mark.parametrize("name", HANDSHAKES)
def test_w1_every_derived_value_is_that_of_the_vectors(name: str) -> None:
    v = octets(name)
    shared = agree(v["server_ephemeral_public"], v["client_ephemeral_secret"])
    static = IdentityKey(v["server_identity_secret"]).agree(
        v["client_ephemeral_public"]
    )
    assert public_key(v["client_ephemeral_secret"]) == v["client_ephemeral_public"]
    assert shared == v["k_ee"]
    assert shared == agree(v["client_ephemeral_public"], v["server_ephemeral_secret"])
    assert static == v["k_es"]
    keys = derive(v["client_hello"], v["server_hello_without_proof"], shared, static)
    assert keys.transcript == v["th"]
    assert keys.client_to_server == v["k_c2s"]
    assert keys.server_to_client == v["k_s2c"]
    assert keys.exporter == v["exporter"]
    assert keys.finished == v["proof_plaintext"]
    assert SendingKey("s2c", keys.server_to_client).seal(keys.finished) == v["proof"]


@pytest.mark.parametrize("direction", ["c2s", "s2c"])
def test_w2_the_records_of_the_vectors_are_sealed_and_opened(direction: str) -> None:
    records = VECTORS[f"records_{direction}"]
    first = bytes.fromhex(records[0]["key"])
    sending = SendingKey(direction, first)
    receiving = ReceivingKey(direction, first)
    # The proof was the server's record 0.
    sending.records = receiving.records = records[0]["counter"]
    for record in records:
        content, box = bytes.fromhex(record["batch"]), bytes.fromhex(record["box"])
        assert (sending.epoch, sending.records) == (record["epoch"], record["counter"])
        assert sending._key.hex() == record["key"]
        assert sending.seal(content) == box
        assert receiving.open(box) == content
        if "next_key" in record:
            sending.rekey()
            receiving.rekey()
            assert sending._key.hex() == receiving._key.hex() == record["next_key"]


def test_the_server_key_of_the_vectors_has_its_texts() -> None:
    given = VECTORS["server_key"]
    public = bytes.fromhex(given["public"])
    assert server_key_text(public) == given["text"]
    assert parse_server_key(given["text"]) == public
    assert fingerprint(public).hex() == given["fingerprint"]
    assert fingerprint_text(public) == given["fingerprint_text"]
    key = IdentityKey(octets("handshake")["server_identity_secret"])
    assert (key.public, key.text) == (public, given["text"])
    assert key.fingerprint.hex() == given["fingerprint"]


@pytest.mark.parametrize("key", [*SMALL_ORDER, *NOT_CANONICAL, bytes(31), bytes(33)])
def test_keys_that_agree_on_nothing_are_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="public key"):
        agree(key, new_ephemeral())


GOOD_TEXT = VECTORS["server_key"]["text"]


@pytest.mark.parametrize(
    "text",
    [
        GOOD_TEXT[:-1],
        GOOD_TEXT + "=",
        GOOD_TEXT + "A",
        "vsk2_" + GOOD_TEXT[5:],
        "vss1_" + GOOD_TEXT[5:],
        GOOD_TEXT[5:],
        GOOD_TEXT[:-1] + "J",  # the last character carries two bits that are unused
        GOOD_TEXT.replace("g", "+", 1),
        GOOD_TEXT[:20] + "\n" + GOOD_TEXT[21:],
        GOOD_TEXT[:20] + " " + GOOD_TEXT[21:],
        GOOD_TEXT[:20] + "é" + GOOD_TEXT[21:],
        GOOD_TEXT.upper(),
        "",
        "vsk1_",
        *(server_key_text(key) for key in [*SMALL_ORDER, *NOT_CANONICAL]),
    ],
)
def test_w45_a_server_key_has_one_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"^a (public )?key") as refusal:
        parse_server_key(text)
    assert len(text) < 10 or text not in str(refusal.value)


def test_an_identity_key_shows_its_fingerprint_and_nothing_else() -> None:
    key = IdentityKey.generate()
    secret = key.secret_text()
    assert IdentityKey.parse(secret).public == key.public
    for shown in (repr(key), str(key), f"{key}", repr([key]), repr({"k": key})):
        assert fingerprint_text(key.public) in shown
        assert secret[5:] not in shown
        assert key._secret.hex() not in shown
        assert repr(key._secret) not in shown
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(ValueError, match="32 bytes"):
        IdentityKey(bytes(31))


def test_keys_of_a_direction_and_an_exchange_are_not_shown() -> None:
    secret = new_ephemeral()
    shown = repr(SendingKey("c2s", secret)) + repr(ReceivingKey("c2s", secret))
    shown += repr(derive(b"a", b"b", secret, secret))
    assert secret.hex() not in shown
    assert repr(secret) not in shown


@pytest.mark.parametrize("kind", [SendingKey, ReceivingKey])
@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
def test_w50_k5_a_key_that_counts_has_no_copy(
    kind: type[DirectionKey], way: Callable[[object], object]
) -> None:
    key = kind("c2s", new_ephemeral())
    with pytest.raises(TypeError, match="cannot be"):
        way(key)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_w50_k5_a_key_does_not_work_in_a_child_process() -> None:
    secret = new_ephemeral()
    sending, receiving = SendingKey("c2s", secret), ReceivingKey("c2s", secret)
    box = SendingKey("c2s", secret).seal(b"x")
    child = os.fork()
    if child == 0:
        refused = 0
        for use, data in ((sending.seal, b"x"), (receiving.open, box)):
            try:
                use(data)
            except LocalProtocolError:
                refused += 1
        # A key that the child makes for itself works.
        SendingKey("c2s", secret).seal(b"x")
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    assert receiving.open(sending.seal(b"x")) == b"x"


def test_a_number_is_taken_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    key = SendingKey("c2s", new_ephemeral())

    def failing(batch: bytes, nonce: bytes, key: bytes) -> bytes:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(crypto, "seal_box", failing)
        with pytest.raises(MemoryError):
            key.seal(b"x")
    assert key.records == 1


def test_an_epoch_that_is_used_up_seals_nothing() -> None:
    key = SendingKey("c2s", new_ephemeral())
    key.records = MAX_EPOCH_RECORDS
    with pytest.raises(LocalProtocolError):
        key.seal(b"x")
    key.rekey()
    assert key.seal(b"x")
    key.epoch = MAX_EPOCH
    with pytest.raises(LocalProtocolError):
        key.rekey()


def test_a_record_that_does_not_open_moves_nothing() -> None:
    secret = new_ephemeral()
    sending, receiving = SendingKey("c2s", secret), ReceivingKey("c2s", secret)
    first, second = sending.seal(b"1"), sending.seal(b"2")
    with pytest.raises(BadRecord):
        receiving.open(second)
    assert (receiving.records, receiving.bytes) == (0, 0)
    assert receiving.open(first) == b"1"
    assert receiving.bytes == sending.bytes - len(second) == len(first)


def test_k5_no_key_meets_a_nonce_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[int] = set()
    sealed = 0

    def observe(batch: bytes, nonce: bytes, key: bytes) -> bytes:
        nonlocal sealed
        sealed += 1
        seen.add(hash((key, nonce)))
        return b""

    seed = random.SystemRandom().randrange(2**32)
    chance = random.Random(seed)  # noqa: S311 - when to change keys is no secret
    wire = Wire()
    wire.pump()
    monkeypatch.setattr(crypto, "seal_box", observe)
    for key in (wire.initiator._sending, wire.responder._sending):
        assert isinstance(key, SendingKey)
        for _ in range(200_000):
            key.seal(b"")
            if chance.random() < 0.01:
                key.rekey()
    assert len(seen) == sealed == 400_000, f"seed {seed}"


def test_k7_no_two_keys_of_a_thousand_exchanges_are_equal() -> None:
    identity = IdentityKey.generate()
    seen: set[bytes] = set()
    for number in range(1000):
        client, server = new_ephemeral(), new_ephemeral()
        keys = derive(
            number.to_bytes(512, "big"),
            b"hello",
            agree(public_key(server), client),
            agree(identity.public, client),
        )
        of_exchange = (keys.client_to_server, keys.server_to_client, keys.exporter)
        assert bytes(32) not in of_exchange
        seen.update(of_exchange)
    assert len(seen) == 3000
