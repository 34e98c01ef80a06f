"""Questions about logins, and their answers, as they travel."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from vestibule.client.authentication import (
    Abstain,
    Allow,
    AuthenticationRequest,
    Deny,
)
from vestibule.client.checks import text_map


__all__ = ["answer_of", "request_of"]


def request_of(data: object) -> AuthenticationRequest:
    """Read a question.

    Raises:
        KeyError, TypeError: it is none.
    """
    if not isinstance(data, dict):
        raise TypeError("no question")
    principal, again = data["principal"], data["reauthentication"]
    if not isinstance(principal, str) or not isinstance(again, bool):
        raise TypeError("no question")
    credentials = data["credentials"]
    if not isinstance(credentials, dict):
        raise TypeError("no question")
    return AuthenticationRequest(
        principal,
        MappingProxyType(credentials),
        _texts(data["session_properties"]),
        _texts(data["proposed_properties"]),
        again,
    )


def _texts(value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise TypeError("no question")
    text_map(value, "properties")
    return MappingProxyType(value)


def answer_of(answer: object) -> dict[str, Any] | None:
    """Give an answer as it travels; None for what is none of the three."""
    match answer:
        case Allow(properties=properties, directory_groups=groups):
            allowed: dict[str, Any] = {"action": "allow"}
            if properties is not None:
                allowed["properties"] = dict(properties)
            if groups:
                allowed["directory_groups"] = True
            return allowed
        case Deny(reason=None):
            return {"action": "deny"}
        case Deny(reason=reason):
            return {"action": "deny", "reason": reason}
        case Abstain():
            return {"action": "abstain"}
        case _:
            return None
