"""Requests of the broker's own: bounded, and to nobody but whom they are for."""

import asyncio
import ssl

import pytest

from http_service import Asked, Told, never, serving
from vestibule.server.outgoing import NoAnswer, Outgoing, Response


async def hello(_: Asked) -> Told:
    return Told(200, b"hello")


async def test_an_answer_is_its_status_and_body() -> None:
    async with serving(hello) as service, Outgoing() as outgoing:
        answer = await outgoing.get(service.url, seconds=5, most_bytes=5)
    assert answer == Response(200, b"hello")
    assert "hello" not in repr(answer)


async def test_a_body_and_headers_are_sent_over_one_connection() -> None:
    async with serving(hello) as service, Outgoing() as outgoing:
        for _ in range(3):
            await outgoing.post(
                service.url, b"{}", {"X-Y": "z"}, seconds=5, most_bytes=64
            )
        assert service.connections == 1
        asked = service.asked[0]
        assert (asked.method, asked.body) == ("POST", b"{}")
        assert asked.headers["x-y"] == "z"
        assert asked.headers["accept-encoding"] == "identity"


async def test_an_answer_that_is_too_long_is_none() -> None:
    async with serving(hello) as service, Outgoing() as outgoing:
        with pytest.raises(NoAnswer, match="more than 4 bytes"):
            await outgoing.get(service.url, seconds=5, most_bytes=4)


async def test_a_silent_service_is_waited_for_as_long_as_said() -> None:
    async with serving(never) as service, Outgoing() as outgoing:
        with pytest.raises(NoAnswer, match="in time"):
            await outgoing.get(service.url, seconds=0.05, most_bytes=64)


async def test_a_redirection_is_an_answer_like_any_and_not_followed() -> None:
    async with serving(hello) as elsewhere:

        async def away(_: Asked) -> Told:
            return Told(302, b"", {"Location": elsewhere.url})

        async with serving(away) as service, Outgoing() as outgoing:
            answer = await outgoing.get(service.url, seconds=5, most_bytes=64)
        assert answer.status == 302
        assert elsewhere.asked == []


async def test_a_packed_answer_is_not_unpacked() -> None:
    async def packed(_: Asked) -> Told:
        return Told(200, b"\x1f\x8b", {"Content-Encoding": "gzip"})

    async with serving(packed) as service, Outgoing() as outgoing:
        with pytest.raises(NoAnswer, match="encoded"):
            await outgoing.get(service.url, seconds=5, most_bytes=64)


async def test_proxies_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(hello) as service, serving(hello) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        async with Outgoing() as outgoing:
            await outgoing.get(service.url, seconds=5, most_bytes=64)
        assert proxy.asked == []


async def test_nobody_there_means_that_nothing_was_sent() -> None:
    async with serving(hello) as service:
        url = service.url
    async with Outgoing() as outgoing:
        with pytest.raises(NoAnswer) as caught:
            await outgoing.get(url, seconds=5, most_bytes=64)
    assert caught.value.unsent
    assert url not in str(caught.value)


async def test_nonsense_is_no_answer() -> None:
    async def nonsense(_: Asked) -> Told:
        return Told(raw=b"what?\r\n\r\n")

    async with serving(nonsense) as service, Outgoing() as outgoing:
        with pytest.raises(NoAnswer) as caught:
            await outgoing.get(service.url, seconds=5, most_bytes=64)
    assert not caught.value.unsent


async def test_certificates_are_verified() -> None:
    async with serving(hello) as service, Outgoing() as outgoing:
        with pytest.raises(NoAnswer):
            await outgoing.get(
                service.url.replace("http:", "https:"), seconds=0.3, most_bytes=64
            )
    pool = Outgoing()._client._transport._pool  # type: ignore[attr-defined]  # the library's own
    assert pool._ssl_context.verify_mode is ssl.CERT_REQUIRED
    assert pool._ssl_context.check_hostname


async def test_a_request_that_is_cancelled_leaves_its_place() -> None:
    async with serving(never) as service, Outgoing(most=1) as outgoing:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await outgoing.get(service.url, seconds=5, most_bytes=64)
