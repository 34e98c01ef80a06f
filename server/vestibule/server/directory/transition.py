"""What a transaction changed: the model before and after, and whom it touched."""

from collections.abc import Iterable
from dataclasses import dataclass

from vestibule.server.directory.model import AnonymousAction, Model, User


__all__ = ["Change"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Two successive models. Holders that are not named are the same in both."""

    before: Model
    after: Model
    users: frozenset[str]
    """Those whose own facts or memberships are different, new or gone."""
    groups: frozenset[str]

    @property
    def size(self) -> int:
        """How much there is to write, about."""
        was, now = self.before.isolated_paths, self.after.isolated_paths
        paths = 0 if was is now else len(was ^ now)
        return len(self.users) + len(self.groups) + paths

    @property
    def deleted_users(self) -> frozenset[str]:
        """Those who are gone, though another may be there under the name."""
        return frozenset(
            name
            for name in self.users
            if name in self.before.users
            and _id(self.after, name) != self.before.users[name].user_id
        )

    @property
    def password_changed(self) -> frozenset[str]:
        """Those who had a password and have another."""
        return frozenset(
            name
            for name, old, new in self._kept()
            if old.password is not None
            and old.password != new.password
            and old.user_id == new.user_id
        )

    def barred_users(self, now: int) -> frozenset[str]:
        """Those who could log in and cannot any more, being disabled or expired."""
        return frozenset(
            name
            for name, old, new in self._kept()
            if old.may_log_in(now) and not new.may_log_in(now)
        )

    def _kept(self) -> Iterable[tuple[str, User, User]]:
        for name in self.users:
            old, new = self.before.users.get(name), self.after.users.get(name)
            if old is not None and new is not None:
                yield name, old, new

    @property
    def anonymous_closed(self) -> bool:
        """Whether anonymous sessions were allowed and are not any more."""
        allowed = AnonymousAction.ALLOW
        return (
            self.before.anonymous.action is allowed
            and self.after.anonymous.action is not allowed
        )


def _id(model: Model, name: str) -> str | None:
    user = model.users.get(name)
    return None if user is None else user.user_id
