"""The one table of the script language: each command's form, effect and value.

A form is written as the reference shows it (`reference`): words in small letters are
keywords, `|` parts alternatives, `?` follows what may be left out, and words in capital
letters stand for arguments.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from vestibule.server.directory.model import AnonymousAction, PropertyRule
from vestibule.server.directory.script import commands
from vestibule.server.directory.script.commands import Command
from vestibule.server.directory.views import View


__all__ = [
    "FORMS",
    "STRING",
    "Argument",
    "Element",
    "Form",
    "Keyword",
    "Optional",
    "Reference",
    "Slot",
    "reference",
]


STRING: Final = "'"
"""Stands for a string among the words that a line may begin with."""


class Argument(StrEnum):
    """What stands at a place of a form; the value is how the reference writes it."""

    ROLE = "'role'"
    PRINCIPAL = "'principal'"
    LOCKER = "'locking principal'"
    PATH = "'path'"
    PASSWORD = "'password'"  # noqa: S105 - a name
    KEY = "'key'"
    PATTERN = "'pattern'"
    GLOBALS = "[GLOBAL_PERMISSION …]"
    PATHS = "[PATH_PERMISSION …]"
    ROLES = "['role' …]"
    VALUES = "['value' …]"

    @property
    def is_list(self) -> bool:
        """Whether it stands in square brackets."""
        return self.value.startswith("[")


@dataclass(frozen=True, slots=True)
class Keyword:
    """A word of the language, or one of several that mean the same."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for an argument; a list that may be left out is empty then."""

    argument: Argument
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Optional:
    """Elements that stand there all, or none of them."""

    elements: tuple[Keyword | Slot, ...]


