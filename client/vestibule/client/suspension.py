"""What can lose its right and get it back: it is suspended meanwhile, and says so."""

import logging
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from vestibule.client.callbacks import Callbacks


__all__ = ["OnAccess", "Suspendable"]

log = logging.getLogger("vestibule.client")

OnAccess: TypeAlias = Callable[[str, str | None, tuple[str, ...]], object]
"""`on_state("suspended", "PERMISSION_REVOKED", patterns)`, `on_state("resumed", None,
patterns)`; sync or async."""


class Suspendable:
    """The part of a subscription or provision that knows what of it is suspended."""

    def __init__(self, callbacks: Callbacks, on_state: OnAccess | None) -> None:
        self._callbacks: Final = callbacks
        self._on_state: Final = on_state
        self._suspended: dict[str, None] = {}

    @property
    def suspended(self) -> bool:
        """Whether at least one of its patterns is suspended."""
        return bool(self._suspended)

    @property
    def suspended_patterns(self) -> tuple[str, ...]:
        """The patterns that are suspended, as they were given."""
        return tuple(self._suspended)

    def suspend(self, patterns: Iterable[str], code: str) -> bool:
        """Suspend patterns; answers whether any of them was not."""
        new = tuple(p for p in patterns if p not in self._suspended)
        if not new:
            return False
        self._suspended.update(dict.fromkeys(new))
        log.info("access.suspended", extra={"patterns": new, "code": code})
        self._callbacks.call(self._on_state, "suspended", code, new)
        return True

    def resume(self, patterns: Iterable[str]) -> bool:
        """Resume patterns; answers whether any of them was suspended."""
        back = tuple(p for p in patterns if p in self._suspended)
        if not back:
            return False
        for pattern in back:
            del self._suspended[pattern]
        log.info("access.resumed", extra={"patterns": back})
        self._callbacks.call(self._on_state, "resumed", None, back)
        return True
