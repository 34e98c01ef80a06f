"""The public API is what its modules export, and a name more is a decision."""

from importlib import import_module

import vestibule.client


PUBLIC = (
    "authentication",
    "changes",
    "client",
    "connection",
    "errors",
    "given_call",
    "provision",
    "reconnect",
    "registration",
    "script_builders",
    "security",
    "security_views",
    "session",
    "state",
    "subscription",
)
OF_THE_PROTOCOL = {
    "Action",
    "GlobalPermission",
    "PathPermission",
    "Topic",
    "roles_to_string",
    "string_to_roles",
}


def test_package_exports_what_its_modules_export() -> None:
    exported = {
        name
        for module in PUBLIC
        for name in import_module(f"vestibule.client.{module}").__all__
    }
    assert exported | OF_THE_PROTOCOL == set(vestibule.client.__all__)


def test_every_exported_name_is_there() -> None:
    for name in vestibule.client.__all__:
        assert getattr(vestibule.client, name) is not None
