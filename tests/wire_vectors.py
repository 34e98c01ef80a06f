"""The published test vectors of the wire."""

import json
from pathlib import Path
from typing import Any, Final


VECTORS: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "vectors" / "wire_vectors.json").read_text("utf-8")
)

HANDSHAKES: Final = ("handshake", "handshake_first_use", "handshake_negotiation")


def octets(section: str) -> dict[str, bytes]:
    """Give the fields of a section that are bytes."""
    return {
        name: bytes.fromhex(value)
        for name, value in VECTORS[section].items()
        if isinstance(value, str)
    }
