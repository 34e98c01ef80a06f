"""Noticing that a session has changed its own password, to reconnect with the new one."""

from collections.abc import Callable, Mapping
from typing import Any, Final


__all__ = ["OwnPassword"]


class OwnPassword:
    """Looks at the calls that a session made and the broker has done.

    `changed` is called with the new password.
    """

    def __init__(self, broker: str, changed: Callable[[str], None]) -> None:
        security = f"{broker}/security"
        self._found: Final[Mapping[str, Callable[[Any], object]]] = {
            f"{security}/change_own_password": _of_change,
            f"{security}/update_own_user": _of_update,
        }
        self._changed: Final = changed

    def __call__(self, name: str, data: Any) -> None:
        """Look at a call that succeeded, by its name and its data."""
        find = self._found.get(name)
        password = None if find is None else find(data)
        if isinstance(password, str):
            self._changed(password)


def _of_change(data: Any) -> object:
    return _argument(data, 1, "new_password")


def _of_update(data: Any) -> object:
    update = _argument(data, 0, "update")
    return update.get("password") if isinstance(update, Mapping) else None


def _argument(data: Any, place: int, name: str) -> object:
    """Give an argument of a component's method, by place or by name."""
    if not isinstance(data, Mapping):
        return None
    arguments, named = data.get("args"), data.get("kwargs")
    if isinstance(arguments, list) and len(arguments) > place:
        found: object = arguments[place]
        return found
    return named.get(name) if isinstance(named, Mapping) else None
