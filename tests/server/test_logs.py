import io
import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest
import structlog

from vestibule.server import logs
from vestibule.server.logs import Line
from vestibule.server.secret import Secret


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Leave the process's logging as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    own = logging.getLogger("vestibule")
    own_level = own.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    own.setLevel(own_level)
    structlog.reset_defaults()


def written(
    style: Literal["console", "json"] = "json",
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "DEBUG",
) -> io.StringIO:
    """Set the log up and give what it writes to."""
    stream = io.StringIO()
    logs.configure(level, style, stream)
    return stream


def test_a_line_is_an_event_with_fields() -> None:
    stream = written()
    structlog.get_logger("vestibule.x").warning("login.refused", address="::1", n=2)
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "event": "login.refused",
        "logger": "vestibule.x",
        "address": "::1",
        "n": 2,
    }


def test_for_people_a_line_is_words_and_pairs() -> None:
    stream = written("console")
    structlog.get_logger("vestibule.x").info("stopped", reason="a b", count=3)
    text = stream.getvalue()
    assert text.endswith('info stopped logger=vestibule.x reason="a b" count=3\n')


def test_what_is_less_important_than_the_level_is_left_out() -> None:
    stream = written(level="WARNING")
    log = structlog.get_logger("vestibule.x")
    log.info("quiet")
    log.warning("loud")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()


@pytest.mark.parametrize("style", ["json", "console"])
def test_control_characters_are_escaped_and_make_no_second_line(
    style: Literal["json", "console"],
) -> None:
    stream = written(style)
    text = "a\nb\r\x1b[31m\u202e\ud800\u2028"
    structlog.get_logger("vestibule.x").info("seen", name=text, **{"k\n": 1})
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert line[:-1].isprintable()


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize(
    "fields",
    [
        {"name": "x" * 100_000},
        {"name": "é" * 100_000},
        {f"k{i}": "y" * 500 for i in range(50)},
        {"deep": {"a": {"b": {"c": ["z" * 999] * 500}}}},
        {"name": "\x00" * 5_000},
    ],
)
def test_no_line_is_longer_than_its_limit(
    style: Literal["json", "console"], fields: dict[str, object]
) -> None:
    stream = written(style)
    structlog.get_logger("vestibule.x").info("seen", **fields)
    line = stream.getvalue()
    assert len(line.encode()) <= logs.MAX_LINE_BYTES
    assert "seen" in line
    if style == "json":
        json.loads(line)


def test_fields_with_secretive_names_show_no_value() -> None:
    stream = written()
    structlog.get_logger("vestibule.x").info(
        "seen",
        password="swordfish",
        new_Password="swordfish",
        auth_data={"a": "swordfish"},
        nested={"session_token": "swordfish", "plain": "shown"},
        held=Secret("swordfish"),
        key_material=b"swordfish",
        other=ValueError("swordfish"),
        ticket=None,
    )
    text = stream.getvalue()
    assert "swordfish" not in text
    line = json.loads(text)
    assert line["nested"] == {"session_token": "[redacted]", "plain": "shown"}
    assert line["held"] == "<Secret>"
    assert line["key_material"] == "<9 bytes>"
    assert line["ticket"] is None


@pytest.mark.parametrize("style", ["json", "console"])
def test_s1_exceptions_are_told_by_type_and_place_without_their_text(
    style: Literal["json", "console"],
) -> None:
    stream = written(style)
    own, other = structlog.get_logger("vestibule.x"), logging.getLogger("asyncio")
    try:
        raise ValueError("swordfish")  # noqa: TRY301 - to have a traceback
    except ValueError:
        own.exception("handler.failed")
        other.exception("Task %s failed\nfuture: swordfish", "swordfish")
    text = stream.getvalue()
    assert "swordfish" not in text
    assert text.count("\n") == 2
    assert text.count("ValueError") == 2
    assert "test_logs.py:" in text


def test_s1_other_libraries_speak_from_warning_on_and_without_arguments() -> None:
    stream = written(level="DEBUG")
    library = logging.getLogger("websockets.server")
    library.debug("> Cookie: %s", "swordfish")
    library.warning("odd header %s", "swordfish")
    assert "swordfish" not in stream.getvalue()
    assert json.loads(stream.getvalue())["event"] == "odd header %s"


def test_ensure_routes_to_logging_and_leaves_a_configured_structlog_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    structlog.reset_defaults()
    logs.ensure()
    structlog.get_logger("vestibule.x").warning("seen", password="swordfish")
    assert caplog.messages == ["seen password=[redacted]"]

    structlog.configure(processors=[structlog.testing.LogCapture()])
    logs.ensure()
    assert len(structlog.get_config()["processors"]) == 1


def test_configuring_again_replaces_and_doubles_nothing() -> None:
    written()
    stream = written()
    structlog.get_logger("vestibule.x").info("once")
    assert stream.getvalue().count("once") == 1


def test_a_stream_that_is_full_stops_nobody() -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    logs.configure("DEBUG", "json", Full())
    structlog.get_logger("vestibule.x").error("lost")


def test_a_line_that_cannot_fit_at_all_says_that_it_was_cut() -> None:
    line = str(Line("seen", {"a": "b" * 600, "c": ["d" * 400] * 30}, limit=100))
    assert len(line.encode()) < 100
    assert "cut=true" in line
