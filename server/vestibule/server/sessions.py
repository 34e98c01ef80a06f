"""The live sessions, by id and by user."""

from collections.abc import Iterator, Mapping

from vestibule.server.session import Session


__all__ = ["Sessions"]


class Sessions(Mapping[str, Session]):
    """Every admitted session that has not ended."""

    def __init__(self) -> None:
        self._by_id: dict[str, Session] = {}
        self._by_user: dict[str, dict[Session, None]] = {}

    def add(self, session: Session) -> None:
        """Enter a session that was just admitted."""
        self._by_id[session.id] = session
        self._by_user.setdefault(session.username, {})[session] = None

    def discard(self, session: Session) -> None:
        """Take out a session that has ended."""
        if self._by_id.pop(session.id, None) is None:
            return
        mine = self._by_user[session.username]
        del mine[session]
        if not mine:
            del self._by_user[session.username]

    def of(self, username: str) -> tuple[Session, ...]:
        """Give the sessions of one user."""
        return tuple(self._by_user.get(username, ()))

    def count(self, username: str) -> int:
        """Count the sessions of one user."""
        return len(self._by_user.get(username, ()))

    def __getitem__(self, session_id: str) -> Session:
        return self._by_id[session_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)
