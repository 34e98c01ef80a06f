"""Putting a broker's parts together, from the gate outwards."""

from dataclasses import dataclass
from typing import Any, Final

from vestibule.server.announcing import Announcer
from vestibule.server.attachments import Attachments
from vestibule.server.authenticators import (
    Chain,
)
from vestibule.server.components import Component
from vestibule.server.delivery import Delivery
from vestibule.server.features.authenticating import Authenticating
from vestibule.server.features.events import Events
from vestibule.server.features.leaving import Leaving
from vestibule.server.features.reauthenticating import Reauthenticating
from vestibule.server.features.rpc import Rpc
from vestibule.server.features.security.administration import administration
from vestibule.server.features.security.answers import Answers
from vestibule.server.features.security.attaching import Attaching
from vestibule.server.features.security.audit_log import AuditQueries
from vestibule.server.features.security.live_sessions import LiveSessions
from vestibule.server.features.security.own_permissions import OwnPermissions
from vestibule.server.features.security.own_user import OwnUser
from vestibule.server.features.security.registering import Registering
from vestibule.server.features.security.sessions_and_tokens import SessionsAndTokens
from vestibule.server.following import Following
from vestibule.server.gate import Gate
from vestibule.server.ground import Ground
from vestibule.server.holdings import Holder
from vestibule.server.inbox import InboxLimits
from vestibule.server.judging import Judge
from vestibule.server.limits import SessionLimits
from vestibule.server.listener import Listener
from vestibule.server.lockout import AddressFailures, Lockout, OwnPasswords
from vestibule.server.login_assembly import make_chain, make_judge
from vestibule.server.methods import OwnMethods
from vestibule.server.pump import PumpService
from vestibule.server.quarantine import Door
from vestibule.server.room import Room
from vestibule.server.router import Feature, Router
from vestibule.server.schemes.tickets import Tickets
from vestibule.server.service import Service
from vestibule.server.session import Session
from vestibule.server.session_expiry import SessionExpiry
from vestibule.server.switching import Switching
from vestibule.server.token_logins import TokenLogins
from vestibule.server.tokens import Tokens
from vestibule.server.turns import Turns
from vestibule.server.upgrade import CLEAR, SEALED, Upgrades


__all__ = ["Parts", "assemble"]

_BOX_OVERHEAD: Final = 16
"""A box is this much longer than its batch."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the broker drives."""

    events: Events
    rpc: Rpc
    room: Room
    listener: Listener
    following: Following
    chain: Chain
    tokens: Tokens


def assemble(ground: Ground) -> Parts:
    """Make the parts; nothing is opened or started."""
    config = ground.config
    lockout = Lockout(
        enabled=config.lockout.enabled,
        attempts=config.lockout.attempts,
        interval=config.lockout.interval,
        clock=ground.clock,
    )
    addresses = AddressFailures(
        most=config.quarantine.max_failures_per_address,
        window=config.quarantine.failure_window,
        clock=ground.clock,
    )
    room = Room(
        most=config.quarantine.max_connections,
        most_per_address=config.quarantine.max_per_address,
        evict_after=config.quarantine.evict_after,
        clock=ground.loop.time,
    )
    tickets = Tickets(
        ground.directory,
        ttl=config.resume.ticket_ttl,
        per_user=config.limits.sessions_per_user,
        clock=ground.clock,
        now=ground.wall,
    )
    following = Following(
        ground.directory,
        ground.sessions,
        ground.hooks,
        tickets=tickets,
        counters=ground.counters,
        audit=ground.audit,
        tasks=ground.finishing,
    )
    tokens = _tokens(ground, following)
    attachments = Attachments()
    gate, events, rpc, authenticating = _features(
        ground,
        OwnPasswords(lockout, addresses, ground.sessions),
        following,
        attachments,
        tokens,
    )
    following.drive(events, rpc, authenticating)
    chain = make_chain(ground, lockout, authenticating)
    logins = TokenLogins(
        tokens,
        ground.directory,
        ground.profiles,
        sessions=ground.sessions,
        clock=ground.loop.time,
        admin_network_logins=config.admin_network_logins,
    )
    judge = make_judge(ground, lockout, addresses, tickets, logins, chain)
    switching = _switching(ground, following, tickets)
    switching.hear(became=lambda session, _before: tokens.switched(session))
    _announce(ground, events, attachments, following, switching)
    reauthenticating = Reauthenticating(
        gate,
        judge,
        switching.switch,
        broker_name=config.name,
        limits=config.wire_limits(),
    )
    features: tuple[Feature, ...] = (
        events,
        rpc,
        authenticating,
        reauthenticating,
        Leaving(tokens),
    )
    conversations = _conversations(ground, judge, Router(features), following, tickets)
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
    return Parts(events, rpc, room, listener, following, chain, tokens)


