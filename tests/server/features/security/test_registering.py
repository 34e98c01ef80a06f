"""The method by which a session registers as control authenticator."""

from typing import Any

import pytest

from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.components import Caller, methods_of
from vestibule.server.errors import RequestError
from vestibule.server.features.security.registering import Registering


CALLER = Caller("lisa", "5e551011", bound=True)


async def test_the_calling_session_is_registered_under_the_name_it_says() -> None:
    registered: list[tuple[Any, object]] = []
    session: Any = object()
    method = Registering(
        lambda who, name: registered.append((who, name)), {CALLER.session_id: session}
    )
    await method.set_authenticator(CALLER, "door")
    assert registered == [(session, "door")]


async def test_a_session_that_has_ended_meanwhile_is_not() -> None:
    method = Registering(lambda who, name: pytest.fail("registered"), {})
    with pytest.raises(RequestError) as caught:
        await method.set_authenticator(CALLER, "door")
    assert caught.value.code is ErrorCode.SESSION_CLOSED


def test_it_needs_both_permissions() -> None:
    assert methods_of(Registering)["set_authenticator"].needs == (
        GlobalPermission.REGISTER_HANDLER,
        GlobalPermission.AUTHENTICATE,
    )
