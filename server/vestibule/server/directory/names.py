"""Names of users and groups: what is valid, what is the system's, what is one name."""

import unicodedata
from typing import Final

from vestibule.protocol.principals import valid_group_name, valid_username


__all__ = ["SYSTEM_PREFIX", "folded", "valid_group_name", "valid_username"]

SYSTEM_PREFIX: Final = "_"
"""Names that begin with it are the system's: nobody makes one."""


def folded(name: str) -> str:
    """Give the form by which usernames are compared without regard to case.

    Names of the system are compared exactly.
    """
    if name.startswith(SYSTEM_PREFIX):
        return name
    return unicodedata.normalize("NFC", name.casefold())
