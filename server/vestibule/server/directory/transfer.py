"""The directory as one document: given out, and taken in by one transaction."""

from collections.abc import Callable
from typing import Any

from vestibule.protocol.errors import ErrorCode
from vestibule.server.directory import protection
from vestibule.server.directory.arguments import parse_flag
from vestibule.server.directory.difference import differences
from vestibule.server.directory.document import (
    DocumentError,
    document_of,
    parse_document,
)
from vestibule.server.directory.draft import Draft
from vestibule.server.directory.engine import at_once
from vestibule.server.directory.errors import DirectoryError
from vestibule.server.directory.importing import apply_document
from vestibule.server.directory.model import Model
from vestibule.server.directory.stores import Stores


__all__ = ["Transfer"]


class Transfer(Stores):
    """Export and import, for whoever has an engine."""

    def export_directory(self) -> dict[str, Any]:
        """Give users, groups and settings as one document, without passwords."""
        return document_of(self.policy.model, self.policy.broker_name)

    async def import_directory(
        self,
        document: object,
        *,
        prune: object = False,
        dry_run: object = False,
        by: str,
        session_id: str | None = None,
    ) -> list[dict[str, Any]]:
        """Make the directory what a document says; give what that changes.

        With `prune`, users and groups that it does not name are deleted. With `dry_run`
        nothing is changed, and what would be refused is refused. A document with faults
        is refused with INVALID_ARGUMENT, whose details list every `problems`.
        """
        prunes, dry = parse_flag(prune, "prune"), parse_flag(dry_run, "dry_run")
        broker_name = self.policy.broker_name
        try:
            wanted = parse_document(document, broker_name)
        except DocumentError as problem:
            raise _refused(problem) from None

        def make(draft: Draft) -> Model:
            try:
                apply_document(draft, wanted, prune=prunes)
            except DocumentError as problem:
                raise _refused(problem) from None
            return draft.before

        if dry:
            before, after = self._supposed(make, by)
        else:
            before, after = await self._engine.transact(
                at_once(make), by=by, session_id=session_id
            )
        return differences(before, after, broker_name)

    def _supposed(self, make: Callable[[Draft], Model], by: str) -> tuple[Model, Model]:
        draft = self._engine.draft(by=by)
        before = make(draft)
        change = draft.finish()
        if change is None:
            return before, before
        policy = self.policy.successor(change.after, change.groups)
        protection.check(change, self.policy, policy)
        return before, change.after


def _refused(problem: DocumentError) -> DirectoryError:
    details = {"argument": "document", "problems": list(problem.problems)}
    return DirectoryError(ErrorCode.INVALID_ARGUMENT, str(problem), details)
