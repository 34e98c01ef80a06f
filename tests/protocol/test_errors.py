import pytest

from vestibule.protocol.errors import REASONS, CloseCode, EndReason, reason_of


@pytest.mark.parametrize(("code", "reasons"), REASONS.items())
def test_a_reason_counts_only_with_its_code(
    code: CloseCode, reasons: tuple[EndReason, ...]
) -> None:
    for reason in EndReason:
        expected = reason if reason in reasons else reasons[0]
        assert reason_of(code, reason) is expected
    assert reason_of(code) is reasons[0]
    assert reason_of(code, "whatever") is reasons[0]


@pytest.mark.parametrize("code", [0, -1, 1001, 1009, 4101, 4400, 4499, 2**63, 5])
def test_a_code_that_no_bye_may_carry_reads_as_truncated(code: int) -> None:
    assert reason_of(code, "client") is EndReason.TRUNCATED


def test_codes_from_4100_to_4199_are_transient() -> None:
    transient = {code for code in CloseCode if not code.terminal}
    assert transient == {code for code in CloseCode if 4100 <= code < 4200}
