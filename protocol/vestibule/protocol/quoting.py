r"""Quoted text: `'…'` or `"…"`, in which `\` stands before a quote or another `\`."""

import unicodedata
from typing import Final


__all__ = ["quoted", "speakable", "unquoted"]

_QUOTES: Final = ("'", '"')
_ESCAPABLE: Final = ("'", '"', "\\")
_UNSPEAKABLE: Final = frozenset({"Cc", "Cs"})
"""Control characters and lone surrogates: no quoted text can hold them."""


def speakable(text: str) -> bool:
    """Whether quoted text can hold it: no control character, no lone surrogate."""
    if text.isascii():
        return text.isprintable()
    return not any(unicodedata.category(one) in _UNSPEAKABLE for one in text)


def quoted(text: str) -> str:
    r"""Put a text in single quotes, with `\` before `'` and `\`.

    Raises:
        ValueError: a text that is not `speakable`.
    """
    if not speakable(text):
        raise ValueError("a control character, or no text")
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def unquoted(text: str, at: int) -> tuple[str, int]:
    r"""Read the quoted text that begins at `at`; give it and the place after it.

    Raises:
        ValueError: no quote there, no end, another `\` than before a quote or `\`.
    """
    quote = text[at : at + 1]
    if quote not in _QUOTES or not quote:
        raise ValueError("something outside quotes")
    parts: list[str] = []
    at += 1
    while at < len(text):
        one = text[at]
        if one == quote:
            return "".join(parts), at + 1
        if one == "\\":
            at += 1
            one = text[at : at + 1]
            if one not in _ESCAPABLE or not one:
                raise ValueError("a backslash before another character")
        parts.append(one)
        at += 1
    raise ValueError("quoted text without an end")
