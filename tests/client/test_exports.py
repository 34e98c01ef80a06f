"""The public API is what its modules export, and a name more is a decision."""

from importlib import import_module

import vestibule.client


PUBLIC = (
    "client",
    "connection",
    "errors",
    "given_call",
    "provision",
    "reconnect",
    "session",
    "state",
    "subscription",
)
OF_THE_PROTOCOL = {"Action", "Topic"}


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
