"""What a login sends: its scheme and fields, kept so that nothing can print them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vestibule.client.errors import LoginRefused
from vestibule.protocol.codec import decode_body, encode_body
from vestibule.protocol.errors import ErrorCode, InvalidBody


__all__ = ["Accepted", "Login"]


class Login:
    """A scheme and its fields. Neither `repr` nor an error shows the fields."""

    __slots__ = ("_data", "scheme")

    def __init__(self, auth_data: Any, *, scram: bool) -> None:
        """Keep a copy of `auth_data`, whatever the application makes of its own.

        Raises:
            LoginRefused: SCHEME_NOT_AVAILABLE, for a scheme this client has not.
            TypeError: data that no message can carry.
        """
        # A key that signs is never shown to a broker, not even to one that would take
        # it for plain login data.
        if scram or (isinstance(auth_data, Mapping) and "signing_key" in auth_data):
            raise LoginRefused(
                ErrorCode.SCHEME_NOT_AVAILABLE, "this client has plain logins only"
            )
        self.scheme: Final = "plain"
        try:
            self._data = bytes(encode_body({} if auth_data is None else auth_data))
        except InvalidBody:
            # The cause would show the value in a traceback.
            raise TypeError("login data hold a value that cannot be sent") from None

    def __repr__(self) -> str:
        return f"Login({self.scheme!r}, ...)"

    def fields(self) -> dict[str, Any]:
        """Give the fields of the message, made anew each time."""
        return {"auth_data": decode_body(self._data)}


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the broker said when it admitted."""

    username: str
    client_data: Any
    token: str | None = field(repr=False)
    insecure: tuple[str, ...]
    broker: str
    """The broker's name, the first segment of every method's path."""

    @classmethod
    def of_fields(cls, fields: Mapping[str, Any]) -> "Accepted":
        """Read the fields of `login_accepted`; the core has checked the required."""
        token = fields.get("token")
        return cls(
            username=str(fields.get("username", "")),
            client_data=fields.get("client_data"),
            token=token if isinstance(token, str) else None,
            insecure=tuple(str(name) for name in fields.get("insecure") or ()),
            broker=str(fields.get("broker", "vestibule")),
        )
