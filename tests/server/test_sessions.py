"""The live sessions, by id and by user."""

from standing import policy, session
from vestibule.server.admissions import Admission
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


def test_a_session_that_is_somebody_else_now_is_found_by_that_user() -> None:
    sessions, by = Sessions(), policy()
    first, _ = session(by, "lisa", 1)
    sessions.add(first)
    first.become(Admission("bob", "directory"), by)
    sessions.moved(first, "lisa")
    assert (sessions.of("bob"), sessions.of("lisa")) == ((first,), ())
    sessions.moved(first, "bob")
    sessions.discard(first)
    sessions.moved(first, "lisa")
    assert sessions._by_user == {}


def test_sessions_of_nobody_are_counted_by_address() -> None:
    sessions, by = Sessions(), policy()
    some = [session(by, "", number)[0] for number in range(3)]
    for one in some:
        sessions.add(one)
    assert sessions.count("", "192.0.2.1") == 3
    assert sessions.count("", "198.51.100.7") == 0
    some[0].become(Admission("bob", "directory"), by)
    sessions.moved(some[0], "")
    sessions.discard(some[1])
    assert (sessions.count("", "192.0.2.1"), sessions.count("bob")) == (1, 1)
    sessions.discard(some[2])
    assert not sessions._nameless


def test_spellings_of_one_name_are_found_together() -> None:
    sessions, by = Sessions(str.casefold), policy()
    early, late = session(by, "Lisa", 1)[0], session(by, "lisa", 2)[0]
    sessions.add(early)
    sessions.add(late)
    assert sessions.of("lisa") == (early, late)
    assert sessions.count("LISA") == 2
    early.become(Admission("bob", "directory"), by)
    sessions.moved(early, "Lisa")
    assert (sessions.of("lisa"), sessions.of("bob")) == ((late,), (early,))
    sessions.discard(early)
    sessions.discard(late)
    assert sessions._by_user == {}
