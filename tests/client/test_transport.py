from vestibule.client.transport import Target


def test_a_target_does_not_show_its_headers() -> None:
    target = Target("ws://x", "vestibule.1", {"Authorization": "sesame"})
    assert "sesame" not in repr(target)
    assert target == Target("ws://x", "vestibule.1", {"Authorization": "sesame"})