Element: TypeAlias = Keyword | Slot | Optional
Given: TypeAlias = Mapping[Argument, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """A command: its view, how it is written, what it does, how it is made."""

    view: View
    text: str
    effect: str
    make: Callable[[Given], Command]
    elements: tuple[Element, ...]
    begins: tuple[tuple[str, ...], ...]
    """What its first tokens are, each one of several words or `STRING`: as many as
    every line of the form has."""

    @property
    def password_words(self) -> tuple[str, ...] | None:
        """The keywords that it begins with, if a password stands in it."""
        if Slot(Argument.PASSWORD) not in self.elements:
            return None
        return tuple(words[0] for words in self.begins if words != (STRING,))

    @property
    def sets_password(self) -> bool:
        """Whether a password stands in it that is to be somebody's."""
        return Slot(Argument.PASSWORD) in self.elements and self.begins[0] != (
            "verify",
        )


_PIECE: Final = re.compile(r"\((?P<group>[^)]*)\)\?|(?P<word>[A-Z]+\??|[a-z|]+)")


def _elements(text: str) -> Iterator[Element]:
    for piece in _PIECE.finditer(text):
        if piece["group"] is not None:
            yield Optional(tuple(map(_plain, piece["group"].split())))
        else:
            yield _plain(piece["word"])


def _plain(word: str) -> Keyword | Slot:
    if word.islower():
        return Keyword(tuple(word.split("|")))
    return Slot(Argument[word.removesuffix("?")], optional=word.endswith("?"))


A = Argument

_SECURITY: Final[tuple[tuple[str, str, Callable[[Given], Command]], ...]] = (
    (
        "set ROLE permissions GLOBALS?",
        "The role's global permissions are these.",
        lambda given: commands.SetGlobal(given[A.ROLE], given[A.GLOBALS]),
    ),
    (
        "set ROLE default path|topic permissions PATHS?",
        "The role's default path permissions are these; none is the same as no default.",
        lambda given: commands.SetDefault(given[A.ROLE], given[A.PATHS]),
    ),
    (
        "set ROLE path|topic PATH permissions PATHS?",
        "The role's assignment at the path is this; an empty one is an assignment too.",
        lambda given: commands.SetPath(given[A.ROLE], given[A.PATH], given[A.PATHS]),
    ),
    (
        "remove ROLE permissions for path|topic PATH",
        "The role has no assignment at the path and inherits there again.",
        lambda given: commands.RemoveAssignment(given[A.ROLE], given[A.PATH]),
    ),
    (
        "set ROLE includes ROLES?",
        "The role includes exactly these; it must not come to include itself.",
        lambda given: commands.SetIncludes(given[A.ROLE], given[A.ROLES]),
    ),
    (
        "set roles for named sessions ROLES?",
        "Every session with a username has these, besides the user's own.",
        lambda given: commands.SetSessionRoles(named=True, roles=given[A.ROLES]),
    ),
    (
        "set roles for anonymous sessions ROLES?",
        "Every anonymous session has these.",
        lambda given: commands.SetSessionRoles(named=False, roles=given[A.ROLES]),
    ),
    (
        "set role ROLE locked by principal LOCKER",
        "Only the locking principal may change the role from now on.",
        lambda given: commands.LockRole(given[A.ROLE], given[A.LOCKER]),
    ),
    (
        "unlock role ROLE",
        "Nobody's lock is on the role.",
        lambda given: commands.UnlockRole(given[A.ROLE]),
    ),
    (
        "isolate path|topic PATH",
        "Assignments further up and defaults do not reach the path or below it.",
        lambda given: commands.IsolatePath(given[A.PATH], isolated=True),
    ),
    (
        "deisolate path|topic PATH",
        "The path is not isolated; one of the broker's own components stays so.",
        lambda given: commands.IsolatePath(given[A.PATH], isolated=False),
    ),
)

_AUTHENTICATION: Final[tuple[tuple[str, str, Callable[[Given], Command]], ...]] = (
    (
        "add principal PRINCIPAL PASSWORD ROLES? (locked by LOCKER)?",
        "There is a new user with this password, in exactly these groups and `_GUEST`.",
        lambda given: commands.AddPrincipal(
            given[A.PRINCIPAL], given[A.PASSWORD], given[A.ROLES], given.get(A.LOCKER)
        ),
    ),
    (
        "set password PRINCIPAL PASSWORD",
        "The user's password is this, also if it had none.",
        lambda given: commands.SetPassword(given[A.PRINCIPAL], given[A.PASSWORD]),
    ),
    (
        "verify password PRINCIPAL PASSWORD",
        "Changes nothing; fails unless the user has this password.",
        lambda given: commands.VerifyPassword(given[A.PRINCIPAL], given[A.PASSWORD]),
    ),
    (
        "remove principal PRINCIPAL",
        "The user is deleted, its sessions and tokens with it.",
        lambda given: commands.RemovePrincipal(given[A.PRINCIPAL]),
    ),
    (
        "assign roles PRINCIPAL ROLES",
        "The user's groups are exactly these and `_GUEST`.",
        lambda given: commands.AssignRoles(given[A.PRINCIPAL], given[A.ROLES]),
    ),
    (
        "unlock principal PRINCIPAL",
        "Nobody's lock is on the user.",
        lambda given: commands.UnlockPrincipal(given[A.PRINCIPAL]),
    ),
    (
        "allow anonymous connections ROLES?",
        "Logins without credentials are admitted, with these roles.",
        lambda given: commands.SetAnonymousPolicy(
            AnonymousAction.ALLOW, given[A.ROLES]
        ),
    ),
    (
        "deny anonymous connections",
        "Logins without credentials are refused; anonymous sessions end.",
        lambda _: commands.SetAnonymousPolicy(AnonymousAction.DENY, ()),
    ),
    (
        "abstain anonymous connections",
        "Others are asked about logins without credentials; anonymous sessions end.",
        lambda _: commands.SetAnonymousPolicy(AnonymousAction.ABSTAIN, ()),
    ),
    (
        "trust client proposed property KEY if value in VALUES",
        "Clients may propose one of these values of the session property.",
        lambda given: commands.TrustProperty(
            given[A.KEY], PropertyRule(values=given[A.VALUES])
        ),
    ),
    (
        "trust client proposed property KEY if value matches PATTERN",
        "Clients may propose each value that the pattern matches as a whole.",
        lambda given: commands.TrustProperty(
            given[A.KEY], PropertyRule(pattern=given[A.PATTERN])
        ),
    ),
    (
        "ignore client proposed property KEY",
        "What clients propose of the session property counts no more.",
        lambda given: commands.IgnoreProperty(given[A.KEY]),
    ),
)


def _form(view: View, text: str, effect: str, make: Callable[[Given], Command]) -> Form:
    elements = tuple(_elements(text))
    return Form(view, text, effect, make, elements, tuple(_begins(elements)))


def _begins(elements: Iterable[Element]) -> Iterator[tuple[str, ...]]:
    for element in elements:
        match element:
            case Keyword(words):
                yield words
            case Slot(argument) if not argument.is_list:
                yield (STRING,)
            case _:
                return


FORMS: Final[Mapping[View, tuple[Form, ...]]] = {
    view: tuple(_form(view, *row) for row in rows)
    for view, rows in (
        (View.SECURITY, _SECURITY),
        (View.AUTHENTICATION, _AUTHENTICATION),
    )
}


@dataclass(frozen=True, slots=True)
class Reference:
    """One command as the reference shows it (docs/stores.md)."""

    view: View
    form: str
    effect: str


def reference() -> Iterator[Reference]:
    """Give every command's form and what it does, in the order of the table."""
    for view, forms in FORMS.items():
        for form in forms:
            shown = " ".join(map(_shown, form.elements))
            yield Reference(view, shown, form.effect)


def _shown(element: Element) -> str:
    match element:
        case Keyword(words):
            return words[0]
        case Slot(argument, optional):
            return f"[{argument}]" if optional else str(argument)
        case Optional(elements):
            return f"[{' '.join(map(_shown, elements))}]"
