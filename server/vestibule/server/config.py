"""The configuration: one frozen value, from YAML, environment or keyword arguments.

Nothing is taken silently. A missing or empty file, an unknown key, a misspelt
variable and a wrong type stop the start with one line that names the place; without
any configuration the defaults hold, and they deny.
"""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    IPvAnyNetwork,
    StrictBool,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from vestibule.protocol.errors import InvalidName
from vestibule.protocol.limits import WireLimits
from vestibule.protocol.names import parse_name
from vestibule.server.config_authenticators import (
    AuthenticatorEntry,
    Jwt,
    Webhook,
    distinct_entries,
)
from vestibule.server.config_fields import is_loopback
from vestibule.server.config_limits import Limits, Lockout, Passwords, Quarantine
from vestibule.server.config_profiles import ProfileSettings, distinct_profiles
from vestibule.server.config_sections import (
    Audit,
    HandlerSettings,
    Heartbeat,
    Http,
    Listen,
    Log,
    Rekey,
    Resume,
    Rpc,
    Shutdown,
)
from vestibule.server.config_source import (
    ConfigError,
    EnvironmentSource,
    YamlSource,
    describe,
)


__all__ = ["Config", "ConfigError"]

_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#*]+", re.ASCII)


def _broker_name(text: str) -> str:
    try:
        name = parse_name(text)
    except InvalidName as problem:
        raise ValueError(f"is not one path segment: {problem}") from None
    if name != text or "/" in name or set("{}") & set(name):
        raise ValueError("is not one path segment in canonical form")
    return text


def _origin(text: str) -> str:
    if not _ORIGIN.fullmatch(text):
        raise ValueError("is not an origin: scheme://host or scheme://host:port")
    return text


