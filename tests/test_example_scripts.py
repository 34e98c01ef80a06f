"""The examples of scripts do what they say, against a broker on a socket."""

from pathlib import Path

import pytest
from examples.scripts import newsroom

from vestibule.client import (
    MessageDenied,
    PathPermission,
    SecurityScriptBuilder,
    open_session,
)
from vestibule.server import Broker, Config
from vestibule.server.directory.script import View, parse


ROOT = Path(__file__).resolve().parent.parent
ADMIN = {"username": "_ADMIN", "password": "correct horse battery"}


def commands(script: str) -> list[object]:
    parsed = parse(script, View.SECURITY)
    assert parsed.reports == ()
    return [type(command) for _, command in parsed.commands]


def test_the_file_and_the_builder_say_the_same() -> None:
    file = (ROOT / "examples/scripts/newsroom.script").read_text("utf-8")
    lines = [line.partition(";")[0].rstrip() for line in file.splitlines()]
    built = newsroom.newsroom(SecurityScriptBuilder())
    assert commands(file) == commands(built)
    assert [line for line in lines if line] == built.splitlines()


async def test_readers_read_the_news_and_only_editors_the_drafts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VESTIBULE_ADMIN_PASSWORD", ADMIN["password"])
    monkeypatch.setenv("VESTIBULE_PASSWORD", ADMIN["password"])
    config = Config(
        data=tmp_path / "data",
        listen={"host": "127.0.0.1", "port": 0},
        http=None,
        passwords={"opslimit": 2, "memlimit": 19 * 1024 * 1024},
        shutdown={"drain": 0.5, "spread": 0.1},
    )
    async with Broker(config) as broker:
        await newsroom.main(broker.url)
        said = capsys.readouterr().out
        async with open_session(broker.url, ADMIN) as admin:
            version = await newsroom.set_up(admin)
            assert said == f"the security view has version {version}\n"
            security = admin.exchange.security
            for name in ("reader", "editor"):
                await security.upsert_user(
                    {"username": name, "password": "sesame", "groups": {name: True}}
                )
            reader = {"username": "reader", "password": "sesame"}
            editor = {"username": "editor", "password": "sesame"}
            async with (
                open_session(broker.url, reader) as reading,
                open_session(broker.url, editor) as editing,
                reading.events.subscribe("news/**") as news,
            ):
                await editing.events.publish("news/drafts/1", "not yet")
                await editing.events.publish("news/1", "now")
                assert (await anext(news)).data == "now"
                with pytest.raises(MessageDenied):
                    await reading.events.publish("news/2", "mine")
                drafts = await reading.security.get_path_permissions("news/drafts")
                assert drafts == frozenset()
                theirs = await editing.security.get_path_permissions("news/drafts/1")
                assert PathPermission.UPDATE_TOPIC in theirs
