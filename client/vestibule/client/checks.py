"""What an application gives: wrong types are refused here, before anything is sent."""

from collections.abc import Iterable, Mapping, Set as AbstractSet


__all__ = ["text", "text_map", "texts"]


def text(value: object, name: str) -> str:
    """Take a string.

    Raises:
        TypeError: anything else; None too.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} is a str")
    return value


def texts(values: object, name: str) -> list[str]:
    """Take a collection of strings: each once, in the order given, sets sorted.

    Raises:
        TypeError: one string, which would be a collection of letters; a mapping;
            a member that is no string; anything else.
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise TypeError(f"{name} is a collection of strings")
    members = list(values)
    if not all(isinstance(member, str) for member in members):
        raise TypeError(f"{name} is a collection of strings")
    if isinstance(values, AbstractSet):
        members.sort()
    return list(dict.fromkeys(members))


def text_map(
    values: object, name: str, *, removals: bool = False
) -> dict[str, str | None]:
    """Take a mapping of strings to strings; with `removals` to None, too.

    Raises:
        TypeError: anything else.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"{name} is a mapping")
    copied = dict(values)
    for key, value in copied.items():
        if not isinstance(key, str):
            raise TypeError(f"the keys of {name} are str")
        if not (isinstance(value, str) or (removals and value is None)):
            raise TypeError(f"the values of {name} are str")
    return copied
