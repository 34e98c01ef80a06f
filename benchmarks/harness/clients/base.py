"""What a client must do to be driven, in Python."""

from collections.abc import Callable
from typing import Protocol


__all__ = ["PASSWORD", "Client", "Denials", "Driver", "user"]

PASSWORD = "password"  # noqa: S105 - every account of a benchmark has it


class Client(Protocol):
    """One logged-in connection. Names are those that `Driver.name` gave."""

    async def close(self) -> None:
        """End the connection; its subscriptions and provisions go with it."""

    async def provide_echo(self, name: str) -> None:
        """Answer calls of `name` with what they carry; returns when that is live."""

    async def call(self, name: str) -> None:
        """Call `name` with the payload and wait for the answer."""

    async def subscribe(self, name: str, on_event: Callable[[], None]) -> None:
        """Call `on_event` for each event of `name`; returns when that is live."""

    async def publish(self, name: str) -> None:
        """Publish the payload without waiting for the broker's word on it."""


class Driver(Protocol):
    """Makes clients of one peer."""

    def name(self, path: str) -> str:
        """Spell `ev/one` as the peer does."""

    async def prepare(self) -> None:
        """Make users and grants, where that is done over a connection."""

    async def connect(self, number: int) -> Client:
        """Connect and log in as user `number`; returns when the server has said so."""

    async def denials(self) -> list[str]:
        """Try what must be denied and name it; raises if any of it is not."""

    async def close(self) -> None:
        """End what belongs to the driver itself."""


def user(number: int, users: int) -> str:
    """Name the account of connection `number`."""
    return f"u{number % users}"


class Denials:
    """Collects what was denied; what was not denied is an error."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def expect(self, what: str, *, denied: bool) -> None:
        """Note one attempt; raises if it went through."""
        if not denied:
            raise AssertionError(f"{what} was not denied: nothing is measured")
        self.seen.append(what)
