from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from vestibule.server.config import ConfigError
from vestibule.server.operations.texts import Form, form_of, read_text, written


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from(
        [
            "off",
            "yes",
            "1:30",
            "010",
            "1e5",
            "0x1f",
            "~",
            "null",
            "<<",
            "=",
            "2030-01-31",
        ]
    )
)
DATA = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4
        )
    ),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Whether values are equal, of equal types, in equal order."""
    return repr(one) == repr(other)


@pytest.mark.parametrize("form", Form)
@given(data=DATA)
def test_what_is_written_is_read_back_as_it_was(form: Form, data: Any) -> None:
    assert same(read_text(written(data, form), form, "x"), data)


def test_yaml_is_for_people() -> None:
    document = {"users": {"lisa": {"groups": ["off", "staff"], "disabled": True}}}
    assert written(document, Form.YAML) == (
        "users:\n  lisa:\n    groups:\n    - off\n    - staff\n    disabled: true\n"
    )


def test_a_name_tells_the_form() -> None:
    assert form_of(Path("a.json")) is Form.JSON
    assert form_of(Path("a.yaml")) is Form.YAML
    assert form_of(Path("a")) is Form.YAML


BAD = [
    (Form.YAML, "a: 1\na: 2", "x:2: a stands twice, first on line 1"),
    (Form.YAML, "a: &b 1\nc: *b", "x:2: is not valid YAML"),
    (Form.YAML, "a: !!python/object:os.system x", "has a tag"),
    (Form.YAML, "[" * 60, "x:1: is not valid YAML"),
    (Form.JSON, '{"a": 1, "a": 2}', "x: a key stands twice"),
    (Form.JSON, '{"a": NaN}', "x: NaN is no number here"),
    (Form.JSON, '{"a":\n', "x:2: is not valid JSON"),
    (Form.JSON, "[" * 100_000, "x: is too deep"),
]


@pytest.mark.parametrize(("form", "text", "told"), BAD)
def test_what_could_mean_two_things_is_refused(
    form: Form, text: str, told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        read_text(text, form, "x")
    assert told in str(refused.value)
