"""The handler that lets everybody do everything, where nothing forbids it."""

from typing import Any

import pytest

from vestibule.server.open_handler import OpenHandler
from vestibule.server.testing import HandlerContract, RequestRefused, memory_broker


OPEN: dict[str, Any] = {"handler": "open", "insecure": True}


class TestTheContract(HandlerContract):
    def make_handler(self) -> object:
        return OpenHandler()


async def test_whoever_says_a_name_is_let_in_and_may_publish() -> None:
    async with memory_broker(**OPEN) as broker:
        for auth_data in ({}, {"username": "lisa"}):
            peer = await broker.login(auth_data)
            await peer.publish("x")
        names = {session.username for session in broker.broker.sessions.values()}
    assert names == {"guest", "lisa"}


async def test_the_brokers_own_administration_stays_closed() -> None:
    async with memory_broker(**OPEN) as broker:
        peer = await broker.login({"username": "lisa"})
        with pytest.raises(RequestRefused, match="MESSAGE_DENIED"):
            await peer.component("vestibule/security/upsert_user", {"username": "x"})


async def test_names_of_the_system_need_their_password() -> None:
    async with memory_broker(**OPEN) as broker:
        with pytest.raises(RequestRefused, match="INVALID_AUTH_DATA"):
            await broker.login({"username": "_ADMIN", "password": "wrong"})
        await broker.admin()


@pytest.mark.parametrize("name", [5, None, ["lisa"], "a/b", ""])
async def test_what_is_no_name_is_refused(name: object) -> None:
    async with memory_broker(**OPEN) as broker:
        with pytest.raises(RequestRefused, match="INVALID_AUTH_DATA"):
            await broker.login({"username": name})
