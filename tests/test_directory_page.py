"""The reference of `security` holds every method, with what it needs."""

from tools.directory_page import TOPICS, directory_page

from vestibule.server.directory.own_events import OWN_EVENTS
from vestibule.server.features.security import SECURITY_METHODS


def test_every_method_and_event_is_there_once() -> None:
    page = directory_page()
    for method in SECURITY_METHODS:
        assert page.count(f"\n### `{method}(") == 1, method
    for path in OWN_EVENTS:
        assert f"| `{path.rpartition('/')[2]}` |" in page


def test_a_topic_names_methods_that_there_are() -> None:
    named = [name for names in TOPICS.values() for name in names]
    assert len(named) == len(set(named))
    assert set(named) <= SECURITY_METHODS.keys()


def test_what_a_method_says_of_itself_is_taken_over() -> None:
    page = directory_page()
    _, _, section = page.partition("### `add_group(group)`\n")
    section = section.partition("\n### ")[0]
    assert "unused name" in section
    assert "Refused with ALREADY_EXISTS" in section
    assert "*Needs MODIFY_SECURITY.*" in section
    assert "### `update_own_user(update)`" in page
    assert "_GUEST" in page.partition("### `get_own_user()`")[2].partition("\n### ")[0]
