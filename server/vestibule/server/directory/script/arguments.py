"""The arguments of commands, read from a line's tokens and checked by themselves."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from typing import Final, TypeVar

from vestibule.protocol.errors import InvalidName
from vestibule.protocol.names import parse_name
from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.protocol.principals import (
    MAX_PASSWORD_BYTES,
    valid_group_name,
    valid_username,
)
from vestibule.protocol.properties import valid_property_key
from vestibule.protocol.property_patterns import parse_property_pattern
from vestibule.server.directory.script.commands import Spot
from vestibule.server.directory.script.grammar import Argument
from vestibule.server.directory.script.lexer import Kind, Line, Token
from vestibule.server.directory.script.reports import Fault
from vestibule.server.directory.verifier import canonical_password


__all__ = ["Faulty", "Words", "read"]

_UNKNOWN: Final = (
    GlobalPermission.UNKNOWN_GLOBAL_PERMISSION,
    PathPermission.UNKNOWN_PATH_PERMISSION,
)
"""How older clients show what they do not know; nobody can have it."""

P = TypeVar("P", GlobalPermission, PathPermission)


class Faulty(Exception):  # noqa: N818 - it names the line
    """A line is no command; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self.fault: Final = fault


class Words:
    """A line's tokens, taken one after the other.

    Faults quote no string, and no word of a line that may hold a password.
    """

    def __init__(self, line: Line) -> None:
        self.shortest_password = 1
        """In bytes."""
        self._line: Final = line
        self._tokens: Final = line.tokens
        self._at = 0

    def look(self, at: int) -> Token | None:
        """Give the token at a place of the line, None where there is none.

        Raises:
            Faulty: the line cannot be read so far.
        """
        if at < len(self._tokens):
            return self._tokens[at]
        if self._line.fault is not None:
            raise Faulty(self._line.fault)
        return None

    @property
    def at_list(self) -> bool:
        """Whether a list begins here."""
        token = self.look(self._at)
        return token is not None and token.kind is Kind.OPEN

    @property
    def at_word(self) -> bool:
        """Whether a word stands here."""
        token = self.look(self._at)
        return token is not None and token.kind is Kind.WORD

    def keyword(self, words: tuple[str, ...]) -> None:
        """Take one of these words, in any case."""
        token = self.look(self._at)
        if token is None or token.kind is not Kind.WORD:
            raise Faulty(self.fault(self._at, words[0]))
        if token.text.lower() not in words:
            raise Faulty(self.fault(self._at, words[0]))
        self._at += 1

    def string(self, what: str) -> Token:
        """Take a string."""
        token = self.look(self._at)
        if token is None or token.kind is not Kind.STRING:
            raise Faulty(self.fault(self._at, what))
        self._at += 1
        return token

    def items(self, kind: Kind, what: str) -> Iterator[Token]:
        """Take a list; a comma stands only between two items."""
        if not self.at_list:
            raise Faulty(self.fault(self._at, what))
        self._at += 1
        needed = False
        first = True
        while True:
            token = self.look(self._at)
            if token is not None and token.kind is Kind.CLOSE and not needed:
                self._at += 1
                return
            comma = token is not None and token.kind is Kind.COMMA
            if comma and not needed and not first:
                needed = True
            elif token is not None and token.kind is kind:
                needed = first = False
                yield token
            else:
                raise Faulty(self.fault(self._at, what))
            self._at += 1

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self.look(self._at) is not None:
            raise Faulty(self.fault(self._at, "the end of the line"))

    def fault(self, at: int, expected: str) -> Fault:
        """Tell that something else stands at a place, or nothing."""
        token = self.look(at)
        if token is None:
            column = self._tokens[-1].end if self._tokens else 1
            return Fault(column, f"{expected} is missing")
        return Fault(token.column, f"{expected} is expected, not {token.kind.value}")


