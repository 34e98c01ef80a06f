"""Which profile a login gets, and what becomes of a configured one."""

import ipaddress
from pathlib import Path
from typing import Any

import pytest

from vestibule.server import Config
from vestibule.server.config import ConfigError
from vestibule.server.config_profiles import distinct_profiles
from vestibule.server.profiles import Arrival, Profile, Profiles
from vestibule.server.serving import check


DAY = 86_400.0


def profiles(*configured: dict[str, Any]) -> Profiles:
    settings = Config(profiles=list(configured)).profiles
    return Profiles(settings, broker_name="hub")


def arrival(**facts: Any) -> Arrival:
    return Arrival(
        **{
            "login_type": "websocket",
            "username": "lisa",
            "groups": frozenset({"G", "H"}),
            "address": "192.0.2.7",
            "authenticator": "directory",
            **facts,
        }
    )


def chosen(match: dict[str, Any], **facts: Any) -> bool:
    """Tell whether a profile with `match` is taken."""
    found = profiles({"name": "it", "match": match}).choose(arrival(**facts))
    return found.name == "it"


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ({}, True),
        ({"type": "websocket"}, True),
        ({"type": "http"}, False),
        ({"usernames": ["bob", "l*a"]}, True),
        ({"usernames": ["bob", "lis"]}, False),
        ({"groups": ["H", "X"]}, True),
        ({"groups": ["X"]}, False),
        ({"groups": []}, False),
        ({"addresses": ["10.0.0.0/8", "192.0.2.0/24"]}, True),
        ({"addresses": ["192.0.2.8"]}, False),
        ({"authenticators": ["directory"]}, True),
        ({"authenticators": ["handler"]}, False),
        ({"usernames": ["lisa"], "groups": ["X"]}, False),
    ],
)
def test_all_that_a_match_names_must_fit(
    match: dict[str, Any], *, expected: bool
) -> None:
    assert chosen(match) is expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("::ffff:192.0.2.7", True),
        ("fe80::1%eth0", False),
        ("2001:db8::1", True),
        ("", False),
        ("memory", False),
    ],
)
def test_addresses_are_compared_as_addresses(address: str, *, expected: bool) -> None:
    networks = ["192.0.2.0/24", "2001:db8::/32"]
    assert chosen({"addresses": networks}, address=address) is expected


def test_the_first_that_fits_counts_and_the_built_in_ones_come_last() -> None:
    first = {"name": "first", "match": {"usernames": ["lisa"]}}
    second = {"name": "second", "match": {"groups": ["G"]}}
    known = profiles(first, second)
    assert known.choose(arrival()).name == "first"
    assert known.choose(arrival(username="bob")).name == "second"
    nobody = {"username": "bob", "groups": frozenset()}
    assert known.choose(arrival(**nobody)).name == "default-websocket"
    http = known.choose(arrival(**nobody, login_type="http"))
    assert http.name == "default-http"
    assert known.named("second") is known.choose(arrival(username="bob"))
    assert known.named("third") is None


def test_d65_the_built_in_profiles_have_their_limits() -> None:
    http, websocket = (
        profiles().named(f"default-{one}") for one in ("http", "websocket")
    )
    assert isinstance(http, Profile)
    assert isinstance(websocket, Profile)
    assert (http.ttl, http.idle, http.token_ttl) == (7 * DAY, 3_600, 7 * DAY)
    assert (websocket.ttl, websocket.idle, websocket.token_ttl) == (None, None, DAY)
    assert (http.lifetime, websocket.lifetime) == (7 * DAY, DAY)
    assert [one.metered for one in (http, websocket)] == [True, False]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (2, 2.0),
        (0.5, 0.5),
        ("90 seconds", 90.0),
        ("1 minute", 60.0),
        ("1.5 hours", 5_400.0),
        ("7 days", 7 * DAY),
        ("2weeks", 14 * DAY),
        ("none", None),
        (None, None),
    ],
)
def test_times_are_seconds_or_words(written: object, seconds: float | None) -> None:
    (profile,) = Config(profiles=[{"ttl": written}]).profiles
    assert profile.ttl == seconds


@pytest.mark.parametrize(
    "written", ["", "7", "7 moons", "-1 day", "1e9 days", True, -1, 0, 1e12, [1], {}]
)
def test_other_times_are_refused(written: object) -> None:
    with pytest.raises(ConfigError, match=r"profiles\.0\.idle: "):
        Config(profiles=[{"idle": written}])


@pytest.mark.parametrize("written", ["none", None])
def test_d59_a_token_without_end_is_refused_naming_the_profile(
    written: str | None,
) -> None:
    with pytest.raises(ConfigError, match="of the profile lasting is none"):
        Config(profiles=[{"name": "lasting", "token_ttl": written}])


def test_profiles_have_names_and_no_two_the_same() -> None:
    named = Config(profiles=[{}, {"name": "x"}, {}]).profiles
    assert [one.name for one in named] == ["profile-1", "x", "profile-3"]
    for twice in (["x", "x"], ["default-http"], ["profile-2", ""]):
        written = [{"name": name} if name else {} for name in twice]
        with pytest.raises(ConfigError, match="two profiles of the name"):
            Config(profiles=written)
    assert distinct_profiles(()) == ()


def test_permissions_that_are_none_are_refused_naming_the_profile() -> None:
    with pytest.raises(ConfigError, match="profiles: p: unknown-section at things"):
        profiles({"name": "p", "permissions": {"things": {}}})


def test_an_address_is_accepted_if_a_network_of_the_profile_has_it() -> None:
    found = profiles({"name": "p", "addresses": ["192.0.2.0/24"]}).named("p")
    assert found is not None
    assert found.addresses == (ipaddress.ip_network("192.0.2.0/24"),)
    assert [found.accepts(one) for one in ("192.0.2.1", "192.0.3.1")] == [True, False]
    free = profiles().named("default-http")
    assert free is not None
    assert free.accepts("wherever")


def test_a_check_of_the_configuration_finds_bad_permissions(tmp_path: Path) -> None:
    config = Config(
        data=tmp_path / "data", profiles=[{"name": "p", "permissions": {"x": {}}}]
    )
    with pytest.raises(ConfigError, match="profiles: p: unknown-section"):
        check(config)
    assert not (tmp_path / "data").exists()
