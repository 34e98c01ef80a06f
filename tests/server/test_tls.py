import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from vestibule.server.config_sections import Tls
from vestibule.server.config_source import ConfigError
from vestibule.server.tls import server_context


def run(openssl: str, command: str, **options: object) -> None:
    pairs = [part for key, value in options.items() for part in (f"-{key}", str(value))]
    subprocess.run(  # noqa: S603 - fixed arguments
        [openssl, *command.split(), *pairs], check=True, capture_output=True
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """Give a certificate and its key, made by openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    run(
        openssl,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2",
        subj="/CN=localhost",
        keyout=key,
        out=certificate,
    )
    return Tls(certificate=certificate, key=key)


def test_certificate_and_key_make_a_context(pair: Tls) -> None:
    context = server_context(pair)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_missing_file_is_named(pair: Tls, tmp_path: Path) -> None:
    absent = tmp_path / "absent.pem"
    for tls in (
        Tls(certificate=absent, key=pair.key),
        Tls(certificate=pair.certificate, key=absent),
    ):
        with pytest.raises(ConfigError, match=r"absent\.pem: listen\.tls: cannot be"):
            server_context(tls)


def test_files_that_are_no_pair_are_refused(pair: Tls, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    other.write_text("no PEM")
    for tls in (
        Tls(certificate=other, key=pair.key),
        Tls(certificate=pair.certificate, key=other),
        Tls(certificate=pair.certificate, key=pair.certificate),
    ):
        with pytest.raises(ConfigError, match=r"listen\.tls: no PEM certificate"):
            server_context(tls)


def test_a_key_behind_a_passphrase_is_refused_and_nobody_is_asked(
    pair: Tls, tmp_path: Path
) -> None:
    openssl = shutil.which("openssl")
    assert openssl is not None
    locked = tmp_path / "locked.pem"
    arguments = {"in": pair.key, "out": locked, "passout": "pass:sesame"}
    run(openssl, "pkcs8 -topk8", **arguments)
    with pytest.raises(ConfigError, match="passphrase"):
        server_context(Tls(certificate=pair.certificate, key=locked))
