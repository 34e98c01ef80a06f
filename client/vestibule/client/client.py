"""How an application begins: `connect` into quarantine, `open_session` right through."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from vestibule.client.entering import Connecting, OpeningSession
from vestibule.client.reconnect import Reconnect
from vestibule.client.settings import (
    Encryption,
    FirstUse,
    OnClientData,
    OnError,
    OnState,
    Settings,
)
from vestibule.client.websocket import dial


__all__ = ["connect", "open_session"]

_DEFAULT_RECONNECT: Final = Reconnect()


def connect(  # noqa: PLR0913 - the choices that an application has
    url: str,
    *,
    server_key: str | Sequence[str] | None = None,
    known_brokers: str | os.PathLike[str] | None = None,
    first_use: FirstUse = "trust",
    encryption: Encryption = "required",
    headers: Mapping[str, str] | None = None,
    reconnect: Reconnect | None = _DEFAULT_RECONNECT,
    request_timeout: float = 30.0,
    keep_login_data: bool = True,
    on_state: OnState | None = None,
    on_client_data: OnClientData | None = None,
    on_error: OnError | None = None,
) -> Connecting:
    """Connect to a broker, into quarantine.

    Used as `async with connect(url, …) as connection`.

    Callbacks may be sync or async; one that raises is logged.

    Args:
        url: `ws://host:port` or `wss://host:port`.
        server_key: the broker's key, `vsk1_…`, or a list of keys; no other is
            accepted. Without it the known-brokers file decides.
        known_brokers: that file; by default the one of `$VESTIBULE_KNOWN_BROKERS`, or
            of this user. Loopback addresses are looked up only in a file named here.
        first_use: whether to `"trust"` or `"refuse"` a broker that nobody knows.
        encryption: `"off"` talks to brokers without encryption, and to no others; no
            server key is checked then.
        headers: added to the upgrade request.
        reconnect: how a lost session is taken up again; None: not at all.
        request_timeout: seconds that the broker has for the answer to a request.
        keep_login_data: whether to keep the login data in memory, to log in again.
        on_state: called as `on_state(state, reason)` at each change of state.
        on_client_data: called with `client_data` when a reconnection changed it.
        on_error: called with the RequestFailed of a message sent with `ack=False`, or
            of an answer that the broker did not take.

    Raises:
        ValueError: a server key, URL, choice or time that is none.
        TypeError: an argument of another type.
    """
    return Connecting(
        Settings.of_arguments(
            url,
            server_key=server_key,
            known_brokers=known_brokers,
            first_use=first_use,
            encryption=encryption,
            headers=headers,
            reconnect=reconnect,
            request_timeout=request_timeout,
            keep_login_data=keep_login_data,
            on_state=on_state,
            on_client_data=on_client_data,
            on_error=on_error,
        ),
        dial,
    )


def open_session(  # noqa: PLR0913 - the choices that an application has
    url: str,
    auth_data: Any = None,
    *,
    scram: bool = False,
    plain_on_first_use: bool = False,
    server_key: str | Sequence[str] | None = None,
    known_brokers: str | os.PathLike[str] | None = None,
    first_use: FirstUse = "trust",
    encryption: Encryption = "required",
    headers: Mapping[str, str] | None = None,
    reconnect: Reconnect | None = _DEFAULT_RECONNECT,
    request_timeout: float = 30.0,
    keep_login_data: bool = True,
    on_state: OnState | None = None,
    on_client_data: OnClientData | None = None,
    on_error: OnError | None = None,
) -> OpeningSession:
    """Connect to a broker and log in.

    Used as `async with open_session(url, {…}) as session`.

    The arguments are those of `Connection.login` and of `connect`.
    """
    connecting = connect(
        url,
        server_key=server_key,
        known_brokers=known_brokers,
        first_use=first_use,
        encryption=encryption,
        headers=headers,
        reconnect=reconnect,
        request_timeout=request_timeout,
        keep_login_data=keep_login_data,
        on_state=on_state,
        on_client_data=on_client_data,
        on_error=on_error,
    )
    return OpeningSession(
        connecting, auth_data, scram=scram, plain_on_first_use=plain_on_first_use
    )
