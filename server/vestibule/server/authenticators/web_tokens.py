"""Logins by JSON Web Token, as an issuer of one's own signs them (RFC 7519, RFC 8725)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import jwt

from vestibule.server.admissions import Admission, Answer, Refusal
from vestibule.server.attempts import Attempt
from vestibule.server.authenticators.entrance import (
    MOST_EXPIRY,
    Entrance,
    NotAdmitted,
    properties_of,
)
from vestibule.server.authenticators.web_keys import KeySource, WebKey
from vestibule.server.config_authenticators import Jwt
from vestibule.server.directory.roles import BOUND, Roles


__all__ = ["TOKEN_FIELD", "JwtAuthenticator"]

TOKEN_FIELD: Final = "jwt"  # noqa: S105 - the name of a field
"""The key of login data under which the token stands."""

_LONGEST_ID: Final = 256
_MOST_GROUPS: Final = 1_000

_FAILURES: Final = (
    jwt.PyJWTError,
    ArithmeticError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What the library raises for tokens; not all of it is of its own kind."""


class JwtAuthenticator:
    """Decides logins that carry a token, and abstains from all others.

    A token is believed if a configured key made its signature by a configured algorithm
    and its time, issuer and audience are right. `clock` tells seconds since 1970.
    """

    name: Final = "jwt"

    def __init__(
        self,
        settings: Jwt,
        keys: KeySource,
        entrance: Entrance,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._settings: Final = settings
        self._algorithms: Final = frozenset[str](settings.algorithms)
        self._keys: Final = keys
        self._entrance: Final = entrance
        self._clock: Final = clock

    async def authenticate(self, attempt: Attempt) -> Answer:
        """Admit for a good token, refuse for any other."""
        if attempt.proven is not None or TOKEN_FIELD not in attempt.auth_data:
            return None
        try:
            claims = await self._claims(attempt.auth_data[TOKEN_FIELD])
            return self._admission(claims, attempt)
        except NotAdmitted as problem:
            return Refusal(authenticator=self.name, told=str(problem))

    async def _claims(self, token: object) -> Mapping[str, Any]:
        """Give the claims of a token that is good.

        Raises:
            NotAdmitted: it is not; the text has no part of it.
        """
        if not isinstance(token, str):
            raise NotAdmitted("no token")
        algorithm, key_id = self._header(token)
        problem = "no key for this token"
        for key in await self._keys.candidates(algorithm, key_id):
            try:
                return self._decoded(token, key, algorithm)
            except jwt.InvalidSignatureError:
                problem = "a wrong signature"
            except _FAILURES as failure:
                # Its own text would repeat claims.
                raise NotAdmitted(f"a bad token: {type(failure).__name__}") from None
        raise NotAdmitted(problem)

    def _header(self, token: str) -> tuple[str, str | None]:
        """Read what says which key to try. It is not signed yet, so it decides no more."""
        try:
            header = jwt.get_unverified_header(token)
        except _FAILURES:
            raise NotAdmitted("no token") from None
        algorithm, key_id = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise NotAdmitted("an algorithm that is not configured")
        if "crit" in header or header.get("b64", True) is not True:
            # Extensions that must be understood, and none is (RFC 7515, 4.1.11).
            raise NotAdmitted("a token with extensions")
        if key_id is not None and (
            not isinstance(key_id, str) or len(key_id) > _LONGEST_ID
        ):
            raise NotAdmitted("a malformed key id")
        return algorithm, key_id

    def _decoded(self, token: str, key: WebKey, algorithm: str) -> Mapping[str, Any]:
        settings = self._settings
        wanted = ["exp"]
        if settings.issuer is not None:
            wanted.append("iss")
        if settings.audience is not None:
            wanted.append("aud")
        claims: dict[str, Any] = jwt.decode(
            token,
            key.usable(),
            algorithms=[algorithm],
            issuer=settings.issuer,
            audience=settings.audience,
            leeway=settings.leeway,
            options={
                "require": wanted,
                "verify_iss": settings.issuer is not None,
                "verify_aud": settings.audience is not None,
            },
        )
        return claims

    def _admission(self, claims: Mapping[str, Any], attempt: Attempt) -> Admission:
        settings = self._settings
        username = self._entrance.named(claims.get(settings.username_claim), attempt)
        if attempt.username:
            proposed = self._entrance.directory.user(attempt.username)
            name = attempt.username if proposed is None else proposed.username
            if name != username:
                raise NotAdmitted("a token of somebody else")
        properties = properties_of(
            {
                name: _text(claims[claim])
                for claim, name in settings.property_claims.items()
                if claim in claims
            }
        )
        return Admission(
            username,
            self.name,
            self._roles(claims),
            properties=properties.user_defined,
            expires_at=self._expiry(claims["exp"]),
        )

    def _roles(self, claims: Mapping[str, Any]) -> Roles:
        claim = self._settings.groups_claim
        if claim is None:
            return BOUND
        named = claims.get(claim, [])
        if isinstance(named, str):
            named = [named]
        if (
            not isinstance(named, list)
            or len(named) > _MOST_GROUPS
            or not all(isinstance(name, str) for name in named)
        ):
            raise NotAdmitted("a malformed claim of groups")
        prefix = self._settings.group_prefix
        return Roles.fixed(self._entrance.known_groups(prefix + name for name in named))

    def _expiry(self, exp: Any) -> int:
        """Give when the session ends: with its token, or with the grace that let it in."""
        expires_at = int(exp) * 1_000
        if expires_at <= self._clock() * 1_000:
            expires_at += int(self._settings.leeway * 1_000)
        return min(expires_at, MOST_EXPIRY)


def _text(value: object) -> object:
    """Give a claim as the value of a property; what is neither text nor number stays."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    return value
