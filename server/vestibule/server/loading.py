"""Loading a permission handler by name, and checking that it is one.

A handler is any object with the methods of `PermissionHandler`; it need not inherit.
What does not load or does not take the arguments stops the start, by name.
"""

import importlib
import inspect
from collections.abc import Callable
from typing import Any, Final

from vestibule.server.config_source import ConfigError


__all__ = ["HandlerError", "check_handler", "load_handler"]

_METHODS: Final[dict[str, tuple[str, ...]]] = {
    "is_valid_user": ("connection", "auth_data"),
    "can_perform_action": ("username", "message"),
    "can_receive": ("username", "message"),
    "on_client_disconnect": ("username",),
}
"""What the broker calls, and the arguments that it gives, by position."""

_REQUIRED: Final = ("is_valid_user", "can_perform_action")
"""A class with neither of these is no handler but a mistaken name."""


class HandlerError(ConfigError):
    """The handler does not load, or is none; the text names it and what is missing."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(problem, where=f"handler {name}")


def load_handler(reference: str) -> object:
    """Import `package.module:Class` and make one handler of it, without arguments.

    Raises:
        HandlerError: no such module or name, an exception while importing or making
            it (told by its type and place), or a shape that is not a handler's.
    """
    module_name, _, attribute = reference.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as problem:
        missing = problem.name or module_name
        raise HandlerError(reference, f"there is no module {missing}") from problem
    except Exception as problem:
        raise HandlerError(
            reference, f"importing {module_name} raised {_told(problem)}"
        ) from problem
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise HandlerError(reference, f"{module_name} has no {attribute}")
        found = getattr(found, part)
    if inspect.isclass(found):
        try:
            found = found()
        except Exception as problem:
            raise HandlerError(
                reference, f"making one without arguments raised {_told(problem)}"
            ) from problem
    check_handler(found, reference)
    return found


def check_handler(handler: object, name: str = "") -> None:
    """Check that `handler` has a handler's methods and that they take its arguments.

    Missing methods are no fault, as long as one of the two that decide is there: a
    missing `is_valid_user` abstains, a missing `can_perform_action` leaves the policy
    alone.

    Raises:
        HandlerError: naming the method and what it should take.
    """
    name = name or type(handler).__qualname__
    if inspect.isclass(handler):
        raise HandlerError(name, "is a class; an instance is needed")
    if not any(hasattr(handler, method) for method in _REQUIRED):
        raise HandlerError(name, f"has neither {' nor '.join(_REQUIRED)}")
    for method, arguments in _METHODS.items():
        function = getattr(handler, method, None)
        if function is None:
            if hasattr(handler, method):
                raise HandlerError(name, f"{method} is not callable")
            continue
        if not callable(function):
            raise HandlerError(name, f"{method} is not callable")
        _check_arguments(name, method, function, arguments)


def _check_arguments(
    name: str, method: str, function: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        # Built in C: only calling it would tell.
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        wanted = ", ".join(arguments)
        raise HandlerError(name, f"{method} does not take ({wanted})") from None


def _told(problem: BaseException) -> str:
    """Give an exception's type and the line that raised it; its text may be private."""
    place = ""
    trace = problem.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<frozen"):
            place = f" at {file}:{trace.tb_lineno}"
        trace = trace.tb_next
    if isinstance(problem, SyntaxError) and problem.filename:
        place = f" at {problem.filename}:{problem.lineno}"
    return f"{type(problem).__name__}{place}"
