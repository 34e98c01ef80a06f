from vestibule.client import ConnectionState
from vestibule.client.lifecycle import TRANSITIONS


def test_every_state_has_its_row_and_only_one_is_the_end() -> None:
    assert set(TRANSITIONS) == set(ConnectionState)
    assert [state for state, after in TRANSITIONS.items() if not after] == [
        ConnectionState.CLOSED
    ]


def test_every_state_but_the_end_may_end() -> None:
    for state, after in TRANSITIONS.items():
        assert state is ConnectionState.CLOSED or ConnectionState.CLOSED in after


def test_only_a_session_is_reconnected() -> None:
    before = [s for s, after in TRANSITIONS.items() if "reconnecting" in after]
    assert before == [ConnectionState.OPEN]
