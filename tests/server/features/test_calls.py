"""What is kept of a call and of an offer to answer calls."""

from typing import Any

from msgspec import Raw

from standing import policy, session
from vestibule.protocol.codec import encode_body
from vestibule.protocol.names import parse_name
from vestibule.server.features.calls import OpenCall, Provision
from vestibule.server.gate import CALL, PROVIDE


ADD = parse_name("add")


def test_a_provision_stands_under_the_right_to_provide_its_name() -> None:
    lisa, _ = session(policy())
    provision = Provision(lisa, ADD)
    assert (provision.right, provision.name) == (PROVIDE, "add")
    assert not provision.suspended


def call(late: list[Any]) -> OpenCall:
    lisa, _ = session(policy())
    return OpenCall(
        lisa,
        CALL,
        request=7,
        name=ADD,
        body=Raw(encode_body({"a": "secret"})),
        timeout=5.0,
        when_late=late.append,
    )


def test_a_call_tells_its_owner_when_it_is_late() -> None:
    late: list[OpenCall] = []
    made = call(late)
    assert (made.accepted, made.over, made.provision) == (False, False, None)
    made.late()
    assert late == [made]


def test_a_call_that_is_over_holds_its_body_no_longer() -> None:
    made = call([])
    made.stop()
    assert made.over
    assert bytes(made.body) == b"\xc0"
