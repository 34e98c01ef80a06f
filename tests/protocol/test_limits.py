from typing import Any

import pytest

from vestibule.protocol.limits import WireLimits


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quarantine_message_bytes", 1023),
        ("message_bytes", 32_767),
        ("message_bytes", 2**32),
        ("batch_messages", 2),
        ("quarantine_timeout_ms", 0),
        ("login_attempts", 0),
        ("heartbeat_ms", 0),
        ("data_depth", 0),
        ("data_nodes", 0),
        ("quarantine_waiting_bytes", 0),
        ("rekey_records", 1),
        ("rekey_records", 2**20 + 1),
        ("rekey_bytes", 2**30 + 1),
        ("rekey_seconds", 900.5),
        ("rekey_seconds", -1.0),
    ],
)
def test_a_limit_that_no_connection_could_keep_is_refused(
    name: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=name):
        WireLimits(**{name: value})
