"""The upgrade request: which become WebSockets, and whose address they carry."""

import ipaddress
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeAlias

from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from vestibule.server.handler import Headers


__all__ = ["CLEAR", "SEALED", "RequestHead", "Upgrades", "forwarded_address", "trusts"]

SEALED: Final = "vestibule.1"
"""The subprotocol of encrypted connections."""

CLEAR: Final = "vestibule.1-clear"
"""The subprotocol of a broker whose encryption is off; neither answers the other."""

_SILENT: Final = logging.getLogger("vestibule.websockets")
"""The parser's own log lines say nothing that is not said here, and hold input."""
_SILENT.setLevel(logging.CRITICAL + 1)
_SILENT.propagate = False

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


_END: Final = b"\r\n\r\n"


class RequestHead:
    """Collects a request until it is whole, or longer than `limit` bytes."""

    __slots__ = ("_limit", "_seen", "too_long")

    def __init__(self, limit: int) -> None:
        self._limit: Final = limit
        self._seen = bytearray()
        self.too_long = False

    def take(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Take what came: the request and what came behind it, once it is whole.

        Otherwise None, with `too_long` set where the limit is passed.
        """
        seen = self._seen
        at = max(0, len(seen) - len(_END))
        seen += data
        end = seen.find(_END, at)
        size = len(seen) if end < 0 else end + len(_END)
        if size > self._limit:
            self.too_long = True
        elif end >= 0:
            return bytes(seen[:size]), bytes(seen[size:])
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrades:
    """Answers upgrade requests (RFC 6455, section 4.2; docs/protocol.md, "Upgrade")."""

    subprotocol: str
    allowed_origins: Collection[str]

    def parser(self, max_size: int) -> ServerProtocol:
        """Make a parser of one connection; messages are at most `max_size` bytes."""
        return ServerProtocol(
            subprotocols=[Subprotocol(self.subprotocol)],
            max_size=max_size,
            logger=_SILENT,
        )

    def answer(self, protocol: ServerProtocol, request: Request) -> Response:
        """Accept the upgrade, or refuse it over HTTP.

        404 another path; 400 without the subprotocol; 403 an origin that is not
        allowed; what RFC 6455 asks for where it is no upgrade at all.
        """
        # `get_all`: a request with two of a header is refused, not an exception.
        wanted = ", ".join(request.headers.get_all("Connection"))
        if "upgrade" in wanted.lower():
            refused = self._refused(request)
            if refused is not None:
                return protocol.reject(*refused)
        elif request.path.partition("?")[0] != "/":
            return protocol.reject(HTTPStatus.NOT_FOUND, "There is nothing here.\n")
        return protocol.accept(request)

    def _refused(self, request: Request) -> tuple[HTTPStatus, str] | None:
        if request.path != "/":
            return HTTPStatus.NOT_FOUND, "There is nothing here.\n"
        offered = {
            one.strip()
            for value in request.headers.get_all("Sec-WebSocket-Protocol")
            for one in value.split(",")
        }
        if self.subprotocol not in offered:
            return HTTPStatus.BAD_REQUEST, f"Offer {self.subprotocol}.\n"
        origins = request.headers.get_all("Origin")
        if any(origin not in self.allowed_origins for origin in origins):
            return HTTPStatus.FORBIDDEN, "This origin is not allowed.\n"
        return None


def forwarded_address(
    address: str, headers: Headers, trusted: Sequence[Network]
) -> str:
    """Give the address of a client that may stand behind trusted proxies.

    Only if the socket's own address is a trusted proxy's, the right-most address of
    `X-Forwarded-For` that is not one itself is taken. What a client writes there
    stands further left, and is never believed.
    """
    if not trusts(address, trusted):
        return address
    said = headers.get("x-forwarded-for", "")
    for hop in reversed([one.strip() for one in said.split(",")]):
        try:
            ipaddress.ip_address(hop)
        except ValueError:
            return address
        if not trusts(hop, trusted):
            return hop
    return address


def trusts(address: str, networks: Sequence[Network]) -> bool:
    """Whether `address` is a proxy that may say whose connection it passes on."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
