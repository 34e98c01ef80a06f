"""The systems that are measured, one module each.

A peer says how its server is started, with which configuration, and which driver
loads it. Authentication and permissions are on in all of them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from harness.peers import bare, deepstream, happn, nats, vestibule
from harness.peers.base import Peer


__all__ = ["PEERS", "Peer"]

PEERS: Final[dict[str, Callable[[Path], Peer]]] = {
    "vestibule": vestibule.encrypted,
    "vestibule-clear": vestibule.clear,
    "vestibule-library": vestibule.library,
    "deepstream": deepstream.peer,
    "happn": happn.peer,
    "nats": nats.tcp,
    "nats-ws": nats.websocket,
    "bare": bare.peer,
}
"""By name, in the order of the report; each is made for a folder of peers."""
