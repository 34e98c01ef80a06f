"""The script language of the two stores (docs/stores.md, "Scripts")."""

from vestibule.server.directory.script.applying import (
    Surroundings,
    apply,
    apply_in_turns,
)
from vestibule.server.directory.script.grammar import Reference, reference
from vestibule.server.directory.script.parser import Parsed, parse, redacted
from vestibule.server.directory.script.reports import Report
from vestibule.server.directory.script.secrets import Answers
from vestibule.server.directory.views import View


__all__ = [
    "Answers",
    "Parsed",
    "Reference",
    "Report",
    "Surroundings",
    "View",
    "apply",
    "apply_in_turns",
    "parse",
    "redacted",
    "reference",
]
