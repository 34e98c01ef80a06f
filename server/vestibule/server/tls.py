"""TLS for the listener: certificate and key become a context, or a named error."""

import ssl
from typing import NoReturn

from vestibule.server.config_sections import Tls
from vestibule.server.config_source import ConfigError


__all__ = ["server_context"]


def server_context(tls: Tls) -> ssl.SSLContext:
    """Make the listener's context: TLS 1.2 or newer, the library's own ciphers.

    Raises:
        ConfigError: naming the file that is missing, unreadable or no PEM, or that
            does not belong to the other one. A key behind a passphrase is refused:
            nobody is asked at a start.
    """
    for path in (tls.certificate, tls.key):
        try:
            with path.open("rb"):
                pass
        except OSError as error:
            raise ConfigError(
                f"listen.tls: cannot be read: {error.strerror}", where=str(path)
            ) from None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_no_passphrase)
    except (ssl.SSLError, ValueError):
        raise ConfigError(
            "listen.tls: no PEM certificate, or not the one of the key in "
            f"{tls.key.name}, or a key behind a passphrase",
            where=str(tls.certificate),
        ) from None
    return context


def _no_passphrase() -> NoReturn:
    raise ValueError("the key is behind a passphrase")
