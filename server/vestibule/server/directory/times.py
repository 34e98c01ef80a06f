"""Points in time: milliseconds since 1970 inside, UTC text outside."""

import re
from datetime import UTC, datetime
from typing import Final


__all__ = ["parse_time", "time_text"]

_FORM: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z", re.ASCII)


def time_text(milliseconds: int) -> str:
    """Give a time as `2031-01-31T09:30:00.000Z`."""
    seconds, rest = divmod(milliseconds, 1000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:03}Z"


def parse_time(text: str) -> int:
    """Read a UTC time, whose fraction of a second may be missing.

    Raises:
        ValueError: another form, or no such day or hour.
    """
    if not _FORM.fullmatch(text):
        raise ValueError("is not a time such as 2031-01-31T09:30:00.000Z")
    moment = datetime.fromisoformat(text)
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * 1000 + moment.microsecond // 1000
