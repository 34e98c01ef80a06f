import pytest

from vestibule.client.endpoint import Endpoint


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("ws://broker.example", "broker.example:80"),
        ("wss://broker.example", "broker.example:443"),
        ("ws://Broker.EXAMPLE:7420/", "broker.example:7420"),
        ("ws://[2001:DB8:0:0::1]:7420", "[2001:db8::1]:7420"),
        ("ws://bücher.example:1", "xn--bcher-kva.example:1"),
        ("wss://10.0.0.1", "10.0.0.1:443"),
    ],
)
def test_a_url_has_one_spelling_as_an_endpoint(url: str, text: str) -> None:
    endpoint = Endpoint.of_url(url)
    assert endpoint.text == text
    assert Endpoint.of_text(text) == endpoint


@pytest.mark.parametrize(
    "url",
    [
        "http://broker.example",
        "broker.example:7420",
        "ws://",
        "ws://:7420",
        "ws://user:secret@broker.example",
        "ws://broker.example:port",
        "ws://broker.example:99999",
        "ws://broker example",
        "ws://broker.example/#there",
        "",
    ],
)
def test_what_is_no_broker_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Endpoint.of_url(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "broker.example",
        "broker.example:",
        "Broker.example:80",
        "broker.example:080",
        "broker.example:0",
        "broker.example:65536",
        "2001:db8::1:80",
        "[2001:db8:0::1]:80",
        "[broker.example]:80",
        "ws://broker.example:80",
        "bücher.example:80",
        "broker.example:\u0661",
        ":80",
    ],
)
def test_another_spelling_is_no_endpoint(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Endpoint.of_text(text)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("ws://localhost:1", True),
        ("ws://127.0.0.1:1", True),
        ("ws://127.9.9.9:1", True),
        ("ws://[::1]:1", True),
        ("ws://128.0.0.1:1", False),
        ("ws://localhost.example:1", False),
        ("ws://[2001:db8::1]:1", False),
    ],
)
def test_loopback_is_told_by_name_or_address(url: str, *, loopback: bool) -> None:
    assert Endpoint.of_url(url).loopback is loopback
