from typing import Any

import pytest

from directories import opened
from server.operations.conftest import Running
from trails import stored
from vestibule.server.config import Config
from vestibule.server.directory import DirectoryError
from vestibule.server.folderlock import FolderInUse
from vestibule.server.operations.transfer import export_directory, import_directory
from vestibule.server.trail import verify


def whole(**said: Any) -> dict[str, Any]:
    return {"vestibule_directory": 1, **said}


async def test_it_is_given_out_while_a_broker_runs(
    config: Config, running: Running
) -> None:
    async with running(config) as hub:
        document = await export_directory(config)
        assert document == hub.directory.export_directory()
    assert document["users"]["lisa"] == {"groups": ["staff"]}
    assert [path.name for path in config.data.glob(".copy-*")] == []


async def test_a_dry_run_is_made_while_a_broker_runs_and_changes_nothing(
    config: Config, running: Running
) -> None:
    document = whole(users={"lisa": {}})
    async with running(config) as hub:
        epoch = hub.epoch
        rows = await import_directory(config, document, prune=False, dry_run=True)
        assert [(row["name"], row["after"]) for row in rows] == [("lisa", {})]
        assert hub.epoch == epoch
        assert len(stored(config.data)) == 6


async def test_an_import_waits_for_no_broker_to_run(
    config: Config, running: Running
) -> None:
    async with running(config):
        with pytest.raises(FolderInUse, match="a broker runs on it"):
            await import_directory(config, whole(), prune=False, dry_run=False)


async def test_an_import_changes_the_folder_and_leaves_its_line(config: Config) -> None:
    document = whole(groups={"staff": {}}, users={"bob": {"groups": ["staff"]}})
    rows = await import_directory(config, document, prune=False, dry_run=False)
    assert [row["name"] for row in rows] == ["staff", "bob"]
    async with opened(config.data) as directory:
        assert directory.user("bob") is not None
        assert await directory.verify("lisa", "sesame") is not None
    line = stored(config.data)[-1]
    assert (line.kind, line.user) == ("directory_changed", "_OPERATOR")
    for row in rows:
        assert f'"name":"{row["name"]}"' in line.fields
    assert verify(config.data, []).faults == []


async def test_what_is_refused_changes_nothing(config: Config) -> None:
    document = whole(users={"bob": {"groups": ["nope"]}}, isolated_paths=["a"])
    before = await export_directory(config)
    for dry_run in (True, False):
        with pytest.raises(DirectoryError) as refused:
            await import_directory(config, document, prune=False, dry_run=dry_run)
        assert refused.value.details["problems"] == [
            "users.bob.groups: there is no group nope"
        ]
    assert await export_directory(config) == before
    assert len(stored(config.data)) == 6
