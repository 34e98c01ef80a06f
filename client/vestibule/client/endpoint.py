"""Where a broker listens: the URL of `connect` and its one spelling as `host:port`."""

import ipaddress
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit


__all__ = ["Endpoint"]

_PORTS: Final = {"ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A broker's address. `text` is `host:port` in the one canonical spelling.

    The host is in lower case and A-label form, an IPv6 address in brackets and
    shortest form; the port is always written (docs/protocol.md, "Server keys").
    """

    host: str
    port: int

    @classmethod
    def of_url(cls, url: str) -> Self:
        """Take the endpoint out of a `ws://` or `wss://` URL.

        Raises:
            ValueError: another scheme, no host, a port that is none, a fragment,
                credentials.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS:
            raise ValueError("the URL of a broker begins with ws:// or wss://")
        if parts.fragment:
            raise ValueError("the URL of a broker has no fragment")
        if "@" in parts.netloc:
            # They would travel outside the boxes, in the upgrade request.
            raise ValueError("the URL of a broker holds no credentials")
        if not parts.hostname:
            raise ValueError("the URL of a broker names a host")
        port = parts.port
        return cls(
            _canonical_host(parts.hostname),
            _PORTS[parts.scheme] if port is None else port,
        )

    @classmethod
    def of_text(cls, text: str) -> Self:
        """Take an endpoint from its canonical text.

        Raises:
            ValueError: any other text.
        """
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdecimal()):
            raise ValueError("not host:port")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        endpoint = cls(_canonical_host(host), int(port))
        if endpoint.text != text or not 0 < endpoint.port < 2**16:
            raise ValueError("not the canonical spelling of host:port")
        return endpoint

    @property
    def text(self) -> str:
        """`host:port`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Whether the host is this very machine, by its name or address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def _canonical_host(host: str) -> str:
    if ":" in host:
        return ipaddress.IPv6Address(host).compressed
    if not host.isascii():
        # UnicodeError is a ValueError.
        host = host.encode("idna").decode("ascii")
    host = host.lower()
    if not host or any(not (c.isalnum() or c in "-._") for c in host):
        raise ValueError("not a host name")
    return host
