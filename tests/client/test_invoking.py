import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vestibule.client.given_call import GivenCall
from vestibule.client.invoking import (
    function_invoker,
    method_invoker,
    public_methods,
)


def given(data: Any) -> GivenCall:
    """Something that stands for a call: only its data are looked at here."""
    return cast("GivenCall", SimpleNamespace(data=data))


def with_call(data: Any, call: GivenCall) -> Any:
    return data, call


def with_call_first(call: GivenCall, data: Any = None) -> Any:
    return data, call


def only_keyword(data: Any, *, call: GivenCall) -> Any:
    return data, call


class WithCall:
    def __call__(self, data: Any, call: GivenCall) -> Any:
        return data, call


@pytest.mark.parametrize(
    "function",
    [with_call, only_keyword, WithCall(), functools.partial(with_call)],
)
def test_a_parameter_named_call_gets_the_call(function: Callable[..., Any]) -> None:
    call = given(5)
    assert function_invoker(function)(call) == (5, call)


def test_without_it_a_function_gets_the_data() -> None:
    assert function_invoker(lambda data: data + 1)(given(5)) == 6
    assert function_invoker(len)(given("abc")) == 3
    assert function_invoker(dict)(given({"a": 1})) == {"a": 1}


def test_alone_it_is_all_that_a_function_gets() -> None:
    call = given(5)
    assert function_invoker(lambda call: call)(call) is call


class Orders:
    """A component."""

    limit = 5

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def place(self, item: str, *, count: int = 1) -> tuple[str, int]:
        return item, count

    def who(self, item: str, call: GivenCall) -> tuple[str, GivenCall]:
        return item, call

    @staticmethod
    def twice(number: int) -> int:
        return 2 * number

    @classmethod
    def name(cls) -> str:
        return cls.__name__

    @property
    def secret(self) -> Callable[[], None]:
        raise AssertionError("a property is not looked at")

    def _hidden(self) -> None: ...


def test_public_methods_are_those_and_nothing_else() -> None:
    methods = public_methods(Orders())
    assert set(methods) == {"place", "who", "twice", "name"}
    assert methods["twice"](4) == 8
    assert methods["name"]() == "Orders"
    assert public_methods(object()) == {}


def body(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return {"args": list(args), "kwargs": kwargs}


def test_arguments_reach_a_method_as_they_were_given() -> None:
    place = method_invoker(Orders().place)
    assert place(given(body("tea", count=2))) == ("tea", 2)
    assert place(given(body("tea"))) == ("tea", 1)


def test_a_method_with_a_parameter_named_call_gets_it() -> None:
    call = given(body("tea"))
    assert method_invoker(Orders().who)(call) == ("tea", call)


@pytest.mark.parametrize(
    "forged", [body("tea", {"username": "admin"}), body("tea", call={"username": "x"})]
)
def test_a_caller_cannot_pass_a_call_of_its_own(forged: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        method_invoker(Orders().who)(given(forged))


@pytest.mark.parametrize(
    "bad",
    [None, 5, [], {}, {"args": []}, {"args": {}, "kwargs": {}}, {**body(), "more": 1}],
)
def test_another_body_is_a_type_error(bad: Any) -> None:
    with pytest.raises(TypeError):
        method_invoker(Orders().name)(given(bad))
