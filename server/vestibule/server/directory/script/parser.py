"""Scripts read: every line a command or a fault, and the text that may be kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory.errors import DirectoryError
from vestibule.server.directory.script.arguments import Faulty, Words, read
from vestibule.server.directory.script.commands import Command
from vestibule.server.directory.script.grammar import (
    FORMS,
    STRING,
    Argument,
    Element,
    Form,
    Keyword,
    Optional,
    Slot,
)
from vestibule.server.directory.script.lexer import (
    Kind,
    Line,
    Token,
    lines_of,
    tokens_of,
)
from vestibule.server.directory.script.reports import Fault, Report, in_order
from vestibule.server.directory.views import View


__all__ = ["MAX_BYTES", "MAX_COMMANDS", "MAX_PASSWORDS", "Parsed", "parse", "redacted"]

MAX_BYTES: Final = 256 * 1024
"""A script of 10,000 commands of 26 characters; larger ones are several scripts."""

MAX_COMMANDS: Final = 10_000
"""What is applied within two seconds on a slow machine."""

MAX_PASSWORDS: Final = 200
"""Commands with a password: each is hashed, at about 50 ms."""

_HIDDEN: Final = "'***'"
_KEYWORDS: Final = frozenset(
    word
    for forms in FORMS.values()
    for form in forms
    for element in form.elements
    for keyword in (element.elements if isinstance(element, Optional) else (element,))
    if isinstance(keyword, Keyword)
    for word in keyword.words
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A script: what it commands, by line, and its static errors."""

    commands: tuple[tuple[int, Command], ...]
    """With their lines; none counts if there are reports."""
    reports: tuple[Report, ...]
    redacted: str = field(repr=False)
    """The script with every password shown as `'***'`."""

    @property
    def has_passwords(self) -> bool:
        """Whether something has to be hashed."""
        return any(hasattr(command, "password") for _, command in self.commands)


def parse(script: str, view: View, *, min_password: int = 1) -> Parsed:
    """Read a script of one view and find all its static errors.

    `min_password` is the length in bytes of the shortest password that may be set.

    Raises:
        DirectoryError: SCRIPT_TOO_LARGE.
    """
    _check_size(script)
    lines = [tokens_of(line) for line in lines_of(script)]
    _check_counts(lines)
    commands: list[tuple[int, Command]] = []
    reports: list[Report] = []
    kept: list[str] = []
    for number, (text, line) in enumerate(
        zip(lines_of(script), lines, strict=True), start=1
    ):
        form: Form | None = None
        if line.tokens or line.fault is not None:
            try:
                form, command = _command(line, view, min_password)
            except Faulty as faulty:
                fault = faulty.fault
                reports.append(Report(fault.message, number, fault.column))
            else:
                commands.append((number, command))
        kept.append(_kept(text, line, form))
    return Parsed(tuple(commands), in_order(reports), "\n".join(kept))


def redacted(script: str, view: View) -> str:
    """Give a script with every password shown as `'***'`; nothing of one too large.

    Of a line that is no command only its first keywords are shown, for anything else
    there may be a password.
    """
    try:
        return parse(script, view).redacted
    except DirectoryError:
        return ""


def _check_size(script: str) -> None:
    size = len(script) if script.isascii() else len(script.encode(errors="replace"))
    if size > MAX_BYTES:
        raise _too_large(MAX_BYTES, "bytes")


def _check_counts(lines: Sequence[Line]) -> None:
    commands = passwords = 0
    for line in lines:
        commands += bool(line.tokens) or line.fault is not None
        passwords += _begins_with_password(line.tokens)
    if commands > MAX_COMMANDS:
        raise _too_large(MAX_COMMANDS, "commands")
    if passwords > MAX_PASSWORDS:
        raise _too_large(MAX_PASSWORDS, "commands with a password")


def _too_large(limit: int, what: str) -> DirectoryError:
    return DirectoryError(
        ErrorCode.SCRIPT_TOO_LARGE, f"more than {limit} {what}", {"limit": limit}
    )


