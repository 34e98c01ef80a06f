"""Profiles: which limits a login gets, chosen by what the broker itself established."""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from vestibule.server.config import Config
from vestibule.server.config_profiles import (
    BUILT_IN_PROFILES,
    LoginType,
    ProfileMatch,
    ProfileSettings,
)
from vestibule.server.config_source import ConfigError
from vestibule.server.directory import DirectoryError
from vestibule.server.directory.globs import glob_matches
from vestibule.server.narrowing import Narrowing


__all__ = ["Arrival", "Profile", "Profiles"]

_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A login that was decided, as profiles are chosen by it."""

    login_type: LoginType
    username: str
    groups: frozenset[str]
    """Those of the session and all that they include."""
    address: str
    authenticator: str


@dataclass(frozen=True, slots=True)
class Profile:
    """The limits of a session and of its token; all times in seconds."""

    name: str
    ttl: float | None
    idle: float | None
    usage: int | None
    token_ttl: float
    """For how long a token makes new sessions."""
    token_logins: bool
    lock_token_to_broker: bool
    addresses: Sequence[_Network] | None
    narrowing: Narrowing | None

    @property
    def lifetime(self) -> float:
        """For how long a token serves at all."""
        return self.token_ttl if self.ttl is None else self.ttl

    @property
    def metered(self) -> bool:
        """Whether allowed messages are counted or timed."""
        return self.idle is not None or self.usage is not None

    def accepts(self, address: str) -> bool:
        """Whether logins and tokens are accepted from an address."""
        return self.addresses is None or _within(address, self.addresses)


class Profiles:
    """The configured profiles in their order, and behind them the built-in ones."""

    def __init__(
        self, configured: Iterable[ProfileSettings], *, broker_name: str
    ) -> None:
        """Compile them.

        Raises:
            ConfigError: the permissions of one are no permission object.
        """
        self._profiles: Final = tuple(
            (one.match, _profile(one, broker_name))
            for one in (*configured, *BUILT_IN_PROFILES)
        )
        self._by_name: Final = {one.name: one for _, one in self._profiles}

    @classmethod
    def of(cls, config: Config) -> "Profiles":
        """Compile those of a configuration.

        Raises:
            ConfigError: as above.
        """
        return cls(config.profiles, broker_name=config.name)

    def choose(self, arrival: Arrival) -> Profile:
        """Give the first profile that fits."""
        for match, profile in self._profiles:
            if _fits(match, arrival):
                return profile
        raise AssertionError("a built-in profile fits every login")

    def named(self, name: str) -> Profile | None:
        """Give the profile of that name; None if there is none any more."""
        return self._by_name.get(name)


def _profile(settings: ProfileSettings, broker_name: str) -> Profile:
    narrowing = None
    if settings.permissions is not None:
        try:
            narrowing = Narrowing(settings.permissions, broker_name=broker_name)
        except DirectoryError as error:
            first = error.details["problems"][0]
            told = f"{first['problem']} at {first['section']} {first['path']}"
            raise ConfigError(told, where=f"profiles: {settings.name}") from None
    return Profile(
        name=settings.name,
        ttl=settings.ttl,
        idle=settings.idle,
        usage=settings.usage,
        token_ttl=settings.token_seconds,
        token_logins=settings.token_logins,
        lock_token_to_broker=settings.lock_token_to_broker,
        addresses=settings.addresses,
        narrowing=narrowing,
    )


def _fits(match: ProfileMatch, arrival: Arrival) -> bool:
    """Whether all that a profile asks for is so."""
    return (
        (match.type is None or match.type == arrival.login_type)
        and (
            match.usernames is None
            or any(glob_matches(glob, arrival.username) for glob in match.usernames)
        )
        and (match.groups is None or not match.groups.isdisjoint(arrival.groups))
        and (match.addresses is None or _within(arrival.address, match.addresses))
        and (
            match.authenticators is None
            or arrival.authenticator in match.authenticators
        )
    )


def _within(address: str, networks: Iterable[_Network]) -> bool:
    try:
        # A scope says which of this machine's links it came by.
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    known = found if mapped is None else mapped
    return any(known in network for network in networks)
