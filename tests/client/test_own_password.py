"""Which calls change a session's own password, and to what."""

from typing import Any

import pytest

from vestibule.client.own_password import OwnPassword


def found(name: str, data: Any) -> list[str]:
    changed: list[str] = []
    OwnPassword("hub", changed.append)(name, data)
    return changed


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("change_own_password", ["old", "new"], {}),
        ("change_own_password", ["old"], {"new_password": "new"}),
        ("change_own_password", [], {"old_password": "old", "new_password": "new"}),
        ("update_own_user", [{"password": "new", "old_password": "old"}], {}),
        ("update_own_user", [], {"update": {"password": "new"}}),
    ],
)
def test_the_new_password_is_found(
    name: str, args: list[Any], kwargs: dict[str, Any]
) -> None:
    data = {"args": args, "kwargs": kwargs}
    assert found(f"hub/security/{name}", data) == ["new"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("hub/security/update_own_user", {"args": [{"custom_data": 1}], "kwargs": {}}),
        ("hub/security/update_own_user", {"args": [5], "kwargs": {}}),
        ("hub/security/update_user", {"args": [{"password": "new"}], "kwargs": {}}),
        ("mine/security/change_own_password", {"args": ["a", "b"], "kwargs": {}}),
        ("hub/security/change_own_password", {"args": ["a"]}),
        ("hub/security/change_own_password", None),
        ("hub/security/change_own_password", {"args": ["a", 5]}),
    ],
)
def test_nothing_else_is_taken_for_one(name: str, data: Any) -> None:
    assert found(name, data) == []
