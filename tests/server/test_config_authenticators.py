"""The chain's configuration: its entries, and the sections `jwt` and `webhook`."""

from pathlib import Path
from typing import Any

import pytest

from vestibule.server import Config
from vestibule.server.config_authenticators import AuthenticatorEntry
from vestibule.server.config_source import ConfigError


JWT: dict[str, Any] = {
    "algorithms": ["EdDSA"],
    "key_file": "key.pem",
    "issuer": "https://issuer.example",
    "audience": "vestibule",
}
WEBHOOK: dict[str, Any] = {"url": "https://hook.example/", "secret_file": "s"}


def chain(*entries: Any, **sections: Any) -> tuple[AuthenticatorEntry, ...]:
    return Config(authenticators=list(entries), **sections).authenticators


def test_an_entry_is_its_name_or_a_mapping() -> None:
    plain, mapped = chain(
        "directory", {"name": "control:a", "timeout": 3, "on_absent": "deny"}
    )
    assert (plain.name, plain.control, str(plain)) == ("directory", None, "directory")
    assert (mapped.control, mapped.timeout) == ("a", 3)
    assert (mapped.on_failure, mapped.on_absent) == ("deny", "deny")
    (defaults,) = chain("control:a")
    assert (defaults.timeout, defaults.on_failure) == (10.0, "deny")
    assert defaults.on_absent == "skip"


def test_by_default_the_handler_is_asked_and_then_the_directory() -> None:
    assert [one.name for one in Config().authenticators] == ["handler", "directory"]
    assert Config().asks("directory")
    assert not Config(authenticators=["handler"]).asks("directory")
    assert chain() == ()


@pytest.mark.parametrize(
    "entries",
    [
        ["directory", "directory"],
        ["control:a", {"name": "control:a", "timeout": 5}],
        ["ldap"],
        ["control:"],
        ["control:a/b"],
        ["control:a b"],
        ["control:" + "x" * 65],
        ["xcontrol:a"],
        ["Directory"],
        [""],
        [5],
        [{"timeout": 5}],
        [{"name": "directory", "timeout": 5}],
        [{"name": "jwt", "on_failure": "skip"}],
        [{"name": "control:a", "on_failure": "allow"}],
        [{"name": "control:a", "on_absent": "allow"}],
        [{"name": "control:a", "timeout": 0}],
        [{"name": "control:a", "timeout": 61}],
        [{"name": "control:a", "url": "x"}],
    ],
    ids=str,
)
def test_a_duplicate_or_unknown_entry_stops_the_start(entries: list[Any]) -> None:
    with pytest.raises(ConfigError, match="authenticators"):
        chain(*entries)


def test_entries_may_be_written_as_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "authenticators:\n"
        "  - control:before\n"
        "  - {name: control:after, on_failure: skip}\n"
        "  - jwt\n"
        "jwt: {algorithms: [HS256], key_file: k, issuer: null, audience: null}\n"
    )
    config = Config.load(path, environment={"VESTIBULE_JWT__LEEWAY": "5"})
    assert [one.control for one in config.authenticators] == ["before", "after", None]
    assert config.jwt is not None
    assert (config.jwt.leeway, config.jwt.audience) == (5, None)


def test_no_variable_names_a_part_of_an_entry() -> None:
    with pytest.raises(ConfigError, match="no key has this name"):
        Config.load(environment={"VESTIBULE_AUTHENTICATORS__NAME": "directory"})


@pytest.mark.parametrize(
    ("entries", "sections"),
    [
        (["jwt"], {}),
        (["webhook"], {}),
        (["directory"], {"jwt": JWT}),
        (["directory"], {"webhook": WEBHOOK}),
    ],
)
def test_an_entry_and_its_section_are_there_together(
    entries: list[str], sections: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="together or not at all"):
        chain(*entries, **sections)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"algorithms": []}, "names no algorithm"),
        ({"algorithms": ["none"]}, "jwt.algorithms"),
        ({"algorithms": ["PS256"]}, "jwt.algorithms"),
        ({"algorithms": ["HS256", "RS256"]}, "mixes secrets"),
        ({"key_file": None}, "either key_file or keys_url"),
        ({"keys_url": "https://a.example/"}, "either key_file or keys_url"),
        (
            {"algorithms": ["HS256"], "key_file": None, "keys_url": "https://a.b/"},
            "a secret",
        ),
        ({"issuer": ""}, "name somebody"),
        ({"audience": ""}, "names nobody"),
        ({"audience": []}, "name somebody"),
        ({"audience": ["a", ""]}, "names nobody"),
        ({"leeway": 301.0}, "jwt.leeway"),
        ({"property_claims": {"a": "$Roles"}}, "property_claims"),
        ({"property_claims": {"a": ""}}, "property_claims"),
        ({"cache": 100.0, "stale": 99.0}, "stale must not be less"),
        ({"password": "sesame"}, "no key has this name"),
    ],
)
def test_tokens_are_not_believed_by_mistake(
    changed: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        chain("jwt", jwt={**JWT, **changed})
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("missing", ["algorithms", "issuer", "audience"])
def test_what_decides_whom_to_believe_has_to_be_said(missing: str) -> None:
    section = {name: value for name, value in JWT.items() if name != missing}
    with pytest.raises(ConfigError, match=f"jwt.{missing}: is missing"):
        chain("jwt", jwt=section)


@pytest.mark.parametrize(
    "url",
    [
        "https://issuer.example/keys?a=b",
        "http://127.0.0.1:80/",
        "http://[::1]/",
        "http://localhost:8000/keys",
    ],
)
def test_others_are_asked_by_https_or_on_this_machine(url: str) -> None:
    config = Config(authenticators=["webhook"], webhook={**WEBHOOK, "url": url})
    assert config.webhook is not None


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/",
        "http://127.0.0.1.example/",
        "http://192.0.2.1/",
        "ftp://127.0.0.1/",
        "https://",
        "https:///path",
        "https://user:sesame@issuer.example/",
        "https://a b/",
        "https://issuer.example/#x",
        "https://issuer.example:port/",
        "https://[::1",
        "issuer.example",
        "",
        "https://issuer.example/" + "x" * 3_000,
        "https://é.example/",
    ],
    ids=lambda url: url[:40] or "nothing",
)
def test_no_other_address_is_taken_or_shown(url: str) -> None:
    for name, section in (
        ("webhook", {**WEBHOOK, "url": url}),
        ("jwt", {**JWT, "key_file": None, "keys_url": url}),
    ):
        with pytest.raises(ConfigError) as caught:
            chain(name, **{name: section})
        assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"retry_statuses": [200]},
        {"retry_statuses": [404]},
        {"retries": 11},
        {"timeout": 61.0},
        {"on_failure": "allow"},
        {"response_bytes": 10},
        {"concurrency": 0},
        {"secret": "sesame"},
    ],
)
def test_a_web_service_is_asked_within_bounds(changed: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="webhook") as caught:
        chain("webhook", webhook={**WEBHOOK, **changed})
    assert "sesame" not in str(caught.value)
