"""Commands applied to a draft, one after another; what fails is left out and told.

Each command either does all of what it says or nothing, and sees what those before it
did. Nothing here waits and nothing is hashed.
"""

import uuid
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, assert_never

from vestibule.protocol.permissions import PathPermission
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.model import (
    ADMIN_GROUP,
    ADMIN_USER,
    DELEGATE_GROUP,
    GUEST_GROUP,
    AnonymousPolicy,
    Group,
    User,
)
from vestibule.server.directory.names import SYSTEM_PREFIX
from vestibule.server.directory.script.commands import (
    AddPrincipal,
    AssignRoles,
    Command,
    IgnoreProperty,
    IsolatePath,
    LockRole,
    RemoveAssignment,
    RemovePrincipal,
    SetAnonymousPolicy,
    SetDefault,
    SetGlobal,
    SetIncludes,
    SetPassword,
    SetPath,
    SetSessionRoles,
    Spot,
    TrustProperty,
    UnlockPrincipal,
    UnlockRole,
    VerifyPassword,
)
from vestibule.server.directory.script.reports import Fault, Report, in_order
from vestibule.server.directory.script.secrets import Answers
from vestibule.server.directory.verifier import Verifier


__all__ = ["Surroundings", "apply", "apply_in_turns"]

_UNCHANGING: Final = frozenset({ADMIN_GROUP, DELEGATE_GROUP})
"""Groups that no script changes."""


_A_TURN: Final = 50
"""Commands between two pauses: a few milliseconds."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a script meets besides the draft."""

    isolated_for_good: frozenset[str]
    """The paths of the broker's own components."""
    shuts_out: Callable[[Draft], bool]
    """Whether the administrator, or every user, would lose what is theirs for good."""


class _Failed(Exception):  # noqa: N818 - it names the command
    """A command cannot be applied; nothing of it was."""

    def __init__(self, column: int, message: str) -> None:
        super().__init__(message)
        self.fault: Final = Fault(column, message)


def apply(
    commands: Iterable[tuple[int, Command]],
    draft: Draft,
    answers: Answers,
    surroundings: Surroundings,
) -> tuple[Report, ...]:
    """Do as `apply_in_turns`, without a pause."""
    turns = apply_in_turns(commands, draft, answers, surroundings)
    while True:
        try:
            next(turns)
        except StopIteration as done:
            reports: tuple[Report, ...] = done.value
            return reports


def apply_in_turns(
    commands: Iterable[tuple[int, Command]],
    draft: Draft,
    answers: Answers,
    surroundings: Surroundings,
) -> Generator[None, None, tuple[Report, ...]]:
    """Apply commands, given with their lines, and tell which failed and why.

    It pauses every so many commands, for others to have their turn. The draft is of use
    only if no command failed and `answers` are complete.
    """
    applying = _Applying(draft, answers, surroundings)
    reports: list[Report] = []
    for number, (line, command) in enumerate(commands, start=1):
        try:
            applying.apply(line, command)
        except _Failed as failed:
            fault = failed.fault
            reports.append(Report(fault.message, line, fault.column))
        if number % _A_TURN == 0:
            yield
    return in_order(reports)


