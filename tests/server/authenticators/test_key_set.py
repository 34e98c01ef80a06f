"""A key set from its URL: kept, renewed, rotated, and read no more often than said."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from http_service import Asked, Service, Told, never, serving
from issuer import Issuer
from vestibule.server.authenticators.key_set import KeySet
from vestibule.server.config_authenticators import Jwt
from vestibule.server.outgoing import Outgoing
from vestibule.server.tasks import Tasks


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class World:
    """An issuer, its service, a key set that reads from it, and the time."""

    def __init__(self, issuer: Issuer, service: Service, keys: KeySet) -> None:
        self.issuer = issuer
        self.service = service
        self.keys = keys
        self.clock = Clock()
        self.status = 200

    async def found(self, key_id: str | None, algorithm: str = "EdDSA") -> int:
        return len(await self.keys.candidates(algorithm, key_id))


@asynccontextmanager
async def world(**settings: Any) -> AsyncIterator[World]:
    issuer = Issuer()
    issuer.rotate("one")
    made: list[World] = []

    async def answer(_: Asked) -> Told:
        return Told(made[0].status, issuer.set())

    async with serving(answer) as service, Outgoing() as outgoing:
        tasks = Tasks()
        chosen = Jwt.model_validate(
            {
                "algorithms": ["EdDSA"],
                "keys_url": service.url,
                "issuer": None,
                "audience": None,
                **settings,
            }
        )
        clock = Clock()
        keys = KeySet(chosen, outgoing, tasks=tasks, clock=clock)
        made.append(World(issuer, service, keys))
        made[0].clock = clock
        try:
            yield made[0]
        finally:
            await tasks.close()


async def test_keys_are_read_at_the_start_and_waited_for_by_the_first_token() -> None:
    async with world() as w:
        w.keys.start()
        assert await w.found("one") == 1
        assert await w.found("one") == 1
        assert len(w.service.asked) == 1


async def test_without_an_id_the_only_key_is_meant_and_none_of_several() -> None:
    async with world() as w:
        assert await w.found(None) == 1
        w.issuer.rotate("two")
        w.clock.now += 4_000
        await w.found("two")
        assert await w.found(None) == 0
        assert await w.found("one", "ES256") == 0


async def test_a_rotation_is_found_by_the_first_token_of_the_new_key() -> None:
    async with world() as w:
        await w.found("one")
        w.issuer.rotate("two", keep=False)
        w.clock.now += 61
        assert await w.found("two") == 1
        assert await w.found("one") == 0


async def test_s3_a_thousand_unknown_ids_cause_one_reading_a_minute() -> None:
    async with world() as w:
        await w.found("one")
        w.clock.now += 61
        found = await asyncio.gather(*(w.found(f"id {n}") for n in range(500)))
        found += [await w.found(f"id {n}") for n in range(500)]
        assert set(found) == {0}
        assert len(w.service.asked) == 2
        w.clock.now += 59
        await w.found("still unknown")
        assert len(w.service.asked) == 2
        assert await w.found("one") == 1


async def test_keys_are_renewed_when_they_are_old_without_making_anybody_wait() -> None:
    async with world(cache=100) as w:
        await w.found("one")
        w.clock.now += 101
        assert await w.found("one") == 1
        await w.keys._wait()
        assert len(w.service.asked) == 2


async def test_keys_that_cannot_be_renewed_serve_until_they_are_stale() -> None:
    async with world(cache=100, stale=1_000) as w:
        await w.found("one")
        w.status = 500
        w.clock.now += 999
        assert await w.found("one") == 1
        await w.keys._wait()
        w.clock.now += 2
        assert await w.found("one") == 0
        w.status = 200
        w.clock.now += 61
        assert await w.found("one") == 1


async def test_an_issuer_that_is_down_at_the_start_is_tried_again() -> None:
    async with world() as w:
        w.status = 503
        w.keys.start()
        assert await w.found("one") == 0
        w.status = 200
        assert await w.found("one") == 0
        w.clock.now += 60
        assert await w.found("one") == 1


async def test_a_set_that_was_emptied_takes_its_keys_back() -> None:
    async with world() as w:
        await w.found("one")
        w.issuer.keys.clear()
        w.clock.now += 61
        await w.found("unknown")
        assert await w.found("one") == 0


async def test_a_silent_issuer_costs_each_token_the_timeout_at_most() -> None:
    async with world(timeout=0.05) as w:
        w.service.answering = never
        assert await w.found("one") == 0


async def test_who_waits_may_leave_and_the_reading_goes_on() -> None:
    async with world() as w:
        leaving = asyncio.ensure_future(w.found("one"))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait({leaving})
        assert await w.found("one") == 1
        assert len(w.service.asked) == 1
        await w.keys.close()
