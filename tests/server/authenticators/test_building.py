"""The chain as configured: which members, in which order, from which files."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from http_service import Told, serving
from issuer import AUDIENCE, ISSUER, Issuer, key_file, key_for, pem
from vestibule.server import Config, PermissionHandler
from vestibule.server.authenticators.building import Builder
from vestibule.server.authenticators.chain import Chain
from vestibule.server.authenticators.control import Absent, ControlAuthenticator
from vestibule.server.authenticators.directory import DirectoryAuthenticator
from vestibule.server.authenticators.handler import HandlerAuthenticator
from vestibule.server.authenticators.web_tokens import JwtAuthenticator
from vestibule.server.authenticators.webhook import WebhookAuthenticator
from vestibule.server.config_source import ConfigError
from vestibule.server.counters import Counters
from vestibule.server.directory import Directory
from vestibule.server.hooks import Hooks
from vestibule.server.session import Session
from vestibule.server.tasks import Tasks


class Nobody:
    async def ask(
        self,
        name: str,
        question: msgspec.Raw,
        *,
        seconds: float,
        but: Session | None,
    ) -> msgspec.Raw:
        raise Absent


@asynccontextmanager
async def built(
    directory: Directory, handler: object = None, **settings: Any
) -> AsyncIterator[Chain]:
    tasks = Tasks()
    chain = Builder(
        config=Config(**settings),
        hooks=Hooks(handler, timeout=1, login_timeout=1, counters=Counters()),
        directory=directory,
        asking=Nobody(),
        tasks=tasks,
        locked=lambda name, address: None,
        clock=lambda: 0.0,
        wall=lambda: 0.0,
    ).chain()
    try:
        yield chain
    finally:
        await tasks.close()
        await chain.close()
        await chain.close()


def secret(folder: Path) -> Path:
    path = folder / "secret"
    path.write_bytes(b"k" * 32)
    path.chmod(0o600)
    return path


async def test_the_members_are_those_of_the_configuration_in_its_order(
    directory: Directory, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {
        "authenticators": ["control:a", "webhook", "handler", "jwt", "directory"],
        "jwt": {
            "algorithms": ["ES256"],
            "key_file": key_file(tmp_path, pem(key_for("ES256"))),
            "issuer": ISSUER,
            "audience": AUDIENCE,
        },
        "webhook": {"url": "http://127.0.0.1:9/", "secret_file": secret(tmp_path)},
    }
    kinds = [
        ControlAuthenticator,
        WebhookAuthenticator,
        HandlerAuthenticator,
        JwtAuthenticator,
        DirectoryAuthenticator,
    ]
    async with built(directory, PermissionHandler(), **settings) as chain:
        assert [type(member) for member in chain._members] == kinds
        assert [member.name for member in chain._members] == settings["authenticators"]
    kinds.remove(HandlerAuthenticator)
    async with built(directory, **settings) as chain:
        assert [type(member) for member in chain._members] == kinds


async def test_an_empty_list_has_no_members(directory: Directory) -> None:
    async with built(directory, authenticators=[]) as chain:
        assert chain._members == ()


async def test_keys_are_read_when_the_chain_starts(directory: Directory) -> None:
    issuer = Issuer()
    issuer.rotate("one")

    async def keys(_: object) -> Told:
        return Told(200, issuer.set())

    async with serving(keys) as service:
        jwt = {
            "algorithms": ["EdDSA"],
            "keys_url": service.url,
            "issuer": ISSUER,
            "audience": AUDIENCE,
        }
        async with built(directory, authenticators=["jwt"], jwt=jwt) as chain:
            assert service.asked == []
            chain.start()
            (member,) = chain._members
            assert isinstance(member, JwtAuthenticator)
            assert len(await member._keys.candidates("EdDSA", "one")) == 1
            assert len(service.asked) == 1


async def test_a_short_secret_of_the_webhook_stops_the_start(
    directory: Directory, tmp_path: Path
) -> None:
    path = secret(tmp_path)
    path.write_bytes(b"k" * 31)
    webhook = {"url": "http://127.0.0.1:9/", "secret_file": path}
    with pytest.raises(ConfigError, match="shorter than 32"):
        async with built(directory, authenticators=["webhook"], webhook=webhook):
            pass
