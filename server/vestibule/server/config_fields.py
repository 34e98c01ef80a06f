"""How keys of the configuration are declared: default, bounds, unit and reason.

A bound that a key may not pass is a promise of `docs/security.md`: 0 never means "no
limit".
"""

import ipaddress
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


__all__ = [
    "DAY",
    "HOUR",
    "MEBIBYTE",
    "MILLION",
    "SHORTEST",
    "Host",
    "Section",
    "count",
    "is_loopback",
    "number",
    "seconds",
    "size",
]

SHORTEST: Final = 0.01
"""The shortest time that is still one: below it timers measure the loop."""

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
MEBIBYTE: Final = 1024 * 1024
MILLION: Final = 1_000_000


def number(default: Any, unit: str, why: str, least: Any, most: Any) -> Any:
    """Declare a number with its unit; `seconds`, `size` and `count` are shorter."""
    extra = {"unit": unit, "least": least, "most": most}
    return Field(
        default=default,
        ge=least,
        le=most,
        strict=True,
        description=why,
        json_schema_extra=extra,
    )


def seconds(
    default: float | None, why: str, *, least: float = SHORTEST, most: float
) -> Any:
    """Declare a duration."""
    return number(default, "seconds", why, least, most)


def size(default: int, why: str, *, least: int, most: int) -> Any:
    """Declare a size."""
    return number(default, "bytes", why, least, most)


def count(default: int, why: str, *, least: int = 1, most: int = MILLION) -> Any:
    """Declare a number of things."""
    return number(default, "", why, least, most)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        # A name may be any address tomorrow.
        return False


def _host(text: str) -> str:
    if not text or text != text.strip() or not text.isprintable():
        raise ValueError("is not a host or address")
    return text


Host = Annotated[str, AfterValidator(_host)]


class Section(BaseModel):
    """The base of all sections: frozen, closed, and silent about values."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )
