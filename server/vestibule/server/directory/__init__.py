"""Users, groups and permissions: the directory and the policy it compiles to."""

from vestibule.server.directory.directory import Directory
from vestibule.server.directory.engine import DirectoryChange
from vestibule.server.directory.errors import DirectoryDamaged, DirectoryError
from vestibule.server.directory.passwords import PasswordsBusy, PasswordSettings
from vestibule.server.directory.scripts import ScriptRun


__all__ = [
    "Directory",
    "DirectoryChange",
    "DirectoryDamaged",
    "DirectoryError",
    "PasswordSettings",
    "PasswordsBusy",
    "ScriptRun",
]
