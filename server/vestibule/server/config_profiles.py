"""The section `profiles`: limits of sessions and tokens, by who logs in and from where.

`docs/configuration.md` is generated from here; docs/security.md, "Profiles", says how
one is chosen and what each limit does.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    Field,
    IPvAnyNetwork,
    StrictBool,
    StrictInt,
    field_validator,
    model_validator,
)

from vestibule.server.config_fields import DAY, HOUR, MILLION, SHORTEST, Section


__all__ = [
    "BUILT_IN_PROFILES",
    "LoginType",
    "ProfileMatch",
    "ProfileSettings",
    "distinct_profiles",
]

LoginType: TypeAlias = Literal["websocket", "http"]

_ENDLESS: Final = (None, "none")
_LONGEST: Final = 3_650 * DAY
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([a-z]{1,8})", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_UNITS: Final[Mapping[str, float]] = {
    "second": 1.0,
    "minute": 60.0,
    "hour": HOUR,
    "day": DAY,
    "week": 7 * DAY,
}


def _duration(value: object) -> float | None:
    """Read seconds, text such as `7 days`, or none."""
    match value:
        case None | "none":
            return None  # as `_ENDLESS` has them
        case str():
            seconds = _from_text(value)
        case bool():
            raise ValueError("is no duration")
        case int() | float():
            seconds = float(value)
        case _:
            raise ValueError("is no duration")
    if not SHORTEST <= seconds <= _LONGEST:
        raise ValueError(f"is not from {SHORTEST:g} seconds to 3650 days")
    return seconds


def _from_text(text: str) -> float:
    found = _DURATION.fullmatch(text)
    if found is not None:
        unit = _UNITS.get(found[2].removesuffix("s"))
        if unit is not None:
            return float(found[1]) * unit
    raise ValueError('is no duration: seconds, text such as "7 days", or none')


Duration = Annotated[float | None, BeforeValidator(_duration)]


class ProfileMatch(Section):
    """Whom a profile is for: all that is given must fit. Nothing given fits all."""

    type: LoginType | None = None
    usernames: tuple[str, ...] | None = None
    groups: frozenset[str] | None = None
    addresses: tuple[IPvAnyNetwork, ...] | None = None
    authenticators: frozenset[str] | None = None


class ProfileSettings(Section):
    """The limits of a session and of its token."""

    name: str = ""
    match: ProfileMatch = ProfileMatch()
    ttl: Duration = None
    token_ttl: float = Field(default=0.0, validate_default=False)
    """Given or, where it is not, what follows from `ttl`: never without end."""
    idle: Duration = None
    usage: Annotated[StrictInt, Field(ge=1, le=MILLION * MILLION)] | None = None
    addresses: tuple[IPvAnyNetwork, ...] | None = None
    token_logins: StrictBool = True
    lock_token_to_broker: StrictBool = False
    permissions: Mapping[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _token_ends(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or value.get("token_ttl", 0) not in _ENDLESS:
            return value
        name = value.get("name")
        told = (
            name if isinstance(name, str) and _NAME.fullmatch(name) else "without name"
        )
        raise ValueError(
            f"token_ttl of the profile {told} is none: every token must end, and every "
            "revocation with it"
        )

    @field_validator("token_ttl", mode="before")
    @classmethod
    def _token_life(cls, value: object) -> object:
        return _duration(value)

    @field_validator("name")
    @classmethod
    def _usable_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError("is not 1 to 64 of letters, digits, `_`, `.` and `-`")
        return value

    @property
    def token_seconds(self) -> float:
        """For how long a token makes new sessions."""
        if self.token_ttl:
            return self.token_ttl
        return DAY if self.ttl is None else self.ttl


BUILT_IN_PROFILES: Final = (
    ProfileSettings(
        name="default-http", match=ProfileMatch(type="http"), ttl=7 * DAY, idle=HOUR
    ),
    ProfileSettings(name="default-websocket", match=ProfileMatch(type="websocket")),
)
"""The last ones: one of them fits every login."""


def distinct_profiles(
    profiles: tuple[ProfileSettings, ...],
) -> tuple[ProfileSettings, ...]:
    """Give each profile a name of its own, `profile-<number>` where it has none."""
    named = tuple(
        profile
        if profile.name
        else profile.model_copy(update={"name": f"profile-{number}"})
        for number, profile in enumerate(profiles, start=1)
    )
    names = [profile.name for profile in (*named, *BUILT_IN_PROFILES)]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"has two profiles of the name {name}")
    return named
