"""How a provider's functions and methods are called for a given call."""

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

from vestibule.client.given_call import GivenCall


__all__ = ["Invoke", "function_invoker", "method_invoker", "public_methods"]

Invoke: TypeAlias = Callable[[GivenCall], Any]
"""Calls a provider's function for a call; answers its result, or an awaitable of it."""


def function_invoker(function: Callable[..., Any]) -> Invoke:
    """Call a function as `function(data)`, and with `call` if it has such a parameter.

    A function that has no other parameter gets the call alone.
    """
    parameters = _parameters(function)
    if "call" not in parameters:
        return lambda given: function(given.data)
    others = [
        parameter
        for name, parameter in parameters.items()
        if name != "call"
        and parameter.kind
        in (
            parameter.POSITIONAL_ONLY,
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.VAR_POSITIONAL,
        )
    ]
    if not others:
        return lambda given: function(call=given)
    return lambda given: function(given.data, call=given)


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}  # some builtins have no signature: they take the data


def public_methods(instance: object) -> dict[str, Callable[..., Any]]:
    """The methods of an instance, without its properties and classes."""
    methods: dict[str, Callable[..., Any]] = {}
    for name in dir(instance):
        if name.startswith("_"):
            continue
        # Statically first: looking at a property would run it.
        static = inspect.getattr_static(instance, name)
        if inspect.isroutine(static) or isinstance(static, staticmethod | classmethod):
            methods[name] = getattr(instance, name)
    return methods


def method_invoker(method: Callable[..., Any]) -> Invoke:
    """Call a method with the arguments of a call, and with `call` as above.

    A body that does not hold arguments is a TypeError, for the caller to see.
    """
    with_call = "call" in _parameters(method)

    def invoke(given: GivenCall) -> Any:
        match given.data:
            case {"args": list(args), "kwargs": dict(kwargs), **rest} if not rest:
                # A caller that sends a `call` of its own gets a TypeError: it stands
                # twice then.
                if with_call:
                    return method(*args, **kwargs, call=given)
                return method(*args, **kwargs)
            case _:
                raise TypeError("a method is called with args and kwargs")

    return invoke