class _Applying:
    def __init__(
        self, draft: Draft, answers: Answers, surroundings: Surroundings
    ) -> None:
        self._draft = draft
        self._answers = answers
        self._surroundings = surroundings

    def apply(self, line: int, command: Command) -> None:  # noqa: C901, PLR0912 - one case a command
        match command:
            case SetGlobal(role, permissions):
                self._edit(role, global_permissions=permissions)
            case SetDefault(role, permissions):
                self._edit(role, default_path_permissions=permissions)
            case SetPath(role, path, permissions):
                self._assign(role, path, permissions)
            case RemoveAssignment(role, path):
                self._assign(role, path, None)
            case SetIncludes(role, roles):
                self._include(role, roles)
            case SetSessionRoles(named, roles):
                self._session_roles(roles, named=named)
            case LockRole(role, locker):
                self._edit(role, locked_by=lambda: self._locker(locker))
            case UnlockRole(role):
                self._edit(role, locked_by=None)
            case IsolatePath(path, isolated):
                self._isolate(path, isolated=isolated)
            case AddPrincipal():
                self._add_principal(line, command)
            case SetPassword(principal, password):
                self._set_password(line, principal, password)
            case VerifyPassword(principal, password):
                self._verify_password(principal, password)
            case RemovePrincipal(principal):
                self._remove_principal(principal)
            case AssignRoles(principal, roles):
                self._assign_roles(principal, roles)
            case UnlockPrincipal(principal):
                user = self._editable(principal)
                self._draft.put_user(replace(user, locked_by=None))
            case SetAnonymousPolicy(action, roles):
                self._check_roles(roles)
                policy = AnonymousPolicy(action, self._make_roles(roles))
                self._draft.anonymous = policy
            case TrustProperty(key, rule):
                self._draft.trust(key, rule)
            case IgnoreProperty(key):
                self._draft.trust(key, None)
            case _:
                assert_never(command)

    # Roles.

    def _role(self, spot: Spot) -> Group:
        """Give a role that a command may name, perhaps one that is not there yet."""
        found = self._draft.find_group(spot.text)
        if found is not None:
            return found
        if spot.text.startswith(SYSTEM_PREFIX):
            raise _Failed(spot.column, f"Role '{spot.text}' is one nobody can make")
        return self._draft.implicit(spot.text)

    def _check_roles(self, roles: Iterable[Spot]) -> None:
        for spot in roles:
            self._role(spot)

    def _make_roles(self, roles: Iterable[Spot]) -> frozenset[str]:
        """Give the names of roles, each of which is there then."""
        for spot in roles:
            if self._draft.find_group(spot.text) is None:
                self._draft.put_group(self._role(spot))
        return frozenset(spot.text for spot in roles)

    def _subject(self, spot: Spot) -> Group:
        """Give the role that a command changes."""
        group = self._role(spot)
        locker = self._draft.locker(group)
        if locker is not None:
            message = f"Role '{spot.text}' is locked by principal '{locker}'"
            raise _Failed(spot.column, message)
        return group

    def _edit(self, spot: Spot, **facts: Any) -> None:
        group = self._subject(spot)
        said = {key: one() if callable(one) else one for key, one in facts.items()}
        changed = replace(group, **said)
        if changed == group:
            return
        if spot.text in _UNCHANGING:
            raise _protected_role(spot)
        self._draft.put_group(changed)

    def _assign(
        self, spot: Spot, path: Spot, permissions: frozenset[PathPermission] | None
    ) -> None:
        group = self._subject(spot)
        if group.path_permissions.get(path.text) == permissions:
            return
        if spot.text in _UNCHANGING:
            raise _protected_role(spot)
        self._draft.assign(group, path.text, permissions)

    def _include(self, spot: Spot, roles: tuple[Spot, ...]) -> None:
        group = self._subject(spot)
        self._check_roles(roles)
        includes = frozenset(one.text for one in roles)
        if includes == group.includes:
            return
        if spot.text in _UNCHANGING:
            raise _protected_role(spot)
        for one in roles:
            if not self._draft.may_include(spot.text, one.text):
                message = f"Role '{spot.text}' would include itself by '{one.text}'"
                raise _Failed(one.column, message)
        self._make_roles(roles)
        self._draft.put_group(replace(group, includes=includes))
        if self._surroundings.shuts_out(self._draft):
            self._draft.put_group(group)
            raise _protected_role(spot)

    def _session_roles(self, roles: tuple[Spot, ...], *, named: bool) -> None:
        self._check_roles(roles)
        names = self._make_roles(roles)
        if not named:
            self._draft.anonymous_roles = names
            return
        before, self._draft.named_roles = self._draft.named_roles, names
        if self._surroundings.shuts_out(self._draft):
            self._draft.named_roles = before
            column = roles[0].column if roles else 1
            raise _Failed(column, "These roles would shut the administrator out")

    def _locker(self, spot: Spot) -> str:
        """Give the principal that is to hold a lock."""
        user = self._draft.find_user(spot.text)
        if user is not None:
            return user.username
        if spot.text == self._draft.by:
            return spot.text
        raise _Failed(spot.column, f"Principal '{spot.text}' does not exist")

    def _isolate(self, path: Spot, *, isolated: bool) -> None:
        if path.text in self._surroundings.isolated_for_good:
            if not isolated:
                message = f"Path '{path.text}' is isolated for good"
                raise _Failed(path.column, message)
            return
        self._draft.isolate(path.text, isolated=isolated)

    # Principals.

    def _principal(self, spot: Spot) -> User:
        user = self._draft.find_user(spot.text)
        if user is None:
            raise _Failed(spot.column, f"Principal '{spot.text}' does not exist")
        return user

    def _editable(self, spot: Spot) -> User:
        """Give the principal that a command changes."""
        user = self._principal(spot)
        locker = self._draft.locker(user)
        if locker is not None:
            message = f"Principal '{spot.text}' is locked by principal '{locker}'"
            raise _Failed(spot.column, message)
        return user

    def _add_principal(self, line: int, command: AddPrincipal) -> None:
        spot = command.principal
        if self._draft.find_user(spot.text) is not None:
            raise _Failed(spot.column, f"Principal '{spot.text}' exists already")
        if spot.text.startswith(SYSTEM_PREFIX):
            message = f"Principal '{spot.text}' is one nobody can make"
            raise _Failed(spot.column, message)
        self._check_roles(command.roles)
        locker = command.locker
        locked_by = None
        if locker is not None:
            own = locker.text == spot.text
            locked_by = spot.text if own else self._locker(locker)
        draft = self._draft
        user = User(
            username=spot.text,
            user_id=str(uuid.uuid4()),
            password=self._answers.verifier(line, command.password),
            groups=self._make_roles(command.roles) | {GUEST_GROUP},
            locked_by=locked_by,
            created=draft.now,
            modified=draft.now,
        )
        draft.put_user(user)

    def _set_password(self, line: int, spot: Spot, password: str) -> None:
        user = self._editable(spot)
        for verifier in self._passwords_of(user):
            if self._matches(verifier, password, supposed=False):
                break
        else:
            verifier = self._answers.verifier(line, password)
        self._draft.put_user(replace(user, password=verifier))

    def _passwords_of(self, user: User) -> list[Verifier]:
        """Give what a user has now, and what it had before the script.

        Who gets that back has no other password than before.
        """
        before = self._draft.before.users.get(user.username)
        found = [user.password]
        if before is not None and before.user_id == user.user_id:
            found.append(before.password)
        return [one for one in dict.fromkeys(found) if one is not None]

    def _verify_password(self, spot: Spot, password: str) -> None:
        user = self._principal(spot)
        if user.password is None or not self._matches(
            user.password, password, supposed=True
        ):
            message = f"Principal '{spot.text}' does not have this password"
            raise _Failed(spot.column, message)

    def _matches(self, verifier: Verifier, password: str, *, supposed: bool) -> bool:
        return self._answers.matches(verifier, password, supposed=supposed)

    def _remove_principal(self, spot: Spot) -> None:
        user = self._editable(spot)
        if user.username == ADMIN_USER:
            raise _protected_principal(spot)
        if self._draft.holds_locks(user):
            message = f"Principal '{spot.text}' holds a lock on others"
            raise _Failed(spot.column, message)
        self._draft.drop_user(user)

    def _assign_roles(self, spot: Spot, roles: tuple[Spot, ...]) -> None:
        user = self._editable(spot)
        self._check_roles(roles)
        names = frozenset(one.text for one in roles)
        if user.username == ADMIN_USER:
            if names != user.groups:
                raise _protected_principal(spot)
            return
        self._make_roles(roles)
        self._draft.put_user(replace(user, groups=names | {GUEST_GROUP}))


def _protected_role(spot: Spot) -> _Failed:
    return _Failed(spot.column, f"Role '{spot.text}' belongs to the system")


def _protected_principal(spot: Spot) -> _Failed:
    return _Failed(spot.column, f"Principal '{spot.text}' belongs to the system")
