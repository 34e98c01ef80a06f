"""A login as it is judged: what was said, by whom, and what is proved of it already."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, TypeAlias, TypeGuard

from vestibule.protocol.codec import encode_body
from vestibule.protocol.errors import CloseCode, ErrorCode, InvalidBody
from vestibule.protocol.properties import proposed_properties
from vestibule.server.admissions import Admission, Turned
from vestibule.server.handler import ConnectionData
from vestibule.server.properties import no_properties
from vestibule.server.session import Session


__all__ = ["PLAIN", "TOKEN", "TOKEN_PREFIX", "Attempt", "Challenge", "read_attempt"]

PLAIN: Final = "plain"
TOKEN: Final = "token"  # noqa: S105 - the name of a scheme
TOKEN_PREFIX: Final = "vst_"  # noqa: S105 - what tokens of the broker begin with

ANONYMOUS: Final = "_ANONYMOUS"
"""What an anonymous login may say in the place of a name."""

_AUTH_DATA_BYTES: Final = 16 * 1024
"""Login data, encoded: names, passwords, tokens; more is not a login."""

_INFO_BYTES: Final = 4 * 1024
"""What a client says of itself, to be shown with its session."""

_ASIDE: Final = frozenset({"properties", "info"})
"""Keys of login data that say nothing about who it is."""

_NOT_PROOF: Final = _ASIDE | {"resume_key"}

Challenge: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]
"""Sends the fields of a challenge and gives those of the proof that answers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One login, the first of a connection or that of a session anew.

    Its repr shows neither what it proves itself with nor what it proposes.
    """

    connection: ConnectionData
    scheme: str
    """As on the wire, or `token` for plain data with a token of the broker's."""
    username: str = ""
    """The name that it proposes, as it was sent; empty if none."""
    account: str | None = None
    """The name that failures are counted under, if it says one."""
    auth_data: Mapping[str, Any] = field(default_factory=no_properties)
    """What it proves itself with, `properties` and `info` left out. Where a proof was
    checked before the chain is asked, the name and the scheme alone."""
    given: Mapping[str, Any] = field(default_factory=no_properties)
    """What a permission handler sees: plain login data as they came, else no secret."""
    properties: Mapping[str, str] = field(default_factory=no_properties)
    """Properties that the client proposes, well-formed ones only."""
    info: Mapping[str, Any] = field(default_factory=no_properties)
    """What the client says of itself, at most 4 KiB."""
    resume_key: bytes | None = None
    exporter: bytes | None = None
    """Names this very exchange; None without encryption, where nothing does."""
    challenge: Challenge | None = None
    """None where no challenge can be sent: for a session that logs in anew."""
    proven: Admission | None = None
    """Set where a proof was checked and is good: what the directory will answer."""
    reauthentication: Session | None = None
    """The session that wants to be somebody else, None for a first login."""

    @property
    def anonymous(self) -> bool:
        """Whether it says nothing about who it is."""
        if self.scheme != PLAIN:
            return False
        rest = {key for key in self.auth_data if key != "username"}
        name = self.auth_data.get("username", "")
        return not rest and (name is None or name in ("", ANONYMOUS))

    def proved(self, admission: Admission) -> "Attempt":
        """Give the attempt as the chain sees it after its proof was found good."""
        known: dict[str, Any] = {"scheme": self.scheme}
        name = admission.username or self.username
        if name:
            known["username"] = name
        return replace(
            self,
            username=name,
            auth_data=MappingProxyType(known),
            given=MappingProxyType({**known, "properties": dict(self.properties)}),
            proven=admission,
        )

    def __repr__(self) -> str:
        return f"Attempt({self.scheme!r}, {self.connection.session_id})"


def read_attempt(
    connection: ConnectionData,
    scheme: str,
    fields: Mapping[str, Any],
    *,
    exporter: bytes | None = None,
    challenge: Challenge | None = None,
    reauthentication: Session | None = None,
) -> Attempt | Turned:
    """Take the fields of a login apart; what is no login ends a stranger."""
    if scheme != PLAIN:
        return Attempt(
            connection=connection,
            scheme=scheme,
            **_said(fields, _NOT_PROOF),
            resume_key=fields.get("resume_key"),
            exporter=exporter,
            challenge=challenge,
            reauthentication=reauthentication,
        )
    auth_data = fields.get("auth_data")
    if not _acceptable(auth_data):
        return Turned(
            ErrorCode.INVALID_AUTH_MSG, "not a login", bye=CloseCode.INVALID_AUTH_MSG
        )
    token = auth_data.get("token")
    # Tokens of others, such as a handler's own, are data like any.
    ours = isinstance(token, str) and token.startswith(TOKEN_PREFIX)
    return Attempt(
        connection=connection,
        scheme=TOKEN if ours else PLAIN,
        **_said(auth_data, _ASIDE),
        given=MappingProxyType(auth_data),
        resume_key=fields.get("resume_key"),
        exporter=exporter,
        challenge=challenge,
        reauthentication=reauthentication,
    )


def _said(data: Mapping[str, Any], aside: frozenset[str]) -> dict[str, Any]:
    """Give what stands in login data or fields, as facts of an attempt."""
    name = data.get("username")
    account = name if isinstance(name, str) else data.get("user")
    rest = {key: value for key, value in data.items() if key not in aside}
    return {
        "username": name if isinstance(name, str) and name != ANONYMOUS else "",
        "account": account if isinstance(account, str) else None,
        "auth_data": MappingProxyType(rest),
        "properties": MappingProxyType(proposed_properties(data.get("properties"))),
        "info": _info(data.get("info")),
    }


def _info(info: object) -> Mapping[str, Any]:
    if not isinstance(info, dict) or _length(info) > _INFO_BYTES:
        return no_properties()
    return MappingProxyType(info)


def _acceptable(auth_data: object) -> TypeGuard[dict[str, Any]]:
    """Whether login data is a map of text keys that is not too long."""
    if not isinstance(auth_data, dict):
        return False
    if not all(isinstance(key, str) for key in auth_data):
        return False
    return _length(auth_data) <= _AUTH_DATA_BYTES


def _length(data: object) -> int:
    """Tell how long data are when encoded; longer than any bound if they cannot be."""
    try:
        return len(bytes(encode_body(data)))
    except InvalidBody:
        return _AUTH_DATA_BYTES + 1
