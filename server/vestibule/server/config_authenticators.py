"""Who is asked about logins: the chain's entries, and the sections `jwt` and `webhook`.

`docs/configuration.md` is generated from here; `docs/authentication.md` says which
one is for whom.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StrictInt, model_validator

from vestibule.server.config_fields import (
    DAY,
    HOUR,
    MEBIBYTE,
    Section,
    count,
    is_loopback,
    number,
    seconds,
    size,
)


__all__ = [
    "CONTROL",
    "Algorithm",
    "AuthenticatorEntry",
    "Jwt",
    "Webhook",
    "distinct_entries",
]

CONTROL: Final = "control:"
"""What the name of an entry begins with that client sessions register for."""

_MEMBERS: Final = frozenset({"handler", "directory", "jwt", "webhook"})
_CONTROL_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LONGEST_URL: Final = 2_048


def _entry_name(text: str) -> str:
    if text in _MEMBERS:
        return text
    prefix, control, name = text.partition(CONTROL)
    if control and not prefix and _CONTROL_NAME.fullmatch(name):
        return text
    raise ValueError(
        "is none of handler, directory, jwt, webhook and control:<name>, whose name "
        "is 1 to 64 of letters, digits, `_`, `.` and `-`"
    )


class AuthenticatorEntry(Section):
    """A member of the chain. In short: its name alone."""

    name: Annotated[str, AfterValidator(_entry_name)]
    timeout: float = seconds(10.0, "how long a control authenticator may take", most=60)
    on_failure: Literal["deny", "skip"] = "deny"
    on_absent: Literal["skip", "deny"] = "skip"

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _settings_are_for_control(self) -> "AuthenticatorEntry":
        if self.control is None and self.model_fields_set != {"name"}:
            raise ValueError(
                "timeout, on_failure and on_absent are for control:<name> entries"
            )
        return self

    @property
    def control(self) -> str | None:
        """The name that sessions register under, None for other members."""
        name = self.name
        return name.removeprefix(CONTROL) if name.startswith(CONTROL) else None

    def __str__(self) -> str:
        return self.name


def distinct_entries(
    chain: tuple[AuthenticatorEntry, ...],
) -> tuple[AuthenticatorEntry, ...]:
    """Refuse a chain that names a member twice."""
    names = [entry.name for entry in chain]
    if len(set(names)) != len(names):
        raise ValueError("names an authenticator twice")
    return chain


def _url(text: str) -> str:
    """Take `https` URLs, and `http` ones of this machine."""
    problem = "is no https URL, nor an http URL of a loopback address"
    if len(text) > _LONGEST_URL or not text.isprintable() or not text.isascii():
        raise ValueError(problem)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(problem) from None
    if parts.username is not None or parts.password is not None:
        # It would stand in every log line that names the URL.
        raise ValueError("holds a username or a password")
    if not host or parts.fragment or " " in text:
        raise ValueError(problem)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        return text
    raise ValueError(problem)


Url = Annotated[str, AfterValidator(_url)]

Algorithm = Literal[
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
]

_RESERVED_PROPERTY: Final = "$"


def _few_algorithms(chosen: tuple[str, ...]) -> tuple[str, ...]:
    if not chosen:
        raise ValueError("names no algorithm")
    secret = {name for name in chosen if name.startswith("HS")}
    if secret and secret != set(chosen):
        # A public key taken for a secret lets everybody sign (RFC 8725, 2.1).
        raise ValueError("mixes secrets (HS…) with public keys (RS…, ES…, EdDSA)")
    return chosen


class Jwt(Section):
    """JSON Web Tokens of an issuer of one's own, as login data `{"jwt": "…"}`.

    For the member `jwt` of `authenticators`; both are there, or neither. Keys come from
    `key_file` or `keys_url`, never from a token.
    """

    algorithms: Annotated[tuple[Algorithm, ...], AfterValidator(_few_algorithms)] = (
        Field(
            description="signatures that are accepted; those of secrets (`HS256`, "
            "`HS384`, `HS512`) do not mix with those of public keys (`RS256` to "
            "`RS512`, `ES256` to `ES512`, `EdDSA`)"
        )
    )
    key_file: Path | None = Field(
        default=None,
        description="file with up to four public keys in PEM form, one after the "
        "other; or, for `HS…`, with the secret, which others may not read (mode 0600) "
        "and which is as long as the signature at least",
    )
    keys_url: Url | None = Field(
        default=None,
        description="address of a JSON Web Key Set, by https, or by http from a "
        "loopback address; redirections are not followed",
    )
    issuer: str | None = Field(
        description="what the token's `iss` must be; null takes any, and has to be said"
    )
    audience: tuple[str, ...] | None = Field(
        description="one of these must stand in the token's `aud`; text is a list of "
        "one; null takes tokens for anybody, and has to be said"
    )
    leeway: float = number(
        30.0,
        "seconds",
        "how far clocks may differ, for `exp`, `nbf` and `iat`",
        0.0,
        300.0,
    )
    username_claim: str = Field(
        default="sub",
        min_length=1,
        description="the claim that is the username; a user of the directory with "
        "that name is logged in as that user",
    )
    groups_claim: str | None = Field(
        default=None,
        min_length=1,
        description="the claim with the session's groups, text or a list of text; the "
        "session then has those of them that exist, and none of the directory's for "
        "its user. null: the directory says",
    )
    group_prefix: str = Field(
        default="jwt-",
        description="stands in front of each group that a token names: `staff` is the "
        'group `jwt-staff`. With `""` the issuer may give any group but those that '
        "begin with `_`",
    )
    property_claims: Mapping[str, str] = Field(
        default_factory=dict,
        description="claims that become session properties: a mapping of claim to "
        "property; text, numbers and booleans are taken",
        json_schema_extra={"default": "{}"},
    )
    cache: float = seconds(
        3_600.0, "age at which the keys of `keys_url` are read again", least=1, most=DAY
    )
    refresh_interval: float = seconds(
        60.0,
        "shortest time between two readings that tokens with unknown key ids cause, "
        "however many come",
        least=1,
        most=HOUR,
    )
    stale: float = seconds(
        86_400.0,
        "how long keys serve that could not be read again; then every token is refused",
        least=1,
        most=7 * DAY,
    )
    timeout: float = seconds(
        5.0, "longest time for one reading of `keys_url`", most=60.0
    )

    @model_validator(mode="before")
    @classmethod
    def _one_audience(cls, value: Any) -> Any:
        if isinstance(value, dict) and isinstance(value.get("audience"), str):
            return {**value, "audience": (value["audience"],)}
        return value

    @model_validator(mode="after")
    def _keys_come_from_one_place(self) -> "Jwt":
        if (self.key_file is None) == (self.keys_url is None):
            raise ValueError("needs either key_file or keys_url")
        if self.secret and self.keys_url is not None:
            raise ValueError("a secret (HS…) comes from key_file, not from keys_url")
        if self.audience is not None and not all(self.audience):
            raise ValueError("audience names nobody")
        if self.audience == () or self.issuer == "":
            raise ValueError("issuer and audience name somebody, or are null")
        for name in self.property_claims.values():
            if not name or name.startswith(_RESERVED_PROPERTY):
                raise ValueError("property_claims: a property has no name of `$`")
        if self.stale < self.cache:
            raise ValueError("stale must not be less than cache")
        return self

    @property
    def secret(self) -> bool:
        """Whether signatures are made with the secret that checks them."""
        return self.algorithms[0].startswith("HS")


def _http_statuses(statuses: tuple[int, ...]) -> tuple[int, ...]:
    if not all(status == 429 or 500 <= status <= 599 for status in statuses):  # noqa: PLR2004 - HTTP's own numbers
        raise ValueError("only 429 and 500 to 599 are worth another try")
    return statuses


class Webhook(Section):
    """A web service of one's own that is asked about logins.

    For the member `webhook` of `authenticators`; both are there, or neither. It gets
    the credentials: give it only what it may see (docs/authentication.md, "Webhook").
    """

    url: Url = Field(
        description="where to `POST`, by https, or by http on a loopback address; "
        "redirections are not followed, and proxies of the environment are not used"
    )
    secret_file: Path = Field(
        description="file with the secret that signs each request, at least 32 bytes, "
        "which others may not read (mode 0600)"
    )
    timeout: float = seconds(
        5.0, "longest time for an answer, waiting and all retries included", most=60.0
    )
    retries: int = count(2, "how often a failed question is repeated", least=0, most=10)
    retry_statuses: Annotated[tuple[StrictInt, ...], AfterValidator(_http_statuses)] = (
        Field(
            default=(429, 502, 503, 504),
            description="HTTP statuses after which it is repeated; it is too when no "
            "connection could be made",
        )
    )
    retry_delay: float = seconds(
        0.1,
        "pause before the first repetition; each next one is twice as long",
        most=10,
    )
    on_failure: Literal["deny", "skip"] = Field(
        default="deny",
        description="what no usable answer means: the login is refused, or the next "
        "member is asked",
    )
    concurrency: int = count(
        32, "questions at a time; the others wait, within `timeout`", most=1_000
    )
    response_bytes: int = size(65_536, "longest answer", least=256, most=MEBIBYTE)
