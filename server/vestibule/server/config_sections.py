"""The smaller sections of the configuration: each key with its bounds and reason.

`docs/configuration.md` is generated from here.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from vestibule.server.config_fields import (
    DAY,
    HOUR,
    SHORTEST,
    Host,
    Section,
    count,
    number,
    seconds,
    size,
)
from vestibule.server.config_source import split_host_port


__all__ = [
    "Audit",
    "HandlerSettings",
    "Heartbeat",
    "Http",
    "Listen",
    "Log",
    "Rekey",
    "Resume",
    "Rpc",
    "Shutdown",
    "Tls",
]


class Tls(Section):
    """The certificate with which the listener itself speaks TLS."""

    certificate: Path = Field(
        description="PEM file with the certificate and those between it and the root"
    )
    key: Path = Field(description="PEM file with the certificate's private key")


class Listen(Section):
    """Where clients connect. In short: `listen: host:port`, or `listen: host`."""

    host: Host = Field(
        default="127.0.0.1",
        description="address or host name; loopback until somebody decides otherwise",
    )
    port: int = count(7420, "TCP port; 0 takes a free one", least=0, most=65_535)
    tls: Tls | None = Field(
        default=None,
        description="TLS around the encrypted protocol, which then hides the hellos "
        "too; null: none",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return split_host_port(value) if isinstance(value, str) else value


class Http(Section):
    """Where `GET /health` is answered, without TLS."""

    host: Host = Field(
        default="127.0.0.1", description="a loopback address: HTTP is not encrypted"
    )
    port: int = count(7421, "TCP port; 0 takes a free one", least=0, most=65_535)


_HANDLER: Final = re.compile(
    r"directory|open|[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*"
)


def _handler_name(text: str) -> str:
    if not _HANDLER.fullmatch(text):
        raise ValueError("is neither directory, open nor package.module:Class")
    return text


class HandlerSettings(Section):
    """The permission handler. In short: `handler: package.module:Class`."""

    load: Annotated[str, AfterValidator(_handler_name)] = Field(
        default="directory",
        description="`directory`: the directory alone decides; `package.module:Class`: "
        "a handler of one's own; `open`: everybody may do everything, for trying out "
        "on one's own machine, only with `insecure: true`",
    )
    timeout: float = seconds(
        5.0, "longest time for a decision, which is then a denial", most=HOUR
    )
    login_timeout: float = seconds(
        10.0,
        "longest time for `is_valid_user`, which may ask a remote service; then the "
        "login is refused",
        most=HOUR,
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"load": value} if isinstance(value, str) else value


class Rpc(Section):
    """How long calls may take."""

    accept_timeout: float = seconds(
        1.0, "from asking a provider to its accept: a live one accepts at once", most=60
    )
    max_timeout: float = seconds(
        300.0,
        "longest time that a caller may give a provider: a long report",
        most=DAY,
    )


class Heartbeat(Section):
    """How a connection that died silently is noticed."""

    interval: float = seconds(
        30.0,
        "silence after which an end pings; after two it drops the connection. Below "
        "the usual idle time of NATs and proxies",
        most=HOUR,
    )


class Rekey(Section):
    """When a direction changes its key; the protocol allows only smaller values."""

    records: int = count(2**20, "records under one key", least=2, most=2**20)
    bytes: int = number(2**30, "bytes", "bytes of boxes under one key", 1_024, 2**30)
    seconds: float = number(
        900.0,
        "seconds",
        "age at which the next record changes the key",
        SHORTEST,
        900.0,
    )


class Resume(Section):
    """How a client that was cut off comes back without its password."""

    ticket_ttl: float = seconds(
        3_600.0,
        "time for which a resume ticket is good after its session was cut off: a "
        "laptop lid",
        least=1.0,
        most=7 * DAY,
    )


class Shutdown(Section):
    """What SIGTERM and SIGINT do; a second signal ends at once."""

    drain: float = seconds(
        10.0, "time for calls under way and for every bye", least=0.0, most=HOUR
    )
    spread: float = seconds(
        10.0,
        "sessions are told to reconnect after a time drawn from 0 to this: a storm "
        "spread over ten seconds",
        least=0.0,
        most=HOUR,
    )


class Audit(Section):
    """The line that each refusal, login and change leaves, in log and audit trail."""

    line_bytes: int = size(
        1_024, "longest line of the log: one line, one screen", least=256, most=1_024
    )
    max_lines: int = count(
        1_000_000,
        "lines that the trail keeps; then the oldest go. About 500 MB",
        least=1_000,
        most=1_000_000_000,
    )
    max_age: float | None = seconds(
        None,
        "lines that are older go; null: none goes for its age",
        least=HOUR,
        most=100 * 365 * DAY,
    )
    min_age: float = seconds(
        7 * DAY,
        "younger lines never go for their number. While there are too many of them, "
        "refusals are counted instead of kept, so that nobody pushes out what was "
        "recorded by being refused often",
        least=0.0,
        most=100 * 365 * DAY,
    )
    queue_lines: int = count(
        10_000,
        "lines of a kind that may wait for the disk: about 10 MB. Refusals beyond are "
        "counted, logins and changes wait",
        least=100,
    )
    on_failure: Literal["continue", "refuse"] = Field(
        default="continue",
        description="while the trail cannot be written. `continue`: the broker goes on, "
        "lines wait, and those that find no place are counted in `audit_lost`; "
        "`refuse`: no login and no change until it can be written again",
    )


class Log(Section):
    """The broker's own log, on standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO",
        description="what is less important is left out; audit lines never are",
    )
    format: Literal["console", "json"] = Field(
        default="console",
        description="for people, or one JSON object a line for collectors",
    )
