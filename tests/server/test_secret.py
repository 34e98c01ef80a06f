import copy
import pickle  # noqa: TID251 - to see that it refuses

import pytest

from vestibule.server.secret import Secret


def test_nothing_that_prints_shows_the_value() -> None:
    secret = Secret("sesame")
    shown = f"{secret} {secret!r} {secret:>20} {[secret]}"
    assert "sesame" not in shown
    assert "Secret(...)" in shown


def test_reveal_gives_what_was_put_in() -> None:
    assert Secret("sésame").reveal() == "sésame"
    assert Secret(b"\xff").reveal_bytes() == b"\xff"


def test_bytes_that_are_no_text_are_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="not text") as caught:
        Secret(b"sesame\xff").reveal()
    assert "sesame" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("spread", [copy.copy, copy.deepcopy, pickle.dumps, hash])
def test_a_secret_is_not_copied_pickled_or_hashed(spread: object) -> None:
    assert callable(spread)
    with pytest.raises(TypeError):
        spread(Secret("sesame"))


def test_secrets_are_equal_by_value_and_to_secrets_alone() -> None:
    assert Secret("a") == Secret(b"a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
