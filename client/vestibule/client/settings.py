"""What an application says when it connects, checked before anything is sent."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from vestibule.client.endpoint import Endpoint
from vestibule.client.errors import RequestFailed
from vestibule.client.reconnect import Reconnect
from vestibule.client.state import ConnectionState
from vestibule.client.transport import Target
from vestibule.protocol.crypto import parse_server_key


__all__ = [
    "Encryption",
    "FirstUse",
    "OnClientData",
    "OnError",
    "OnState",
    "Settings",
    "seconds",
]

Encryption: TypeAlias = Literal["required", "off"]
FirstUse: TypeAlias = Literal["trust", "refuse"]
OnState: TypeAlias = Callable[[ConnectionState, str | None], object]
OnClientData: TypeAlias = Callable[[Any], object]
OnError: TypeAlias = Callable[[RequestFailed], object]

_SUBPROTOCOLS: Final[dict[str, str]] = {
    "required": "vestibule.1",
    "off": "vestibule.1-clear",
}
"""A client offers exactly the one it was told, so nothing can turn one into the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The arguments of `connect`, in the form in which they are used.

    Times are seconds. Callbacks may be sync or async.
    """

    target: Target
    endpoint: Endpoint
    encrypted: bool
    server_keys: tuple[bytes, ...]
    known_brokers: Path | None
    first_use: bool
    """Whether the key of an endpoint that nobody knows is trusted."""
    reconnect: Reconnect | None
    request_timeout: float
    keep_login_data: bool
    on_state: OnState | None = field(repr=False)
    on_client_data: OnClientData | None = field(repr=False)
    on_error: OnError | None = field(repr=False)

    @classmethod
    def of_arguments(  # noqa: PLR0913 - the arguments of `connect`
        cls,
        url: str,
        *,
        server_key: str | Sequence[str] | None,
        known_brokers: str | os.PathLike[str] | None,
        first_use: FirstUse,
        encryption: Encryption,
        headers: Mapping[str, str] | None,
        reconnect: Reconnect | None,
        request_timeout: float,
        keep_login_data: bool,
        on_state: OnState | None,
        on_client_data: OnClientData | None,
        on_error: OnError | None,
    ) -> "Settings":
        """Check what an application gave.

        Raises:
            ValueError: a server key, URL, choice or time that is none.
            TypeError: an argument of another type.
        """
        if not isinstance(url, str):
            raise TypeError("url is a str")
        if first_use not in ("trust", "refuse"):
            raise ValueError('first_use is "trust" or "refuse"')
        if encryption not in _SUBPROTOCOLS:
            raise ValueError('encryption is "required" or "off"')
        if not (reconnect is None or isinstance(reconnect, Reconnect)):
            raise TypeError("reconnect is a Reconnect, or None")
        for callback in (on_state, on_client_data, on_error):
            if not (callback is None or callable(callback)):
                raise TypeError("on_state, on_client_data and on_error are callables")
        return cls(
            target=Target(url, _SUBPROTOCOLS[encryption], dict(headers or {})),
            endpoint=Endpoint.of_url(url),
            encrypted=encryption == "required",
            server_keys=_server_keys(server_key),
            known_brokers=None if known_brokers is None else Path(known_brokers),
            first_use=first_use == "trust",
            reconnect=reconnect,
            request_timeout=seconds(request_timeout, "request_timeout"),
            keep_login_data=bool(keep_login_data),
            on_state=on_state,
            on_client_data=on_client_data,
            on_error=on_error,
        )


def _server_keys(given: str | Sequence[str] | None) -> tuple[bytes, ...]:
    if given is None:
        return ()
    texts = (given,) if isinstance(given, str) else tuple(given)
    if not texts:
        raise ValueError("server_key names at least one key")
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("server_key is a str, or a list of them")
    return tuple(parse_server_key(text) for text in texts)


def seconds(value: float, name: str) -> float:
    """Check a time that an application gave.

    Raises:
        TypeError: not a number.
        ValueError: not finite, or not more than 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is a number of seconds")
    if not math.isfinite(value) or value <= 0:
        raise ValueError(f"{name} is a number of seconds above 0")
    return float(value)