def read(words: Words, argument: Argument, *, there: bool) -> object:
    """Take an argument and check it; a list that is not `there` is empty.

    Raises:
        Faulty: it is missing, or wrong by itself.
    """
    return _READERS[argument](words) if there else _EMPTY[argument]


def _name(words: Words, valid: Callable[[object], bool], kind: str) -> Spot:
    return _named(words.string(f"a {kind} in quotes"), valid, kind)


def _named(token: Token, valid: Callable[[object], bool], kind: str) -> Spot:
    if not valid(token.text):
        problem = f"this cannot be the name of a {kind}"
        raise Faulty(Fault(token.column, problem))
    return Spot(token.text, token.column)


def _roles(words: Words) -> tuple[Spot, ...]:
    found: dict[str, Spot] = {}
    for token in words.items(Kind.STRING, "a role in quotes"):
        spot = _named(token, valid_group_name, "role")
        found.setdefault(spot.text, spot)
    return tuple(found.values())


def _path(words: Words) -> Spot:
    token = words.string("a path in quotes")
    if "{" in token.text or "}" in token.text:
        raise Faulty(Fault(token.column, "a path here has no { and no }"))
    try:
        return Spot(parse_name(token.text).text, token.column)
    except InvalidName as problem:
        raise Faulty(Fault(token.column, f"this is no path: {problem}")) from None


def _password(words: Words) -> str:
    token = words.string("a password in quotes")
    size = len(canonical_password(token.text))
    if not words.shortest_password <= size <= MAX_PASSWORD_BYTES:
        raise Faulty(Fault(token.column, "the password is too short or too long"))
    return token.text


def _key(words: Words) -> str:
    token = words.string("a property key in quotes")
    if not valid_property_key(token.text):
        raise Faulty(Fault(token.column, "this cannot be the key of a property"))
    return token.text


def _pattern(words: Words) -> str:
    token = words.string("a pattern in quotes")
    try:
        parse_property_pattern(token.text)
    except ValueError as problem:
        raise Faulty(Fault(token.column, f"this is no pattern: {problem}")) from None
    return token.text


def _values(words: Words) -> frozenset[str]:
    return frozenset(
        token.text for token in words.items(Kind.STRING, "a value in quotes")
    )


def _permissions(words: Words, scope: type[P], other: type[StrEnum]) -> frozenset[P]:
    return frozenset(
        _permission(token, scope, other)
        for token in words.items(Kind.WORD, "a permission")
    )


def _permission(token: Token, scope: type[P], other: type[StrEnum]) -> P:
    name = token.text.upper()
    if name in scope.__members__ and scope[name] not in _UNKNOWN:
        return scope[name]
    kind = "path" if scope is PathPermission else "global"
    problem = f"{token.text} is no {kind} permission"
    if name in other.__members__:
        problem += "; it is of the other sort"
    raise Faulty(Fault(token.column, problem))


_READERS: Final[Mapping[Argument, Callable[[Words], object]]] = {
    Argument.ROLE: partial(_name, valid=valid_group_name, kind="role"),
    Argument.PRINCIPAL: partial(_name, valid=valid_username, kind="principal"),
    Argument.LOCKER: partial(_name, valid=valid_username, kind="principal"),
    Argument.PATH: _path,
    Argument.PASSWORD: _password,
    Argument.KEY: _key,
    Argument.PATTERN: _pattern,
    Argument.GLOBALS: partial(
        _permissions, scope=GlobalPermission, other=PathPermission
    ),
    Argument.PATHS: partial(_permissions, scope=PathPermission, other=GlobalPermission),
    Argument.ROLES: _roles,
    Argument.VALUES: _values,
}

_EMPTY: Final[Mapping[Argument, object]] = {
    Argument.GLOBALS: frozenset(),
    Argument.PATHS: frozenset(),
    Argument.ROLES: (),
    Argument.VALUES: frozenset(),
}
"""What a list is that is left out."""
