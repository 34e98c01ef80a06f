"""Methods of `security` that read and change the directory: the facade's own, as they are.

Whoever may call one that changes can give itself any right.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from inspect import isawaitable, signature
from types import MappingProxyType
from typing import Any, Final

from vestibule.protocol.permissions import GlobalPermission
from vestibule.server.components import Caller, Method
from vestibule.server.directory import Directory


__all__ = ["ADMINISTRATION", "administration"]

_CHANGES: Final[tuple[Callable[..., Awaitable[Any]], ...]] = (
    Directory.add_user,
    Directory.update_user,
    Directory.upsert_user,
    Directory.delete_user,
    Directory.add_user_permissions,
    Directory.remove_user_permissions,
    Directory.add_group,
    Directory.update_group,
    Directory.upsert_group,
    Directory.delete_group,
    Directory.add_group_permissions,
    Directory.remove_group_permissions,
    Directory.link_group,
    Directory.unlink_group,
    Directory.link_anonymous_group,
    Directory.unlink_anonymous_group,
    Directory.update_security_store,
    Directory.update_authentication_store,
    Directory.import_directory,
)
"""Made in the name of whoever calls: `by` and `session_id` are no arguments."""

_ANSWERS: Final[tuple[Callable[..., Any], ...]] = (
    Directory.get_user,
    Directory.list_users,
    Directory.list_users_by_group,
    Directory.list_user_names_by_group,
    Directory.get_group,
    Directory.list_groups,
    Directory.is_authorized,
    Directory.explain,
    Directory.who_can,
    Directory.get_security_configuration,
    Directory.get_system_authentication_configuration,
    Directory.export_directory,
)

_NOT_ARGUMENTS: Final = frozenset({"self", "by", "session_id"})

ADMINISTRATION: Final[Mapping[str, tuple[GlobalPermission, ...]]] = MappingProxyType(
    {
        **{one.__name__: (GlobalPermission.MODIFY_SECURITY,) for one in _CHANGES},
        **{one.__name__: (GlobalPermission.VIEW_SECURITY,) for one in _ANSWERS},
    }
)
"""The methods, and the global permissions that allow each."""


def administration(directory: Directory) -> Mapping[str, Method]:
    """Make the methods of one directory."""
    changes = {one.__name__: _method(one, _change, directory) for one in _CHANGES}
    answers = {one.__name__: _method(one, _answer, directory) for one in _ANSWERS}
    return changes | answers


def _method(
    function: Callable[..., Any],
    call: Callable[..., Awaitable[Any]],
    directory: Directory,
) -> Method:
    name, of_facade = function.__name__, signature(function)
    arguments = [
        one for one in of_facade.parameters.values() if one.name not in _NOT_ARGUMENTS
    ]
    return Method(
        name,
        ADMINISTRATION[name],
        of_facade.replace(parameters=arguments),
        partial(call, directory, name),
    )


async def _change(
    directory: Directory, name: str, caller: Caller, *args: object, **kwargs: object
) -> Any:
    author = {"by": caller.username, "session_id": caller.session_id}
    return await getattr(directory, name)(*args, **kwargs, **author)


async def _answer(
    directory: Directory, name: str, caller: Caller, *args: object, **kwargs: object
) -> Any:
    del caller
    answer = getattr(directory, name)(*args, **kwargs)
    return await answer if isawaitable(answer) else answer
