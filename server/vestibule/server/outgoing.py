"""HTTP requests of the broker's own: bounded in time and size, and sent nowhere else.

Redirections are not followed, proxies and credentials of the environment are not used,
certificates are verified. What an answer says is the peer's word: callers check it.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import httpx


__all__ = ["NoAnswer", "Outgoing", "Response"]

_AGENT: Final = "vestibule"

_CONNECTING: Final = 0.45
"""The part of the time that each of two steps of connecting may take."""


class NoAnswer(Exception):  # noqa: N818 - what came of it
    """There is no usable answer; the text says why, without what either side sent.

    `unsent` says that the request has not left, so that repeating it repeats nothing.
    """

    def __init__(self, problem: str, *, unsent: bool = False) -> None:
        super().__init__(problem)
        self.unsent = unsent


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. Its body does not show in a repr."""

    status: int
    body: bytes

    def __repr__(self) -> str:
        return f"Response({self.status}, {len(self.body)} bytes)"


class Outgoing:
    """One pool of connections to one service.

    `most` bounds the connections; `close` ends them all. `verify` replaces the
    certificates that are trusted.
    """

    def __init__(self, *, most: int = 4, verify: ssl.SSLContext | None = None) -> None:
        self._client: Final = httpx.AsyncClient(
            verify=True if verify is None else verify,
            trust_env=False,
            follow_redirects=False,
            http2=False,
            limits=httpx.Limits(max_connections=most, max_keepalive_connections=most),
            # The caller's time bounds the whole: a peer that sends a byte now and
            # then would keep each single wait short.
            timeout=httpx.Timeout(None),
            headers={"User-Agent": _AGENT, "Accept-Encoding": "identity"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection. Idempotent."""
        await self._client.aclose()

    async def get(self, url: str, *, seconds: float, most_bytes: int) -> Response:
        """Get `url` within `seconds`.

        Raises:
            NoAnswer: no whole answer of at most `most_bytes` came in time.
        """
        return await self._send(
            self._client.build_request("GET", url), seconds, most_bytes
        )

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        seconds: float,
        most_bytes: int,
    ) -> Response:
        """Post `body` to `url` within `seconds`.

        Raises:
            NoAnswer: no whole answer of at most `most_bytes` came in time.
        """
        request = self._client.build_request(
            "POST", url, content=body, headers=dict(headers)
        )
        return await self._send(request, seconds, most_bytes)

    async def _send(
        self, request: httpx.Request, seconds: float, most_bytes: int
    ) -> Response:
        # A socket whose connecting is cut short from outside is left to the garbage
        # collector; the library's own limit, for TCP and for TLS, closes it.
        connecting = httpx.Timeout(None, connect=_CONNECTING * seconds)
        request.extensions = {**request.extensions, "timeout": connecting.as_dict()}
        try:
            async with asyncio.timeout(seconds):
                response = await self._client.send(request, stream=True)
                try:
                    return Response(
                        response.status_code, await _read(response, most_bytes)
                    )
                finally:
                    await response.aclose()
        except TimeoutError:
            raise NoAnswer("no answer in time") from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as problem:
            raise NoAnswer(_named(problem), unsent=True) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as problem:
            # The text may name what was sent.
            raise NoAnswer(_named(problem)) from None


async def _read(response: httpx.Response, most_bytes: int) -> bytes:
    """Read a body as it came; one that would be unpacked is not taken."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise NoAnswer("an encoded answer")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > most_bytes:
            raise NoAnswer(f"an answer of more than {most_bytes} bytes")
    return bytes(body)


def _named(problem: Exception) -> str:
    return f"the request failed ({type(problem).__name__})"
