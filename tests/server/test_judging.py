"""Judging logins: limits, proof, chain, entry, and what each outcome counts as."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from standing import policy, session
from vestibule.protocol.errors import ErrorCode
from vestibule.server.admissions import Admission, Answer, Refusal, Turned
from vestibule.server.attempts import Attempt, read_attempt
from vestibule.server.audit import AuditLog
from vestibule.server.authenticators import Chain
from vestibule.server.counters import Counters
from vestibule.server.directory.model import User
from vestibule.server.directory.roles import ANONYMOUS
from vestibule.server.handler import ConnectionData, Headers
from vestibule.server.judging import Judge
from vestibule.server.lockout import AddressFailures, Lockout
from vestibule.server.sessions import Sessions
from vestibule.server.testing import ManualClock
from vestibule.server.turnstile import Turnstile


LISA = User(username="lisa", user_id="1")
ADMITTED = Admission("lisa", "directory")
STRANGER = ConnectionData("192.0.2.1", Headers(), "00" * 16)


class Users:
    """A directory of some users."""

    def __init__(self) -> None:
        self.users = {"lisa": LISA, "bob": User(username="bob", user_id="2")}
        self.policy = policy()

    def user(self, name: str) -> User | None:
        return self.users.get(name)

    def may_log_in(self, user: User) -> bool:
        return not user.disabled


class Member:
    """A member of the chain that answers what `answer` gives."""

    def __init__(
        self, answer: Callable[[Attempt], Answer], name: str = "directory"
    ) -> None:
        self.name = name
        self.answer = answer
        self.asked: list[Attempt] = []

    async def authenticate(self, attempt: Attempt) -> Answer:
        self.asked.append(attempt)
        return self.answer(attempt)


class Checker:
    """Finds proofs to be `found`; waits for `may`, if there is one."""

    def __init__(self, found: Admission | Refusal, account: str | None = None) -> None:
        self.found = found
        self.name = account
        self.may: asyncio.Event | None = None
        self.asked = asyncio.Event()

    def account(self, attempt: Attempt) -> str | None:
        return self.name

    async def check(self, attempt: Attempt) -> Admission | Refusal:
        self.asked.set()
        if self.may is not None:
            await self.may.wait()
        return self.found


class Court:
    """A judge and all that it judges with."""

    def __init__(self, *members: Any, **facts: Any) -> None:
        self.clock = ManualClock()
        self.directory = Users()
        self.sessions = Sessions()
        self.counters = Counters()
        self.audit = AuditLog()
        self.lockout = Lockout(
            enabled=True,
            attempts=facts.pop("attempts", 3),
            interval=600,
            clock=self.clock,
        )
        self.addresses = AddressFailures(most=30, window=300, clock=self.clock)
        directory: Any = self.directory
        self.judge = Judge(
            chain=Chain(members),
            directory=directory,
            lockout=self.lockout,
            addresses=self.addresses,
            turnstile=Turnstile(),
            sessions=self.sessions,
            sessions_per_user=facts.pop("sessions_per_user", 2),
            counters=self.counters,
            audit=self.audit,
            **facts,
        )

    async def turn(self, attempt: Attempt) -> ErrorCode:
        turned = await self.judge.judge(attempt)
        assert isinstance(turned, Turned)
        return turned.code

    @property
    def failures(self) -> int:
        return 30 - self.addresses.failures_left("192.0.2.1")


def login(scheme: str = "plain", **fields: Any) -> Attempt:
    if scheme == "plain":
        fields = {"auth_data": {"username": "lisa", **fields}}
    attempt = read_attempt(STRANGER, scheme, fields)
    assert isinstance(attempt, Attempt)
    return attempt


async def test_an_admission_clears_the_pair_and_a_refusal_counts() -> None:
    answers: list[Answer] = [Refusal(), Refusal(), ADMITTED, Refusal(), Refusal()]
    court = Court(Member(lambda _: answers.pop(0)))
    assert await court.turn(login()) is ErrorCode.INVALID_AUTH_DATA
    assert await court.turn(login()) is ErrorCode.INVALID_AUTH_DATA
    assert await court.judge.judge(login()) == ADMITTED
    assert court.lockout.failures_left("lisa", "192.0.2.1") == 3
    assert court.failures == 2
    assert court.counters["logins_evaluated"] == 3
    assert court.counters["logins_refused"] == 2
    assert court.audit.counts["login_refused"] == 2


async def test_l1_who_comes_in_as_somebody_else_clears_nothing_of_whom_it_named() -> (
    None
):
    bob = Admission("bob", "handler")
    answers: list[Answer] = [Refusal(), Refusal(), bob, Refusal()]
    court = Court(Member(lambda _: answers.pop(0), "handler"))
    for _ in range(2):
        assert await court.turn(login()) is ErrorCode.INVALID_AUTH_DATA
    assert await court.judge.judge(login()) == bob
    assert court.lockout.failures_left("lisa", "192.0.2.1") == 1
    assert await court.turn(login()) is ErrorCode.INVALID_AUTH_DATA
    assert await court.turn(login()) is ErrorCode.ACCOUNT_LOCKED


async def test_what_is_kept_of_a_name_is_no_longer_than_a_name_can_be() -> None:
    court = Court(Member(lambda _: None))
    for tail in "abc":
        await court.turn(login(username="ß" * 8_000 + tail))
    assert [len(name) <= 129 for name, _ in court.lockout._failures] == [True]


@pytest.mark.parametrize("scheme", ["scram", "key", "ticket", "magic"])
async def test_a_scheme_that_nobody_checks_is_not_available_and_no_failure(
    scheme: str,
) -> None:
    member = Member(lambda _: ADMITTED)
    court = Court(member)
    code = await court.turn(login(scheme, username="lisa"))
    assert code is ErrorCode.SCHEME_NOT_AVAILABLE
    assert (court.failures, member.asked) == (0, [])


async def test_a_bad_proof_refuses_and_nobody_of_the_chain_is_asked() -> None:
    member = Member(lambda _: ADMITTED)
    court = Court(member, checkers={"key": Checker(Refusal(), "lisa")})
    code = await court.turn(login("key", username="lisa"))
    assert code is ErrorCode.INVALID_AUTH_DATA
    assert (court.failures, member.asked) == (1, [])
    assert court.lockout.failures_left("lisa", "192.0.2.1") == 2


async def test_a_good_proof_goes_through_the_chain_where_others_only_deny() -> None:
    found = Admission("lisa", "directory", user_id="1")
    before = Member(lambda _: Admission("eve", "handler"), "handler")
    directory = Member(lambda attempt: attempt.proven)
    court = Court(before, directory, checkers={"key": Checker(found, "lisa")})
    attempt = login("key", username="lisa", signature=b"s" * 64)
    assert await court.judge.judge(attempt) == found
    assert "signature" not in before.asked[0].auth_data
    denies = Member(lambda _: Refusal(reason="closed"), "handler")
    court = Court(denies, directory, checkers={"key": Checker(found, "lisa")})
    turned = await court.judge.judge(attempt)
    assert isinstance(turned, Turned)
    assert turned.reason == "closed"


async def test_whose_proof_it_is_may_show_late_and_is_locked_all_the_same() -> None:
    found = Admission("lisa", "directory", user_id="1")
    court = Court(
        Member(lambda attempt: attempt.proven), checkers={"ticket": Checker(found)}
    )
    assert await court.judge.judge(login("ticket")) == found
    for _ in range(3):
        court.lockout.failed("lisa", "192.0.2.1")
    assert await court.turn(login("ticket")) is ErrorCode.ACCOUNT_LOCKED
    assert court.counters["logins_locked"] == 1


async def test_who_leaves_while_its_proof_is_awaited_has_failed() -> None:
    checker = Checker(ADMITTED, "lisa")
    checker.may = asyncio.Event()
    court = Court(checkers={"scram": checker})
    judged = asyncio.ensure_future(court.judge.judge(login("scram")))
    await checker.asked.wait()
    judged.cancel()
    with pytest.raises(asyncio.CancelledError):
        await judged
    assert court.failures == 1
    assert court.lockout.failures_left("lisa", "192.0.2.1") == 2
    assert len(court.judge.turnstile) == 0


async def test_tokens_that_nobody_checks_are_login_data_like_any() -> None:
    member = Member(lambda _: ADMITTED, "handler")
    court = Court(member)
    assert await court.judge.judge(login(token="vst_abc")) == ADMITTED
    assert member.asked[0].given["token"] == "vst_abc"


@pytest.mark.parametrize(
    "change",
    [
        lambda users: users.pop("lisa"),
        lambda users: users.update(lisa=replace(LISA, disabled=True)),
        lambda users: users.update(lisa=replace(LISA, user_id="9")),
    ],
    ids=["deleted", "disabled", "made anew"],
)
async def test_who_was_deleted_disabled_or_made_anew_meanwhile_is_refused(
    change: Callable[[dict[str, User]], object],
) -> None:
    found = Admission("lisa", "directory", user_id="1")
    court = Court(checkers={"key": Checker(found, "lisa")})

    def changing(attempt: Attempt) -> Answer:
        change(court.directory.users)
        return attempt.proven

    court.judge = replace(court.judge, chain=Chain([Member(changing)]))
    code = await court.turn(login("key", username="lisa"))
    assert (code, court.failures) == (ErrorCode.INVALID_AUTH_DATA, 0)


async def test_a_user_that_is_locked_out_is_so_whoever_lets_it_in() -> None:
    court = Court(Member(lambda _: Admission("bob", "handler"), "handler"))
    for _ in range(3):
        court.lockout.failed("bob", "192.0.2.1")
    assert await court.turn(login()) is ErrorCode.INVALID_AUTH_DATA


async def test_an_anonymous_admission_stands_as_long_as_the_policy_allows_it() -> None:
    court = Court(Member(lambda _: Admission("", "directory", ANONYMOUS)))
    assert await court.turn(login()) is ErrorCode.INVALID_AUTH_DATA


async def test_a_user_has_so_many_sessions_but_for_the_one_that_is_replaced() -> None:
    court = Court(Member(lambda _: ADMITTED), sessions_per_user=1)
    lisa, _ = session(policy(), "lisa", groups=None)
    court.sessions.add(lisa)
    assert await court.turn(login()) is ErrorCode.LIMIT_EXCEEDED
    assert court.failures == 0
    assert isinstance(
        await court.judge.judge(replace(login(), reauthentication=lisa)), Admission
    )
    bob, _ = session(policy(), "bob", 2, groups=None)
    anew = replace(login(), reauthentication=bob)
    assert await court.turn(anew) is ErrorCode.LIMIT_EXCEEDED
    replacing = replace(ADMITTED, replaces=lisa.id)
    court.judge = replace(court.judge, chain=Chain([Member(lambda _: replacing)]))
    assert await court.judge.judge(login()) == replacing


class Porter:
    """An entry that refuses early, late, or not at all."""

    def __init__(self, early: Refusal | None = None, late: Answer = None) -> None:
        self._early = early
        self._late = late
        self.meanwhile: Callable[[], object] = lambda: None

    def early(self, attempt: Attempt) -> Refusal | None:
        return self._early

    async def enter(
        self, attempt: Attempt, admission: Admission
    ) -> Admission | Refusal:
        self.meanwhile()
        return self._late or replace(admission, family="family")


async def test_the_entry_is_asked_before_all_and_after_all() -> None:
    local = Refusal(ErrorCode.ADMIN_LOCAL_ONLY, "here only", evaluated=False)
    member = Member(lambda _: ADMITTED)
    court = Court(member, entry=Porter(early=local))
    assert await court.turn(login()) is ErrorCode.ADMIN_LOCAL_ONLY
    assert (member.asked, court.failures) == ([], 0)
    court = Court(member, entry=Porter(late=Refusal(evaluated=False)))
    assert await court.turn(login()) is ErrorCode.INVALID_AUTH_DATA
    court = Court(member, entry=Porter())
    answer = await court.judge.judge(login())
    assert isinstance(answer, Admission)
    assert answer.family == "family"


async def test_what_happens_while_the_entry_takes_its_time_counts() -> None:
    porter = Porter()
    court = Court(Member(lambda _: ADMITTED), entry=porter)
    porter.meanwhile = lambda: court.directory.users.pop("lisa")
    assert await court.turn(login()) is ErrorCode.INVALID_AUTH_DATA


async def test_the_audit_log_is_told_more_than_the_client() -> None:
    court = Court(Member(lambda _: Refusal(told="not on a Sunday")))
    told: list[dict[str, Any]] = []
    court.audit.keep_in(Keeps(told))
    turned = await court.judge.judge(login())
    assert isinstance(turned, Turned)
    assert turned.reason == "invalid credentials"
    assert told[0]["reason"] == "not on a Sunday"


class Keeps:
    """Keeps audit lines in a list."""

    failed = refuses = False

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self.lines = lines

    def put(self, kind: str, fields: Any, /) -> None:
        self.lines.append(dict(fields))

    async def settled(self) -> None:
        pass

    async def room(self) -> None:
        pass


def guess(number: int, address: str, name: str = "lisa") -> Attempt:
    """Give a plain login with a wrong password, or with none that is looked at."""
    connection = ConnectionData(address, Headers(), f"{number:032x}")
    auth_data = {"username": name, "password": str(number)}
    attempt = read_attempt(connection, "plain", {"auth_data": auth_data})
    assert isinstance(attempt, Attempt)
    return attempt


async def evaluated(court: Court, guesses: list[Attempt]) -> int:
    """Judge guesses, spread evenly over 900 seconds, and count what is evaluated."""
    before = court.counters["logins_evaluated"]
    for attempt in guesses:
        assert isinstance(await court.judge.judge(attempt), Turned)
        court.clock.advance(900 / len(guesses))
    return court.counters["logins_evaluated"] - before


async def test_l1_guesses_are_bounded_and_keep_nobody_out_elsewhere() -> None:
    def directory(attempt: Attempt) -> Answer:
        right = attempt.auth_data.get("password") == "sesame"
        return attempt.proven or (ADMITTED if right else Refusal())

    found = Admission("lisa", "directory", user_id="1")
    court = Court(
        Member(directory),
        attempts=4,
        checkers={"key": Checker(found, "lisa"), "ticket": Checker(found)},
    )
    lisa, link = session(policy(), "lisa", groups=None)
    court.sessions.add(lisa)

    async def lisa_at_home() -> None:
        home = ConnectionData("198.51.100.7", Headers(), "ff" * 16)
        right = {"username": "lisa", "password": "sesame"}
        for scheme, fields in (
            ("plain", {"auth_data": right}),
            ("key", {"username": "lisa"}),
            ("ticket", {}),
        ):
            attempt = read_attempt(home, scheme, fields)
            assert isinstance(attempt, Attempt)
            assert isinstance(await court.judge.judge(attempt), Admission)

    one = [guess(number, "192.0.2.1") for number in range(10_000)]
    assert await evaluated(court, one) <= 8
    await lisa_at_home()
    court.clock.advance(10_000)
    many = [guess(number, f"203.0.113.{number % 100}") for number in range(10_000)]
    assert await evaluated(court, many) <= 800
    await lisa_at_home()
    court.clock.advance(10_000)
    names = [guess(number, "192.0.2.1", f"user{number}") for number in range(3_333)]
    assert await evaluated(court, names[:1_111]) <= 30 * 4
    before = court.counters["logins_evaluated"]
    court.clock.advance(10_000)
    for attempt in names[1_111:]:
        await court.judge.judge(attempt)
    assert court.counters["logins_evaluated"] - before == 30
    await lisa_at_home()
    assert not lisa.ended
    assert link.ended is None
