"""The audit trail: lines that are only ever added, each chained to the one before.

`audit.db` holds them, `audit.head` says under a key where they end, `audit.key` is that
key. What is detected, and what is not: docs/operations.md, "The audit trail".
"""

from vestibule.server.trail.chain import Fault, Report
from vestibule.server.trail.database import Database, TrailError
from vestibule.server.trail.head import (
    DATABASE,
    HEAD_FILE,
    KEY_FILE,
    Head,
    TrailDamaged,
    parse_head,
)
from vestibule.server.trail.lines import Line, shown
from vestibule.server.trail.opening import add_line, verify
from vestibule.server.trail.queries import Query, parse_query
from vestibule.server.trail.trail import Settings, Trail


__all__ = [
    "DATABASE",
    "HEAD_FILE",
    "KEY_FILE",
    "Database",
    "Fault",
    "Head",
    "Line",
    "Query",
    "Report",
    "Settings",
    "Trail",
    "TrailDamaged",
    "TrailError",
    "add_line",
    "parse_head",
    "parse_query",
    "shown",
    "verify",
]
