"""Making the configured chain: its members, and what they stand on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from vestibule.server.authenticators.chain import Authenticator, Chain
from vestibule.server.authenticators.control import Asking, ControlAuthenticator
from vestibule.server.authenticators.directory import DirectoryAuthenticator
from vestibule.server.authenticators.entrance import Entrance
from vestibule.server.authenticators.handler import HandlerAuthenticator
from vestibule.server.authenticators.key_set import KeySet
from vestibule.server.authenticators.web_keys import KeySource, keys_of_file
from vestibule.server.authenticators.web_tokens import JwtAuthenticator
from vestibule.server.authenticators.webhook import WebhookAuthenticator
from vestibule.server.config import Config
from vestibule.server.config_authenticators import (
    AuthenticatorEntry,
    Jwt,
    Webhook,
)
from vestibule.server.directory import Directory
from vestibule.server.hooks import Hooks
from vestibule.server.outgoing import Outgoing
from vestibule.server.secretfile import read_secret_file
from vestibule.server.tasks import Tasks


__all__ = ["SECRET_BYTES", "Builder"]

SECRET_BYTES: Final = 32
"""Shortest secret that signs questions: as long as the signature."""


@dataclass(frozen=True, slots=True)
class _Made:
    """A member, and what it does at the start and at the stop of the broker."""

    member: Authenticator
    start: Callable[[], None] | None = None
    close: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Builder:
    """Makes the chain. `clock` counts seconds, `wall` those since 1970.

    `locked` tells what the lockout says of a name and an address.
    """

    config: Config
    hooks: Hooks
    directory: Directory
    asking: Asking
    tasks: Tasks
    locked: Callable[[str, str], float | None]
    clock: Callable[[], float]
    wall: Callable[[], float]

    def chain(self) -> Chain:
        """Make the members in their order; without a handler its member is left out.

        Raises:
            ConfigError: a file that a member needs cannot be used.
        """
        made = [self._made(entry) for entry in self.config.authenticators]
        return Chain(
            (one.member for one in made if one is not None),
            starting=(one.start for one in made if one is not None and one.start),
            closing=(one.close for one in made if one is not None and one.close),
        )

    def _made(self, entry: AuthenticatorEntry) -> _Made | None:
        config, name = self.config, entry.name
        match name:
            case HandlerAuthenticator.name:
                if not self.hooks.present:
                    return None
                return _Made(HandlerAuthenticator(self.hooks, self.directory))
            case DirectoryAuthenticator.name:
                return _Made(DirectoryAuthenticator(self.directory))
            case JwtAuthenticator.name if config.jwt is not None:
                return self._jwt(config.jwt)
            case WebhookAuthenticator.name if config.webhook is not None:
                return self._webhook(config.webhook)
            case _:
                control = ControlAuthenticator(
                    entry, self.asking, self._entrance(), clock=self.wall
                )
                return _Made(control)

    def _entrance(self) -> Entrance:
        return Entrance(self.directory, self.locked)

    def _jwt(self, settings: Jwt) -> _Made:
        if settings.keys_url is None:
            return _Made(self._tokens(settings, keys_of_file(settings)))
        keys = KeySet(settings, Outgoing(), tasks=self.tasks, clock=self.clock)
        return _Made(self._tokens(settings, keys), keys.start, keys.close)

    def _tokens(self, settings: Jwt, keys: KeySource) -> JwtAuthenticator:
        return JwtAuthenticator(settings, keys, self._entrance(), clock=self.wall)

    def _webhook(self, settings: Webhook) -> _Made:
        webhook = WebhookAuthenticator(
            settings,
            read_secret_file(settings.secret_file, least_bytes=SECRET_BYTES),
            self._entrance(),
            Outgoing(most=settings.concurrency),
            clock=self.wall,
        )
        return _Made(webhook, close=webhook.close)
