"""The live sessions, by id and by user."""

from standing import policy, session
from vestibule.server.sessions import Sessions


def test_sessions_are_found_by_id_and_by_user() -> None:
    sessions, by = Sessions(), policy()
    first, _ = session(by, "lisa", 1)
    second, _ = session(by, "lisa", 2)
    bob, _ = session(by, "bob", 3)
    for one in (first, second, bob):
        sessions.add(one)
    assert sessions.of("lisa") == (first, second)
    assert [sessions.count(name) for name in ("lisa", "bob", "eve")] == [2, 1, 0]
    assert sessions[bob.id] is bob
    assert list(sessions) == [first.id, second.id, bob.id]


def test_nothing_is_kept_of_a_session_that_is_discarded_even_twice() -> None:
    sessions, by = Sessions(), policy()
    first, _ = session(by, "lisa", 1)
    second, _ = session(by, "lisa", 2)
    sessions.add(first)
    sessions.add(second)
    sessions.discard(first)
    sessions.discard(first)
    assert sessions.of("lisa") == (second,)
    sessions.discard(second)
    assert (len(sessions), sessions.of("lisa")) == (0, ())
    assert sessions._by_user == {}