def _tokens(ground: Ground, following: Following) -> Tokens:
    """Make what keeps session tokens, and the profiles that limit them."""
    config = ground.config
    tokens = Tokens(
        ground.directory,
        ground.profiles,
        loop=ground.loop,
        broker_keys=[key.public for key in ground.identities],
        tokens_per_user=config.limits.tokens_per_user,
        sessions=ground.sessions,
    )
    following.hear(tokens.begun, tokens.over)
    following.tell(tokens.told)
    return tokens


def _features(
    ground: Ground,
    old_passwords: OwnPasswords,
    following: Following,
    attachments: Attachments,
    tokens: Tokens,
) -> tuple[Gate, Events, Rpc, Authenticating]:
    """Make what lies behind the gate, the broker's own methods included."""
    config, limits = ground.config, ground.config.limits
    holders: list[Holder] = []
    security = Component.of(
        "security",
        administration(ground.directory),
        AuditQueries(ground.trail),
        OwnPermissions(ground.sessions),
        OwnUser(ground.directory, lockout=old_passwords),
        Registering(
            lambda session, name: authenticating.register(session, name),  # noqa: PLW0108 - it is made below
            ground.sessions,
        ),
        Attaching(attachments, ground.sessions),
        Answers(
            ground.directory,
            ground.sessions,
            holders,
            provided=lambda: rpc.providing.names,
        ),
        LiveSessions(
            ground.directory,
            ground.sessions,
            recheck=following.recheck_all,
            denied=ground.denied,
            counters=ground.counters,
            audit=ground.audit,
            broker_name=config.name,
        ),
        SessionsAndTokens(
            ground.sessions,
            tokens,
            audit=ground.audit,
            clock=ground.loop.time,
            wall=lambda: ground.directory.now,
        ),
    )
    components = [security]
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
        stray=ground.audit.answer_refused,
    )
    holders.extend((events, rpc.providing))
    authenticating = Authenticating(
        gate,
        delivery,
        names=[one.control for one in config.authenticators if one.control],
        path=f"{config.name}/security/set_authenticator",
        audit=ground.audit,
    )
    return gate, events, rpc, authenticating


def _switching(ground: Ground, following: Following, tickets: Tickets) -> Switching:
    """Make what sessions become somebody else by, and what ends them in their time."""
    switching = Switching(
        ground.directory, ground.sessions, following, audit=ground.audit
    )
    expiry = SessionExpiry(ground.loop, ground.wall)
    following.hear(expiry.watch, lambda session, _reason: expiry.forget(session))
    switching.hear(became=lambda session, _before: expiry.watch(session))
    switching.hear(became=lambda session, _before: tickets.renew(session))
    return switching


def _announce(
    ground: Ground,
    events: Events,
    attachments: Attachments,
    following: Following,
    switching: Switching,
) -> None:
    """Have the broker's own events emitted."""
    encrypted = ground.config.encryption == "required"
    announcer = Announcer(
        events,
        attachments,
        broker_name=ground.config.name,
        protocol=SEALED if encrypted else CLEAR,
        encrypted=encrypted,
        now=lambda: int(ground.wall() * 1000),
    )
    following.tell(announcer.changed)
    following.hear(announcer.connected, announcer.ended)
    switching.hear(leaving=announcer.leaving, became=announcer.became)


def _conversations(
    ground: Ground,
    judge: Judge,
    router: Router,
    following: Following,
    tickets: Tickets,
) -> Service:
    """Make what every conversation shares."""

    def login_fields(session: Session) -> dict[str, Any]:
        return {**ground.login_fields(session), **tickets.fields(session)}

    config, limits, quarantine = (
        ground.config,
        ground.config.limits,
        ground.config.quarantine,
    )
    door = Door(
        judge=judge,
        directory=ground.directory,
        sessions=ground.sessions,
        counters=ground.counters,
        audit=ground.audit,
        now=ground.wall,
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
        login_fields=login_fields,
        admitted=following.admitted,
        ended=following.ended,
    )
