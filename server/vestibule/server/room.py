"""The room that strangers wait in: how many, from where, and who makes place."""

from collections import Counter
from collections.abc import Callable
from typing import Final, Protocol


__all__ = ["Room", "Stranger"]


class Stranger(Protocol):
    """A connection in quarantine, as far as the room needs it."""

    @property
    def deciding(self) -> bool:
        """Whether a login of it is being decided."""

    def evict(self) -> None:
        """End: the place is needed."""


class Room:
    """Bounds the connections in quarantine, together and from one address.

    A full room evicts the stranger that has waited longest, if that is `evict_after`
    seconds and no login of it is being decided. Admitted sessions are not in it.
    """

    def __init__(
        self,
        *,
        most: int,
        most_per_address: int,
        evict_after: float,
        clock: Callable[[], float],
    ) -> None:
        self._most: Final = most
        self._most_per_address: Final = most_per_address
        self._evict_after: Final = evict_after
        self._clock: Final = clock
        # Insertion order is the order of arrival.
        self._strangers: dict[Stranger, tuple[float, str | None]] = {}
        self._addresses: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._strangers)

    def enter(self, stranger: Stranger, address: str | None) -> bool:
        """Give a place, or answer that there is none.

        `address` is None while it is not known, behind a trusted proxy.
        """
        if address is not None and self._addresses[address] >= self._most_per_address:
            return False
        if len(self._strangers) >= self._most and not self._evict():
            return False
        self._strangers[stranger] = (self._clock(), address)
        if address is not None:
            self._addresses[address] += 1
        return True

    def identify(self, stranger: Stranger, address: str) -> bool:
        """Note the address that a trusted proxy tells; false if it has no more room."""
        arrived, known = self._strangers[stranger]
        if known is not None:
            return True
        if self._addresses[address] >= self._most_per_address:
            return False
        self._strangers[stranger] = (arrived, address)
        self._addresses[address] += 1
        return True

    def leave(self, stranger: Stranger) -> None:
        """Give the place back: admitted, or gone."""
        entry = self._strangers.pop(stranger, None)
        if entry is None:
            return
        address = entry[1]
        if address is not None:
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

    def _evict(self) -> bool:
        now = self._clock()
        for stranger, (arrived, _) in self._strangers.items():
            if now - arrived < self._evict_after:
                return False
            if not stranger.deciding:
                self.leave(stranger)
                stranger.evict()
                return True
        return False