class Config(BaseSettings):
    """All settings of a broker, frozen.

    Made by `Config.load`, or directly with nested dicts: `Config(data="d",
    quarantine={"timeout": 0.2})`. Direct use reads no file and no environment.

    Raises:
        ConfigError: in one line, without values; from every way of making one.
    """

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )

    name: Annotated[str, AfterValidator(_broker_name)] = Field(
        default="vestibule",
        description="the broker's name: first segment of the path of every method of "
        "its components",
    )
    listen: Listen = Listen()
    http: Http | None = Http()
    data: Path = Field(
        default=Path("data"),
        description="folder of the identity key and the directory; made at the first "
        "start",
    )
    encryption: Literal["required", "off"] = Field(
        default="required",
        description="`off` is for use behind TLS on one machine: only on a loopback "
        "address, and every client must ask for it too",
    )
    handler: HandlerSettings = HandlerSettings()
    insecure: StrictBool = Field(
        default=False,
        description="has to be true for `handler: open`, and does nothing else",
    )
    authenticators: Annotated[
        tuple[AuthenticatorEntry, ...], AfterValidator(distinct_entries)
    ] = Field(
        default=(
            AuthenticatorEntry(name="handler"),
            AuthenticatorEntry(name="directory"),
        ),
        description="who is asked about a login, in this order; the first that does "
        "not abstain decides, and if all do, or none is listed, it is refused. "
        "`handler`, `directory`, `jwt` and `webhook` (with the sections of these "
        "names), and `control:<name>`, for which client sessions register. Such an "
        "entry may be a mapping `{name, timeout, on_failure, on_absent}`: `timeout` is "
        "10 seconds, `on_failure` (it raises, is late or answers nonsense) is `deny` or "
        "`skip`, `on_absent` (nobody is registered) is `skip` or `deny`",
    )
    jwt: Jwt | None = None
    webhook: Webhook | None = None
    allowed_origins: frozenset[Annotated[str, AfterValidator(_origin)]] = Field(
        default=frozenset(),
        description="origins of web pages that may connect, such as "
        "`https://app.example`; requests without an `Origin` come from no browser and "
        "are not concerned",
    )
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        default=(),
        description="addresses or networks whose `X-Forwarded-For` is believed",
    )
    quarantine: Quarantine = Quarantine()
    lockout: Lockout = Lockout()
    profiles: Annotated[
        tuple[ProfileSettings, ...], AfterValidator(distinct_profiles)
    ] = Field(
        default=(),
        max_length=1_000,
        description="limits of sessions and their tokens; the first whose `match` fits "
        "a login counts. Each is a mapping `{name, match: {type, usernames, groups, "
        "addresses, authenticators}, ttl, token_ttl, idle, usage, addresses, "
        "token_logins, lock_token_to_broker, permissions}`; times are seconds, text such "
        'as "7 days", or none (docs/security.md, "Profiles"). Behind them stand '
        "`default-http` (ttl 7 days, idle 1 hour) and `default-websocket` (neither; "
        "tokens of 24 hours)",
    )
    admin_network_logins: StrictBool = Field(
        default=True,
        description="false: the user `_ADMIN` logs in from inside the broker's process "
        "alone, whatever it proves itself with",
    )
    passwords: Passwords = Field(default_factory=Passwords)
    limits: Limits = Limits()
    rpc: Rpc = Rpc()
    heartbeat: Heartbeat = Heartbeat()
    rekey: Rekey = Rekey()
    resume: Resume = Resume()
    shutdown: Shutdown = Shutdown()
    audit: Audit = Audit()
    usernames_case_insensitive: StrictBool = Field(
        default=False,
        description="usernames are compared without regard to case; the broker does "
        "not start if two stored users would be one",
    )
    log: Log = Log()

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            sources = values.get("_build_sources", ((), {}))[0]
            raise describe(error, *sources) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take keyword arguments alone: the library's own sources are lenient."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        *,
        environment: Mapping[str, str] | None = None,
    ) -> Self:
        """Read a YAML file, if one is named, then `VESTIBULE_…` variables over it.

        `environment` stands for `os.environ`.

        Raises:
            ConfigError: what is wrong and where, in one line.
        """
        variables = os.environ if environment is None else environment
        sources: tuple[PydanticBaseSettingsSource, ...] = (
            EnvironmentSource(cls, variables),
        )
        if path is not None:
            sources += (YamlSource(cls, Path(path)),)
        return cls(_build_sources=(sources, {}))

    @model_validator(mode="after")
    def _no_setting_undoes_another(self) -> Self:
        if self.encryption == "off" and not is_loopback(self.listen.host):
            raise ValueError(
                "encryption: off is for loopback addresses only, and listen.host is "
                "not one"
            )
        if self.http is not None and not is_loopback(self.http.host):
            raise ValueError("http.host is not a loopback address")
        if self.handler.load == "open" and not self.insecure:
            raise ValueError(
                "handler: open lets everybody do everything; it needs insecure: true"
            )
        listed = {entry.name for entry in self.authenticators}
        for name, section in (("jwt", self.jwt), ("webhook", self.webhook)):
            if (name in listed) != (section is not None):
                raise ValueError(
                    f"the section {name} and the entry {name} of authenticators are "
                    "there together or not at all"
                )
        if self.limits.message_bytes < self.quarantine.message_bytes:
            raise ValueError(
                "limits.message_bytes must not be less than quarantine.message_bytes"
            )
        return self

    def asks(self, authenticator: str) -> bool:
        """Whether the chain has the member of that name."""
        return any(entry.name == authenticator for entry in self.authenticators)

    def wire_limits(self) -> WireLimits:
        """Give what the protocol core enforces and announces."""
        return WireLimits(
            quarantine_message_bytes=self.quarantine.message_bytes,
            message_bytes=self.limits.message_bytes,
            batch_messages=self.limits.batch_messages,
            quarantine_timeout_ms=_milliseconds(self.quarantine.timeout),
            login_attempts=self.quarantine.max_attempts,
            heartbeat_ms=_milliseconds(self.heartbeat.interval),
            data_depth=self.limits.data_depth,
            data_nodes=self.limits.data_nodes,
            quarantine_waiting_bytes=self.quarantine.total_bytes,
            rekey_records=self.rekey.records,
            rekey_bytes=self.rekey.bytes,
            rekey_seconds=self.rekey.seconds,
        )

    def insecure_settings(self) -> tuple[str, ...]:
        """Name the settings that give up protection, as sessions are told them."""
        names = []
        if self.encryption == "off":
            names.append("encryption_off")
        if not self.lockout.enabled:
            names.append("lockout_off")
        return tuple(names)


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)
