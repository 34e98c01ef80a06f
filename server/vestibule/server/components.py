"""Components of the broker's own: how their methods are declared and called.

A component's methods are called, granted and denied like any method, at the path
`<broker name>/<component>/<method>`; the body of a call is `{"args": […],
"kwargs": {…}}`.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from vestibule.protocol.errors import ErrorCode
from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.errors import RequestError


__all__ = [
    "Caller",
    "Component",
    "ComponentError",
    "Method",
    "method",
    "methods_of",
]

_ATTRIBUTE: Final = "__vestibule_method__"

_NAMED: Final = re.compile(r"argument:? '(\w{1,64})'")
"""Where Python's own message names an argument."""

F = TypeVar("F", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls a method; all of it is what the broker knows, nothing is claimed."""

    username: str
    session_id: str
    bound: bool
    """Whether the session has the groups of the directory user of its name."""


class ComponentError(RequestError):
    """A method refuses: `code`, a text and details go to the caller."""


@dataclass(frozen=True, slots=True)
class Method:
    """One declared method: its name, what grants it, its signature, its code."""

    name: str
    needs: tuple[GlobalPermission, ...] | None
    """Global permissions that, all held, allow the call; empty: only a rule does;
    None: every session may, unless a rule prohibits it."""
    signature: inspect.Signature
    """Of the arguments behind the caller."""
    function: Callable[..., Awaitable[Any]]

    async def call(self, caller: Caller, body: object) -> Any:
        """Call with the body of a call.

        Raises:
            ComponentError: INVALID_ARGUMENT for a body or arguments that do not fit
                the signature, or what the method refuses with.
        """
        args, kwargs = _arguments(body)
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as problem:
            raise _unfitting(str(problem)) from None
        return await self.function(caller, *bound.args, **bound.kwargs)


def _unfitting(problem: str) -> ComponentError:
    """Refuse arguments that do not fit, naming the one that Python names."""
    named = _NAMED.search(problem)
    details = {} if named is None else {"argument": named[1]}
    return ComponentError(ErrorCode.INVALID_ARGUMENT, problem, details)


def _arguments(body: object) -> tuple[list[Any], dict[str, Any]]:
    """Take `{"args": […], "kwargs": {…}}` apart; either may be missing."""
    match body:
        case None:
            return [], {}
        case dict() if body.keys() <= {"args", "kwargs"}:
            args, kwargs = body.get("args", []), body.get("kwargs", {})
            if isinstance(args, list) and isinstance(kwargs, dict):
                return args, kwargs
    raise ComponentError(
        ErrorCode.INVALID_ARGUMENT, "the body is not {args: […], kwargs: {…}}"
    )


def method(*needs: GlobalPermission, everybody: bool = False) -> Callable[[F], F]:
    """Declare a coroutine method of a component as callable by sessions.

    `needs` are the global permissions that allow it; without any, a rule must. With
    `everybody` nothing must, and a prohibiting rule still denies it.
    """

    def mark(function: F) -> F:
        setattr(function, _ATTRIBUTE, None if everybody else needs)
        return function

    return mark


def methods_of(component: object) -> dict[str, Method]:
    """Collect what `method` declared on `component`."""
    found: dict[str, Method] = {}
    for name, function in inspect.getmembers(component, inspect.iscoroutinefunction):
        if not hasattr(function, _ATTRIBUTE):
            continue
        needs = getattr(function, _ATTRIBUTE)
        signature = inspect.signature(function)
        arguments = list(signature.parameters.values())[1:]
        found[name] = Method(
            name, needs, signature.replace(parameters=arguments), function
        )
    return found


@dataclass(frozen=True, slots=True)
class Component:
    """A name and its methods."""

    name: str
    methods: Mapping[str, Method]

    @classmethod
    def of(cls, name: str, *parts: object) -> "Component":
        """Make a component of methods by name, and of what `method` declared on others.

        Raises:
            ValueError: two parts have a method of one name.
        """
        methods: dict[str, Method] = {}
        for part in parts:
            found = part if isinstance(part, Mapping) else methods_of(part)
            if twice := methods.keys() & found.keys():
                raise ValueError(f"{name} has two of {', '.join(sorted(twice))}")
            methods.update(found)
        return cls(name, methods)
