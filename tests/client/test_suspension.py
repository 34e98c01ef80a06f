import logging

import pytest

from vestibule.client.callbacks import Callbacks
from vestibule.client.suspension import Suspendable
from vestibule.client.tasks import Tasks


REVOKED = "PERMISSION_REVOKED"


async def test_each_change_is_told_once_with_what_changed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told: list[tuple[str, str | None, tuple[str, ...]]] = []

    def on_state(state: str, code: str | None, patterns: tuple[str, ...]) -> None:
        told.append((state, code, patterns))

    thing = Suspendable(Callbacks(Tasks()), on_state)
    with caplog.at_level(logging.INFO):
        assert thing.suspend(("a", "b"), REVOKED)
        assert not thing.suspend(("a",), REVOKED)
        assert [thing.suspended] == [True]
        assert ",".join(thing.suspended_patterns) == "a,b"
        assert thing.resume(("a",))
        assert not thing.resume(("a",))
        assert ",".join(thing.suspended_patterns) == "b"
        assert thing.resume(("b", "c"))
    assert [thing.suspended] == [False]
    assert told == [
        ("suspended", REVOKED, ("a", "b")),
        ("resumed", None, ("a",)),
        ("resumed", None, ("b",)),
    ]
    assert [(r.message, r.levelno) for r in caplog.records] == [
        ("access.suspended", logging.INFO),
        ("access.resumed", logging.INFO),
        ("access.resumed", logging.INFO),
    ]
