"""Putting a broker's parts together, from the gate outwards."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vestibule.protocol.crypto import IdentityKey
from vestibule.protocol.errors import EndReason
from vestibule.server.audit import AuditLog
from vestibule.server.authenticators import (
    Authenticator,
    Chain,
    DirectoryAuthenticator,
    HandlerAuthenticator,
)
from vestibule.server.components import Component
from vestibule.server.config import Config
from vestibule.server.counters import Counters
from vestibule.server.delivery import Delivery
from vestibule.server.directory import Directory
from vestibule.server.features.events import Events
from vestibule.server.features.rpc import Rpc
from vestibule.server.features.security import SecurityComponent
from vestibule.server.gate import Gate, OnDenied
from vestibule.server.hooks import Hooks
from vestibule.server.inbox import InboxLimits
from vestibule.server.limits import SessionLimits
from vestibule.server.listener import Listener
from vestibule.server.lockout import AddressFailures, Lockout, OwnPasswords
from vestibule.server.methods import OwnMethods
from vestibule.server.pump import PumpService
from vestibule.server.quarantine import Door
from vestibule.server.room import Room
from vestibule.server.router import Router
from vestibule.server.service import Service
from vestibule.server.session import Session
from vestibule.server.sessions import Sessions
from vestibule.server.tasks import Tasks
from vestibule.server.turns import Turns
from vestibule.server.turnstile import Turnstile
from vestibule.server.upgrade import CLEAR, SEALED, Upgrades


__all__ = ["Ground", "Parts", "assemble"]

_BOX_OVERHEAD: Final = 16
"""A box is this much longer than its batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the parts stand on; the broker owns it.

    `finishing` owns what a stop gives time to end by itself, `tasks` the rest.
    `clock` counts seconds for lockouts, `denied` is told each refused message,
    `login_fields` says what an admitted session is told, `ended` hears of each end.
    """

    config: Config
    loop: asyncio.AbstractEventLoop
    clock: Callable[[], float]
    directory: Directory
    identities: Sequence[IdentityKey]
    hooks: Hooks
    sessions: Sessions
    counters: Counters
    audit: AuditLog
    tasks: Tasks
    finishing: Tasks
    denied: OnDenied
    login_fields: Callable[[Session], dict[str, Any]]
    ended: Callable[[Session, EndReason], None]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the broker drives."""

    events: Events
    rpc: Rpc
    room: Room
    listener: Listener


def assemble(ground: Ground) -> Parts:
    """Make the parts; nothing is opened or started."""
    config = ground.config
    lockout = Lockout(
        enabled=config.lockout.enabled,
        attempts=config.lockout.attempts,
        interval=config.lockout.interval,
        clock=ground.clock,
    )
    events, rpc = _features(ground, lockout)
    room = Room(
        most=config.quarantine.max_connections,
        most_per_address=config.quarantine.max_per_address,
        evict_after=config.quarantine.evict_after,
        clock=ground.loop.time,
    )
    conversations = _conversations(ground, lockout, Router((events, rpc)))
    listener = Listener(
        PumpService(
            conversations=conversations,
            quarantine=config.quarantine,
            limits=config.limits,
            upgrades=Upgrades(
                subprotocol=SEALED if conversations.encrypted else CLEAR,
                allowed_origins=config.allowed_origins,
            ),
            trusted_proxies=config.trusted_proxies,
            room=room,
            counters=ground.counters,
        ),
        host=config.listen.host,
        port=config.listen.port,
        user_timeout=2 * config.heartbeat.interval,
    )
    return Parts(events, rpc, room, listener)


def _features(ground: Ground, lockout: Lockout) -> tuple[Events, Rpc]:
    """Make what lies behind the gate, the broker's own methods included."""
    config, limits = ground.config, ground.config.limits
    security = SecurityComponent(
        ground.directory, lockout=OwnPasswords(lockout, ground.sessions)
    )
    components = [Component.of("security", security)]
    gate = Gate(
        ground.hooks,
        broker_name=config.name,
        components=frozenset(one.name for one in components),
        remembered_names=limits.remembered_names,
        denied=ground.denied,
    )
    delivery = Delivery(
        gate,
        ground.tasks,
        outbox_bytes=limits.outbox_bytes,
        largest=limits.message_bytes - _BOX_OVERHEAD,
    )
    session_limits = SessionLimits(
        subscriptions=limits.subscriptions,
        providers=limits.providers,
        pending_calls=limits.pending_calls,
        bulk_items=limits.bulk_items,
        accept_timeout=config.rpc.accept_timeout,
        max_timeout=config.rpc.max_timeout,
    )
    events = Events(gate, delivery, limits=session_limits, sessions=ground.sessions)
    rpc = Rpc(
        gate,
        delivery,
        limits=session_limits,
        sessions=ground.sessions,
        own=OwnMethods(
            config.name,
            components,
            gate=gate,
            delivery=delivery,
            tasks=ground.finishing,
        ),
        loop=ground.loop,
    )
    return events, rpc


def _conversations(ground: Ground, lockout: Lockout, router: Router) -> Service:
    """Make what every conversation shares."""
    config, limits, quarantine = (
        ground.config,
        ground.config.limits,
        ground.config.quarantine,
    )
    door = Door(
        chain=_chain(ground),
        directory=ground.directory,
        lockout=lockout,
        addresses=AddressFailures(
            most=quarantine.max_failures_per_address,
            window=quarantine.failure_window,
            clock=ground.clock,
        ),
        turnstile=Turnstile(),
        sessions=ground.sessions,
        sessions_per_user=limits.sessions_per_user,
        counters=ground.counters,
        audit=ground.audit,
    )
    return Service(
        loop=ground.loop,
        identities=tuple(ground.identities),
        encrypted=config.encryption == "required",
        wire=config.wire_limits(),
        inbox=InboxLimits(
            turn_messages=limits.turn_messages,
            waiting_messages=limits.waiting_messages,
            waiting_bytes=limits.waiting_bytes,
            per_second=limits.messages_per_second,
        ),
        turns=Turns(ground.loop),
        stranger_unsent_bytes=quarantine.write_buffer_bytes,
        outbox_bytes=limits.outbox_bytes,
        handshake_timeout=quarantine.handshake_timeout,
        login_timeout=quarantine.timeout,
        door=door,
        router=router,
        tasks=ground.tasks,
        counters=ground.counters,
        login_fields=ground.login_fields,
        admitted=ground.sessions.add,
        ended=ground.ended,
    )


def _chain(ground: Ground) -> Chain:
    """Make the configured chain; without a handler its member is left out."""
    members: list[Authenticator] = []
    for name in ground.config.authenticators:
        if name == "directory":
            members.append(DirectoryAuthenticator(ground.directory))
        elif ground.hooks.present:
            members.append(HandlerAuthenticator(ground.hooks, ground.directory))
    return Chain(members)
