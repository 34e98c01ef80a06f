from pathlib import Path

from vestibule.protocol.phases import render_states


def test_the_page_about_states_is_that_of_the_tables() -> None:
    page = Path(__file__).parents[2] / "docs" / "states.md"
    assert page.read_text("utf-8") == render_states(), (
        "run: python -m vestibule.protocol.phases > docs/states.md"
    )
