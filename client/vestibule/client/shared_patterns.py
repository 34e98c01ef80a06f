"""The patterns that one session has at the broker, and who of it holds them.

Subscriptions that overlap share: a pattern is on the wire once, whoever holds it here.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from vestibule.client.errors import RequestFailed, request_failed
from vestibule.client.subscription import Subscription
from vestibule.protocol.actions import Action, Topic
from vestibule.protocol.errors import InvalidName
from vestibule.protocol.names import parse_name
from vestibule.protocol.patterns import Pattern, PatternTrie


__all__ = ["DENIED", "UNREADABLE", "Refusal", "Shared", "SharedPatterns"]

_REMEMBERED: Final = 4_096
"""Names whose receivers are known at once; afterwards they are looked up anew."""


class Refusal(msgspec.Struct, array_like=True, frozen=True):
    """Why a pattern was not accepted."""

    code: str
    message: str = ""
    details: dict[str, Any] = {}

    def error(self, name: str) -> RequestFailed:
        """Make the exception for the pattern as it was given."""
        return request_failed(
            self.code,
            self.message,
            dict(self.details),
            topic=Topic.EVENT,
            action=Action.SUBSCRIBE,
            name=name,
        )


DENIED: Final = Refusal("MESSAGE_DENIED", "denied")
UNREADABLE: Final = Refusal("INVALID_MESSAGE_DATA", "an answer that cannot be read")


class Shared:
    """One pattern as the broker has it, and the subscriptions here that hold it."""

    __slots__ = ("echo", "holders", "pattern", "settled", "suspended", "told")

    def __init__(self, pattern: Pattern, *, echo: bool) -> None:
        self.pattern: Final = pattern
        self.echo = echo
        self.suspended = False
        # The holders, each with the texts that it gave for the pattern.
        self.holders: dict[Subscription, tuple[str, ...]] = {}
        self.settled: asyncio.Event | None = asyncio.Event()
        """Set when the broker has answered; None afterwards."""
        self.told = False
        """Whether a notice about it has come since it was asked for."""

    def settle(self) -> None:
        """Take note that the broker has answered, or will not."""
        if self.settled is not None:
            self.settled.set()
            self.settled = None


class SharedPatterns:
    """The table of patterns. It sends nothing: `Events` does."""

    __slots__ = ("_held", "_receivers", "_table", "_trie")

    def __init__(self) -> None:
        self._table: dict[str, Shared] = {}
        self._trie: PatternTrie[Shared] = PatternTrie()
        self._held: dict[Subscription, list[Shared]] = {}
        self._receivers: dict[str, tuple[Subscription, ...]] = {}

    @property
    def subscriptions(self) -> list[Subscription]:
        """Everybody who holds something."""
        return list(self._held)

    @property
    def settled(self) -> list[Shared]:
        """The patterns that the broker has answered for."""
        return [shared for shared in self._table.values() if shared.settled is None]

    def get(self, text: str) -> Shared | None:
        """Give a pattern that somebody holds."""
        return self._table.get(text)

    def named(self, texts: Iterable[str]) -> list[Shared]:
        """Give those of some patterns that somebody holds."""
        return [self._table[text] for text in texts if text in self._table]

    async def until_settled(self, texts: Sequence[str]) -> None:
        """Wait until the broker has answered for all that are being asked for."""
        while asked := [s.settled for s in self.named(texts) if s.settled is not None]:
            await asked[0].wait()

    def add(self, pattern: Pattern, *, echo: bool) -> Shared:
        """Enter a pattern that is about to be asked for."""
        shared = self._table[pattern.text] = Shared(pattern, echo=echo)
        self._trie.add(pattern, shared)
        return shared

    def hold(
        self, shared: Shared, holder: Subscription, texts: tuple[str, ...]
    ) -> None:
        """Let `holder` hold a pattern, which it has spelt as `texts`."""
        shared.holders[holder] = texts
        self._held.setdefault(holder, []).append(shared)
        self._receivers.clear()

    def release(self, shared: Shared, holder: Subscription) -> tuple[str, ...]:
        """Let `holder` hold it no longer; answer how it had spelt it."""
        texts = shared.holders.pop(holder, ())
        self._held.get(holder, []).remove(shared)
        self._tidy(shared)
        return texts

    def release_all(self, holder: Subscription) -> list[str]:
        """Let `holder` hold nothing; answer which patterns nobody holds any more."""
        texts: list[str] = []
        for shared in self._held.pop(holder, ()):
            shared.holders.pop(holder, None)
            if self._tidy(shared):
                texts.append(shared.pattern.text)
        self._receivers.clear()
        return texts

    def _tidy(self, shared: Shared) -> bool:
        self._receivers.clear()
        text = shared.pattern.text
        if shared.holders or self._table.get(text) is not shared:
            return False
        del self._table[text]
        self._trie.discard(shared.pattern, shared)
        return True

    def mark(
        self, texts: Iterable[str], *, suspended: bool
    ) -> dict[Subscription, tuple[str, ...]]:
        """Note what a notice said; answer whom it concerns, with its own spelling."""
        changed: dict[Subscription, tuple[str, ...]] = {}
        for shared in self.named(texts):
            shared.told = True
            shared.suspended = suspended
            for holder, spelt in shared.holders.items():
                changed[holder] = (*changed.get(holder, ()), *spelt)
        self._receivers.clear()
        return changed

    def receivers(self, name: str) -> tuple[Subscription, ...]:
        """Give everybody who gets an event of this name, each once."""
        found = self._receivers.get(name)
        if found is None:
            found = self._find(name)
            if len(self._receivers) >= _REMEMBERED:
                self._receivers.clear()
            self._receivers[name] = found
        return found

    def _find(self, name: str) -> tuple[Subscription, ...]:
        try:
            found = self._trie.find(parse_name(name))
        except InvalidName:
            return ()
        live = [shared for shared in found if not shared.suspended]
        return tuple(dict.fromkeys(h for shared in live for h in shared.holders))
