"""Changes that are supposed, as `what_if` takes them: applied to a draft, then forgotten."""

import inspect
from typing import Any, Final

from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory import changes
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.errors import DirectoryError, invalid_argument
from vestibule.server.directory.policy import Policy
from vestibule.server.directory.protection import Shutout
from vestibule.server.directory.script import (
    Answers,
    Surroundings,
    View,
    apply,
    parse,
)


__all__ = ["suppose"]

_SCRIPT: Final = "update_security_store"
"""A script of the other view holds passwords, which nobody hashes to suppose."""


def suppose(policy: Policy, draft: Draft, said: object) -> None:
    """Apply a list of `{"method", "args", "kwargs"}` to a draft of the policy's model.

    Raises:
        DirectoryError: INVALID_ARGUMENT, or what one of them is refused with.
    """
    if not isinstance(said, list):
        raise invalid_argument("changes", "is no list")
    for one in said:
        _apply(policy, draft, one)


def _apply(policy: Policy, draft: Draft, said: object) -> None:
    match said:
        case {"method": str(method), **rest} if rest.keys() <= {"args", "kwargs"}:
            args, kwargs = rest.get("args", []), rest.get("kwargs", {})
            if isinstance(args, list) and isinstance(kwargs, dict):
                if method in changes.__all__:
                    return _call(draft, method, args, kwargs)
                if method == _SCRIPT and not kwargs:
                    return _run(policy, draft, args)
    raise invalid_argument("changes", "has an entry that is no changing method")


def _call(draft: Draft, method: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    function = getattr(changes, method)
    try:
        bound = inspect.signature(function).bind(draft, *args, **kwargs)
    except TypeError as problem:
        raise invalid_argument("changes", str(problem)) from None
    function(*bound.args, **bound.kwargs)


def _run(policy: Policy, draft: Draft, args: list[Any]) -> None:
    match args:
        case [str(script)]:
            parsed = parse(script, View.SECURITY)
        case _:
            raise invalid_argument("changes", f"has a {_SCRIPT} without a script")
    reports = parsed.reports
    if not reports:
        prefix = policy.broker_prefix
        surroundings = Surroundings(
            isolated_for_good=frozenset(prefix + one for one in policy.components),
            shuts_out=Shutout(policy),
        )
        reports = apply(parsed.commands, draft, Answers(), surroundings)
    if reports:
        shapes = [report.shape for report in reports]
        raise DirectoryError(ErrorCode.SCRIPT_FAILED, "", {"reports": shapes})