_PASSWORD_WORDS: Final = frozenset(
    form.password_words
    for forms in FORMS.values()
    for form in forms
    if form.password_words is not None
)
"""How commands with a password begin, with two words each."""


def _begins_with_password(tokens: Sequence[Token]) -> bool:
    return tuple(map(_key, tokens[:2])) in _PASSWORD_WORDS


def _key(token: Token | None) -> str:
    """Give what a token is for telling forms apart: a word, or that it is a string."""
    if token is None:
        return ""
    if token.kind is Kind.WORD:
        return token.text.lower()
    return STRING if token.kind is Kind.STRING else ""


def _command(line: Line, view: View, min_password: int) -> tuple[Form, Command]:
    """Read one line.

    Raises:
        Faulty: telling the first thing that is wrong.
    """
    words = Words(line)
    form = _choose(words, view)
    words.shortest_password = max(1, min_password) if form.sets_password else 1
    given: dict[Argument, object] = {}
    _fill(words, form.elements, given)
    words.end()
    return form, form.make(given)


def _fill(
    words: Words, elements: Sequence[Element], given: dict[Argument, object]
) -> None:
    for element in elements:
        match element:
            case Keyword(alternatives):
                words.keyword(alternatives)
            case Slot(argument, optional):
                there = not optional or words.at_list
                given[argument] = read(words, argument, there=there)
            case Optional(inner):
                if words.at_word:
                    _fill(words, inner, given)


def _choose(words: Words, view: View) -> Form:
    """Find the form that a line is of, by what its first tokens are.

    Raises:
        Faulty: at the first token that no form of the view has there.
    """
    candidates = FORMS[view]
    at = 0
    while len(candidates) > 1 or at < _keywords(candidates[0]):
        key = _key(words.look(at))
        fitting = tuple([form for form in candidates if key in form.begins[at]])
        if not fitting:
            raise Faulty(_unexpected(words, view, at, candidates))
        candidates, at = fitting, at + 1
    return candidates[0]


def _keywords(form: Form) -> int:
    """Count the keywords in front of the first argument."""
    if (STRING,) in form.begins:
        return form.begins.index((STRING,))
    return len(form.begins)


def _unexpected(words: Words, view: View, at: int, candidates: Sequence[Form]) -> Fault:
    elements = dict.fromkeys(form.elements[at] for form in candidates)
    expected = [
        one.words[0] if isinstance(one, Keyword) else one.argument
        for one in elements
        if not isinstance(one, Optional)
    ]
    fault = words.fault(at, " or ".join(expected))
    if words.look(at) is None:
        return fault
    keys = [_key(words.look(place)) for place in range(at + 1)]
    for other, forms in FORMS.items():
        if other is not view and any(_begins(form, keys) for form in forms):
            return Fault(fault.column, f"this is a command of the {other} store")
    return fault


def _begins(form: Form, keys: Sequence[str]) -> bool:
    return len(keys) <= len(form.begins) and all(
        key in words for key, words in zip(keys, form.begins, strict=False)
    )


def _kept(text: str, line: Line, form: Form | None) -> str:
    """Give what of a line may be kept."""
    end = len(text) if line.comment is None else line.comment - 1
    command, comment = text[:end], text[end:]
    if form is None:
        known = 0
        for token in line.tokens:
            if _key(token) not in _KEYWORDS:
                break
            known = token.end - 1
        if command[known:].strip():
            command = f"{command[:known]} {_HIDDEN}".lstrip()
    elif form.password_words is not None:
        _, password = [one for one in line.tokens if one.kind is Kind.STRING][:2]
        command = (
            f"{command[: password.column - 1]}{_HIDDEN}{command[password.end - 1 :]}"
        )
    quote = min((at for at in map(comment.find, "'\"") if at >= 0), default=-1)
    return command + (comment if quote < 0 else f"{comment[:quote]}{_HIDDEN}")
