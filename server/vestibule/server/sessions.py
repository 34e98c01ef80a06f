"""The live sessions, by id and by user."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from vestibule.server.session import Session


__all__ = ["Sessions"]


class Sessions(Mapping[str, Session]):
    """Every admitted session that has not ended.

    `form` gives the form of a name by which it is found: one for all spellings that are
    one user's. A session may have come before its user, and be spelled otherwise.
    """

    def __init__(self, form: Callable[[str], str] = str) -> None:
        self._form: Final = form
        self._by_id: dict[str, Session] = {}
        self._by_user: dict[str, dict[Session, None]] = {}
        self._nameless: Counter[str] = Counter()
        """Anonymous sessions by address."""

    def add(self, session: Session) -> None:
        """Enter a session that was just admitted."""
        self._by_id[session.id] = session
        self._note(session)

    def discard(self, session: Session) -> None:
        """Take out a session that has ended."""
        if self._by_id.pop(session.id, None) is None:
            return
        self._forget(session, session.username)

    def _note(self, session: Session) -> None:
        name = self._form(session.username)
        self._by_user.setdefault(name, {})[session] = None
        if not session.username:
            self._nameless[session.remote_address] += 1

    def _forget(self, session: Session, username: str) -> None:
        if not username:
            address = session.remote_address
            self._nameless[address] -= 1
            if not self._nameless[address]:
                del self._nameless[address]
        name = self._form(username)
        mine = self._by_user[name]
        del mine[session]
        if not mine:
            del self._by_user[name]

    def moved(self, session: Session, before: str) -> None:
        """Find a session by its user of now, who was `before` until now."""
        if session.username == before or session.id not in self._by_id:
            return
        self._forget(session, before)
        self._note(session)

    def of(self, username: str) -> tuple[Session, ...]:
        """Give the sessions of one user."""
        return tuple(self._by_user.get(self._form(username), ()))

    def count(self, username: str, address: str | None = None) -> int:
        """Count the sessions of one user; of nobody's, with `address` those there."""
        if not username and address is not None:
            return self._nameless[address]
        return len(self._by_user.get(self._form(username), ()))

    def __getitem__(self, session_id: str) -> Session:
        return self._by_id[session_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)
