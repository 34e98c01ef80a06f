"""A value that must not be seen: no repr, no pickle, no copy shows or spreads it."""

import hmac
from typing import NoReturn


__all__ = ["Secret"]


class Secret:
    """Holds a password or key; only `reveal` gives it out.

    Two secrets compare in a time that does not depend on them. A secret cannot be
    hashed, copied or pickled, so it ends in no set, no cache and no other process.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str | bytes) -> None:
        self._value = value.encode() if isinstance(value, str) else bytes(value)

    def reveal(self) -> str:
        """Give the value as text.

        Raises:
            ValueError: the value is not UTF-8; the text of the error has none of it.
        """
        try:
            return self._value.decode()
        except UnicodeDecodeError:
            # From None: the original error carries the whole value.
            raise ValueError("the secret is not text") from None

    def reveal_bytes(self) -> bytes:
        """Give the value as bytes."""
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> NoReturn:
        raise TypeError("a secret is not hashed")

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied")

    def __copy__(self) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied")
