import os
import subprocess
import sys
from pathlib import Path

import pytest

from vestibule.server.config import ConfigError
from vestibule.server.folderlock import LOCK_FILE, FolderInUse, FolderLock


def test_one_has_it_at_a_time_also_in_one_process(tmp_path: Path) -> None:
    other = FolderLock(tmp_path)
    with FolderLock(tmp_path), pytest.raises(FolderInUse, match="a broker runs on it"):
        other.acquire()
    with FolderLock(tmp_path):
        """It is free again."""


def test_its_file_belongs_to_its_owner_and_is_in_nobodys_way(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with FolderLock(folder):
        assert (folder / LOCK_FILE).stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / LOCK_FILE).exists()
    with FolderLock(folder):
        """A file that is left says nothing."""


def test_giving_back_is_idempotent(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    lock.acquire()
    lock.release()
    lock.release()


def test_f2_it_ends_with_the_process_that_has_it(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, sys\n"
        "from vestibule.server.folderlock import FolderLock\n"
        "lock = FolderLock(pathlib.Path(sys.argv[1]))\n"
        "lock.acquire()\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(  # noqa: S603 - a program of the test's own
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(FolderInUse):
            FolderLock(tmp_path).acquire()
        process.kill()
        process.wait()
    with FolderLock(tmp_path):
        """Nothing is in the way."""


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be made"):
        FolderLock(tmp_path / "file").acquire()


def test_it_is_not_passed_on_to_programs_that_are_started(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    lock.acquire()
    code = "import os, sys; os.fstat(int(sys.argv[1]))"
    descriptor = lock._descriptor
    result = subprocess.run(  # noqa: S603 - a program of the test's own
        [sys.executable, "-c", code, str(descriptor)],
        check=False,
        capture_output=True,
        close_fds=False,
    )
    assert b"Bad file descriptor" in result.stderr
    assert os.fstat(descriptor or 0)
    lock.release()
