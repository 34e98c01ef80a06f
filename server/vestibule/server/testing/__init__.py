"""For the tests of permission handlers, and of anything that talks to a broker.

`HandlerContract` tells whether a handler is one; `memory_broker` runs a whole broker
without sockets; `ManualClock` is time that only moves when told to.
"""

from vestibule.server.testing.clock import ManualClock
from vestibule.server.testing.contract import HandlerContract, handler_problems
from vestibule.server.testing.memory import MemoryBroker, memory_broker
from vestibule.server.testing.peer import PeerClosed, RawPeer, RequestRefused


__all__ = [
    "HandlerContract",
    "ManualClock",
    "MemoryBroker",
    "PeerClosed",
    "RawPeer",
    "RequestRefused",
    "handler_problems",
    "memory_broker",
]
