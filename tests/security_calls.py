"""Calling the methods of `security` as the broker does."""

from collections.abc import Awaitable
from typing import Any

import pytest

from vestibule.protocol.errors import ErrorCode
from vestibule.server.components import Caller, Component
from vestibule.server.directory import Directory
from vestibule.server.errors import RequestError
from vestibule.server.features.security.administration import administration
from vestibule.server.features.security.own_user import OwnPasswordLockout, OwnUser


__all__ = ["ADMIN", "LISA", "call", "parts_of", "refused"]

LISA = Caller("lisa", "s1", bound=True)
ADMIN = Caller("_ADMIN", "s0", bound=True)


def parts_of(
    directory: Directory, *, lockout: OwnPasswordLockout | None = None
) -> Component:
    """Make what a directory alone needs of the component `security`."""
    own = OwnUser(directory, lockout=lockout)
    return Component.of("security", administration(directory), own)


async def call(
    component: Component,
    name: str,
    *args: Any,
    caller: Caller = LISA,
    **kwargs: Any,
) -> Any:
    """Call as the broker does."""
    body = {"args": list(args), "kwargs": kwargs}
    return await component.methods[name].call(caller, body)


async def refused(awaited: Awaitable[Any], code: ErrorCode) -> None:
    """Await a call that is refused with a code."""
    with pytest.raises(RequestError) as refusal:
        await awaited
    assert refusal.value.code is code
