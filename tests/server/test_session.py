"""A session: who it is, what decides about it, what a handler sees of it."""

from standing import policy, session
from vestibule.protocol.codec import decode_body
from vestibule.protocol.names import parse_name
from vestibule.server.gate import PUBLISH
from vestibule.server.verdict import Allowed, Denied


def test_a_session_is_decided_by_the_policy_that_it_follows() -> None:
    lisa, _ = session(policy(["x"]))
    name = parse_name("x")
    assert isinstance(lisa.subject.decide(PUBLISH.need, name), Allowed)
    lisa.follow(policy())
    assert isinstance(lisa.subject.decide(PUBLISH.need, name), Denied)


def test_a_session_with_groups_of_its_own_is_not_bound_to_a_user() -> None:
    bound, _ = session(policy(), groups=None)
    unbound, _ = session(policy())
    assert (bound.bound, unbound.bound) == (True, False)
    assert unbound.view().groups == ("G",)


def test_providers_are_told_who_calls_by_the_broker_alone() -> None:
    lisa, _ = session(policy())
    assert decode_body(lisa.identity) == {
        "username": "lisa",
        "session_id": lisa.id,
        "delegate": None,
    }


def test_what_a_handler_keeps_on_a_session_is_seen_by_it_and_never_printed() -> None:
    lisa, _ = session(policy(), server_data={"role": "swordfish"})
    view = lisa.view()
    assert view.server_data == {"role": "swordfish"}
    assert (view.username, view.session_id) == ("lisa", lisa.id)
    assert "swordfish" not in repr(lisa) + repr(view)
