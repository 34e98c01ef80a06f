"""Gives a newsroom its roles by one script, all or nothing.

Run it against a broker as its administrator:

    VESTIBULE_PASSWORD=… python examples/scripts/newsroom.py ws://127.0.0.1:7420
"""

import asyncio
import os
import sys

from vestibule.client import (
    PathPermission,
    SecurityScriptBuilder,
    Session,
    VersionConflict,
    open_session,
)


READ = [PathPermission.SELECT_TOPIC, PathPermission.READ_TOPIC]
WRITE = [PathPermission.UPDATE_TOPIC]


def newsroom(script: SecurityScriptBuilder) -> str:
    """Write the script: readers hear the news, editors write them, drafts are apart."""
    return (
        script.set_path_permissions("reader", "news", READ)
        .set_path_permissions("editor", "news", READ + WRITE)
        .set_role_includes("editor", ["reader"])
        # Nothing said of `news` reaches the drafts: only what is said there.
        .isolate_path("news/drafts")
        .set_path_permissions("editor", "news/drafts", READ + WRITE)
        .build()
    )


async def set_up(session: Session) -> int:
    """Apply it, unless others change the roles between the look and the change."""
    security = session.security
    script = newsroom(security.security_script_builder())
    while True:
        view = await security.get_security_configuration()
        try:
            return await security.update_security_store(
                script, expected_version=view.version
            )
        except VersionConflict:
            # Somebody was faster. Look again; here the script is the same anyhow.
            continue


async def main(url: str) -> None:
    """Log in as the administrator and set the newsroom up."""
    credentials = {"username": "_ADMIN", "password": os.environ["VESTIBULE_PASSWORD"]}
    async with open_session(url, credentials) as session:
        print("the security view has version", await set_up(session))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
