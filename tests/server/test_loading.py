import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vestibule.server.config_source import ConfigError
from vestibule.server.loading import HandlerError, check_handler, load_handler


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a file that imports as `my_handler`."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "my_handler.py"
    sys.modules.pop("my_handler", None)


GOOD = """
class Handler:
    def is_valid_user(self, connection, auth_data):
        return "lisa"
    async def can_perform_action(self, username, message):
        return True

class Outer:
    class Inner(Handler):
        pass

made = Handler()
"""


@pytest.mark.parametrize("name", ["Handler", "Outer.Inner", "made"])
def test_a_handler_of_any_class_is_loaded_and_made(module: Path, name: str) -> None:
    module.write_text(GOOD)
    handler: Any = load_handler(f"my_handler:{name}")
    assert handler.is_valid_user(None, {}) == "lisa"


@pytest.mark.parametrize(
    ("text", "reference", "problem"),
    [
        (GOOD, "my_handlr:Handler", "there is no module my_handlr"),
        (GOOD, "my_handler.sub:Handler", "there is no module my_handler.sub"),
        (GOOD, "my_handler:Handlr", "my_handler has no Handlr"),
        ("import absent_library", "my_handler:H", "there is no module absent_library"),
        ("raise ValueError('x')", "my_handler:H", "importing my_handler raised ValueE"),
        ("def (", "my_handler:H", "importing my_handler raised SyntaxError at"),
        (
            "class H:\n  def __init__(self, a): pass",
            "my_handler:H",
            "making one without arguments raised TypeError",
        ),
        ("class H: pass", "my_handler:H", "has neither is_valid_user nor can_perf"),
        ("H = 5", "my_handler:H", "has neither is_valid_user nor can_perform_action"),
    ],
)
def test_p12_a_handler_that_does_not_load_is_named_with_the_problem(
    module: Path, text: str, reference: str, problem: str
) -> None:
    module.write_text(text)
    with pytest.raises(HandlerError) as caught:
        load_handler(reference)
    line = str(caught.value)
    assert line.startswith(f"handler {reference}: ")
    assert problem in line
    assert "\n" not in line


def test_the_text_of_an_exception_in_a_handler_is_not_repeated(module: Path) -> None:
    module.write_text("raise ValueError('swordfish')")
    with pytest.raises(HandlerError) as caught:
        load_handler("my_handler:H")
    assert "swordfish" not in str(caught.value)
    assert "my_handler.py:1" in str(caught.value)


class Lacking:
    def can_perform_action(self, username: str) -> bool:
        return bool(username)


class Additional:
    def is_valid_user(self, connection: object, auth_data: object, more: int) -> None:
        del connection, auth_data, more


class WrongOptional:
    def is_valid_user(self, connection: object, auth_data: object) -> None:
        del connection, auth_data

    def can_receive(self) -> bool:
        return True


class NotCallable:
    is_valid_user = True


class NoneMethod:
    can_perform_action = None


class KeywordOnly:
    def can_perform_action(self, *, username: str, message: object) -> bool:
        del message
        return bool(username)


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (Lacking(), "can_perform_action does not take (username, message)"),
        (Additional(), "is_valid_user does not take (connection, auth_data)"),
        (WrongOptional(), "can_receive does not take (username, message)"),
        (NotCallable(), "is_valid_user is not callable"),
        (NoneMethod(), "can_perform_action is not callable"),
        (KeywordOnly(), "can_perform_action does not take (username, message)"),
        (Lacking, "is a class; an instance is needed"),
        (object(), "has neither is_valid_user nor can_perform_action"),
    ],
)
def test_r73_p12_a_handler_of_wrong_shape_is_refused_naming_the_method(
    handler: object, problem: str
) -> None:
    with pytest.raises(HandlerError) as caught:
        check_handler(handler, "mine")
    assert str(caught.value) == f"handler mine: {problem}"
    assert isinstance(caught.value, ConfigError)


class Flexible:
    def is_valid_user(self, *arguments: object) -> None:
        del arguments

    def can_perform_action(self, name: str, what: object, extra: int = 0) -> bool:
        del name, what, extra
        return True


def test_what_takes_the_arguments_is_a_handler_whatever_it_calls_them() -> None:
    check_handler(Flexible())


@pytest.mark.parametrize(
    "reference",
    [
        "only_lisa:OnlyLisa",
        "allow_everything:AllowEverything",
        "lisa_deletes_nothing:LisaDeletesNothing",
        "private_records:PrivateRecords",
        "minimum_price:MinimumPrice",
    ],
)
def test_the_examples_are_handlers(reference: str) -> None:
    handler = load_handler(f"examples.handlers.{reference}")
    assert type(handler).__name__ == reference.partition(":")[2]
