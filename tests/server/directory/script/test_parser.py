"""Scripts read: commands, static errors with their places, and what may be kept."""

import pytest
from hypothesis import given, strategies as st

from vestibule.protocol.permissions import GlobalPermission, PathPermission
from vestibule.server.directory.errors import DirectoryError
from vestibule.server.directory.model import AnonymousAction, PropertyRule
from vestibule.server.directory.script import (
    Report,
    View,
    commands as c,
    parse,
    redacted,
    reference,
)
from vestibule.server.directory.script.commands import Command, Spot
from vestibule.server.directory.script.grammar import FORMS


S, A = View.SECURITY, View.AUTHENTICATION
G, P = GlobalPermission, PathPermission


def command(line: str, view: View) -> Command:
    parsed = parse(line, view)
    assert parsed.reports == ()
    ((number, found),) = parsed.commands
    assert number == 1
    return found


def faults(script: str, view: View = S, **options: int) -> list[tuple[int, int]]:
    reports = parse(script, view, **options).reports
    return [(report.line, report.column) for report in reports]


def message(script: str, view: View = S) -> str:
    (report,) = parse(script, view).reports
    return report.message


@pytest.mark.parametrize(
    ("view", "line", "expected"),
    [
        (
            S,
            "set 'R' permissions [VIEW_SESSION, modify_session VIEW_SESSION]",
            c.SetGlobal(Spot("R", 5), frozenset({G.VIEW_SESSION, G.MODIFY_SESSION})),
        ),
        (S, "set 'R' permissions", c.SetGlobal(Spot("R", 5), frozenset())),
        (
            S,
            "set 'R' default topic permissions [READ_TOPIC]",
            c.SetDefault(Spot("R", 5), frozenset({P.READ_TOPIC})),
        ),
        (
            S,
            "set 'R' path '/a/b/' permissions []",
            c.SetPath(Spot("R", 5), Spot("a/b", 14), frozenset()),
        ),
        (
            S,
            "remove 'R' permissions for path 'a'",
            c.RemoveAssignment(Spot("R", 8), Spot("a", 33)),
        ),
        (
            S,
            "set 'R' includes ['X','Y' 'X']",
            c.SetIncludes(Spot("R", 5), (Spot("X", 19), Spot("Y", 23))),
        ),
        (
            S,
            "set roles for named sessions ['X']",
            c.SetSessionRoles(named=True, roles=(Spot("X", 31),)),
        ),
        (
            S,
            "set roles for anonymous sessions",
            c.SetSessionRoles(named=False, roles=()),
        ),
        (
            S,
            "set role 'R' locked by principal 'p'",
            c.LockRole(Spot("R", 10), Spot("p", 34)),
        ),
        (S, "unlock role 'R'", c.UnlockRole(Spot("R", 13))),
        (S, "isolate path 'a'", c.IsolatePath(Spot("a", 14), isolated=True)),
        (S, "deisolate topic 'a'", c.IsolatePath(Spot("a", 17), isolated=False)),
        (
            A,
            "add principal 'p' 'pw'",
            c.AddPrincipal(Spot("p", 15), "pw", (), None),
        ),
        (
            A,
            "add principal 'p' 'pw' ['R'] locked by 'L'",
            c.AddPrincipal(Spot("p", 15), "pw", (Spot("R", 25),), Spot("L", 40)),
        ),
        (
            A,
            "add principal 'p' 'pw' locked by 'L'",
            c.AddPrincipal(Spot("p", 15), "pw", (), Spot("L", 34)),
        ),
        (A, "set password 'p' 'pw'", c.SetPassword(Spot("p", 14), "pw")),
        (A, "verify password 'p' 'pw'", c.VerifyPassword(Spot("p", 17), "pw")),
        (A, "remove principal 'p'", c.RemovePrincipal(Spot("p", 18))),
        (A, "assign roles 'p' []", c.AssignRoles(Spot("p", 14), ())),
        (A, "unlock principal 'p'", c.UnlockPrincipal(Spot("p", 18))),
        (
            A,
            "allow anonymous connections ['C']",
            c.SetAnonymousPolicy(AnonymousAction.ALLOW, (Spot("C", 30),)),
        ),
        (
            A,
            "allow anonymous connections",
            c.SetAnonymousPolicy(AnonymousAction.ALLOW, ()),
        ),
        (
            A,
            "deny anonymous connections",
            c.SetAnonymousPolicy(AnonymousAction.DENY, ()),
        ),
        (
            A,
            "abstain anonymous connections",
            c.SetAnonymousPolicy(AnonymousAction.ABSTAIN, ()),
        ),
        (
            A,
            "trust client proposed property 'K' if value in ['a' '']",
            c.TrustProperty("K", PropertyRule(values=frozenset({"a", ""}))),
        ),
        (
            A,
            r"trust client proposed property 'K' if value matches 'x\\d+'",
            c.TrustProperty("K", PropertyRule(pattern=r"x\d+")),
        ),
        (A, "ignore client proposed property 'K'", c.IgnoreProperty("K")),
    ],
)
def test_every_form(view: View, line: str, expected: Command) -> None:
    assert command(line, view) == expected


def test_s28_every_line_with_an_error_is_told() -> None:
    assert faults("isolate path\n\nfrobnicate 'A'") == [(1, 13), (3, 1)]


def test_s31_s32_columns_case_and_line_ends() -> None:
    script = 'SET "A" Permissions [view_session, MODIFY_SESSION] ; both\r\n'
    assert faults(script) == []
    assert faults("set 'A' path 'x' permissions [VIEW_SESSION]") == [(1, 31)]
    assert faults("; one\r\n\tset 'A' permissions [X]") == [(2, 23)]


@pytest.mark.parametrize(
    ("view", "line", "column"),
    [
        (S, "set", 4),
        (S, "set ", 4),
        (S, "set 'A'", 8),
        (S, "set 'A' ; x", 8),
        (S, "set A permissions", 5),
        (S, "set 'A' permission []", 9),
        (S, "set 'A' permissions [] []", 24),
        (S, "set 'A' permissions [,VIEW_SESSION]", 22),
        (S, "set 'A' permissions [VIEW_SESSION,]", 35),
        (S, "set 'A' permissions [VIEW_SESSION,,VIEW_SERVER]", 35),
        (S, "set 'A' permissions [VIEW_SESSION", 34),
        (S, "set 'A' permissions VIEW_SESSION", 21),
        (S, "set 'A' permissions ['VIEW_SESSION']", 22),
        (S, "set 'A' permissions [READ_TOPIC]", 22),
        (S, "set 'A' permissions [UNKNOWN_GLOBAL_PERMISSION]", 22),
        (S, "set 'A' path 'x' permissions [UNKNOWN_PATH_PERMISSION]", 31),
        (S, "set 'A' includes [B]", 19),
        (S, "set 'A' includes ['B' 'a/b']", 23),
        (S, "set 'a/b' permissions", 5),
        (S, "set '' permissions", 5),
        (S, "set ' a' permissions", 5),
        (S, "set 'a*' permissions", 5),
        (S, "set role 'A' locked by 'p'", 24),
        (S, "set role 'A' locked by principal 'a:b'", 34),
        (S, "set roles for all sessions []", 15),
        (S, "isolate 'x'", 9),
        (S, "isolate path ''", 14),
        (S, "isolate path '/'", 14),
        (S, "isolate path 'a/*'", 14),
        (S, "isolate path 'a/{b}'", 14),
        (S, "isolate path 'a//b'", 14),
        (S, "isolate path 'a/../b'", 14),
        (S, "add principal 'p' 'pw'", 1),
        (S, "unlock principal 'p'", 8),
        (S, "set password 'p' 'pw'", 5),
        (S, "remove principal 'p'", 8),
        (A, "set 'A' permissions []", 5),
        (A, "set role 'A' locked by principal 'p'", 5),
        (A, "unlock role 'A'", 8),
        (A, "isolate path 'x'", 1),
        (A, "add principal 'p'", 18),
        (A, "add principal 'p' ''", 19),
        (A, "add principal 'p:q' 'pw'", 15),
        (A, "add principal 'p' 'pw' locked 'L'", 31),
        (A, "add principal 'p' 'pw' locked by", 33),
        (A, "add principal 'p' 'pw' ['R'] ['S']", 30),
        (A, "add principal 'p' pw", 19),
        (A, "assign roles 'p'", 17),
        (A, "deny anonymous connections []", 28),
        (A, "deny anonymous", 15),
        (A, "trust client proposed property '$K' if value in []", 32),
        (A, "trust client proposed property 'K' if value is 'x'", 45),
        (A, "trust client proposed property 'K' if value in 'x'", 48),
        (A, "trust client proposed property 'K' if value matches '('", 53),
        (A, "set password 'p' 'pw", 18),
    ],
)
def test_the_offending_token_or_where_one_is_missing(
    view: View, line: str, column: int
) -> None:
    assert faults(line, view) == [(1, column)]


def test_names_and_passwords_have_their_longest() -> None:
    assert faults(f"unlock role '{'a' * 128}'") == []
    assert faults(f"unlock role '{'a' * 129}'") == [(1, 13)]
    assert faults(f"set password 'p' '{'é' * 512}'", A) == []
    assert faults(f"set password 'p' '{'é' * 513}'", A) == [(1, 18)]


def test_a_shortest_password_counts_where_one_is_set() -> None:
    lines = "add principal 'p' 'x'\nset password 'p' 'x'\nverify password 'p' 'x'"
    assert faults(lines, A, min_password=2) == [(1, 19), (2, 18)]
    assert faults(lines, A, min_password=0) == []


def test_messages_name_what_is_at_fault() -> None:
    assert message("set 'A' permissions [NONSENSE]") == (
        "NONSENSE is no global permission"
    )
    assert "other sort" in message("set 'A' permissions [READ_TOPIC]")
    for line in ("add principal 'p' 'pw'", "unlock principal 'p'"):
        assert message(line) == "this is a command of the authentication store"
    assert message("isolate path 'x'", A) == "this is a command of the security store"
    assert "a path in quotes is missing" in message("isolate path")


@pytest.mark.parametrize(
    "line",
    [
        "set password 'p' geheim",
        "set password 'p' 'geheim' 'geheim'",
        "set password geheim",
        "set password 'p' 'geheim",
        r"set password 'p' 'geheim\x'",
        "set pasword 'p' 'geheim'",
        "add principal 'p' 'geheim' x",
        "add principal 'p' 'geheim' ['a/b']",
        "geheim",
        "'geheim'",
        "verify password 'p' 'geheim' 'x'",
        "set password 'geheim",
        "add principal 'geheim\x01'",
    ],
)
def test_no_message_and_nothing_kept_has_a_password(line: str) -> None:
    for view in View:
        parsed = parse(line, view)
        assert parsed.reports
        assert "geheim" not in str(parsed.reports)
        assert "geheim" not in parsed.redacted
        assert "geheim" not in repr(parsed)


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("add principal 'p' 'x' ['A'] ; y", "add principal 'p' '***' ['A'] ; y"),
        ("set\tpassword 'p'  \"x\"", "set\tpassword 'p'  '***'"),
        ("verify password 'p' 'p'", "verify password 'p' '***'"),
        ("assign roles 'p' ['A'];z", "assign roles 'p' ['A'];z"),
        ("; set password 'p' 'x'", "; set password '***'"),
        ("set password 'p'", "set password '***'"),
        ("set password", "set password"),
        ("isolate path 'x'", "'***'"),
        ("", ""),
    ],
)
def test_what_is_kept_of_a_line(line: str, kept: str) -> None:
    assert redacted(line, A).replace("isolate path ", "") == kept


def test_nothing_is_kept_of_what_is_too_large() -> None:
    assert redacted("frobnicate\n" * 10_001, S) == ""


def test_limits_count_commands_not_lines() -> None:
    assert len(parse("; x\n\n" * 8_000 + "isolate path 'x'", S).commands) == 1
    with pytest.raises(DirectoryError) as refusal:
        parse("isolate path 'x'\n" * 10_001, S)
    assert refusal.value.details == {"limit": 10_000}
    assert len(parse("isolate path 'x'\n" * 10_000, S).commands) == 10_000
    with pytest.raises(DirectoryError) as refusal:
        parse("verify PASSWORD 'p' 'x'\n" * 201, A)
    assert refusal.value.details == {"limit": 200}


def test_commands_with_a_password_show_none() -> None:
    script = "add principal 'p' 'geheim'\nset password 'p' 'geheim'"
    assert "geheim" not in repr(parse(script, A))
    assert parse(script, A).has_passwords
    assert not parse("assign roles 'p' []", A).has_passwords


def test_the_reference_has_every_form_and_each_can_be_read() -> None:
    rows = list(reference())
    assert len(rows) == sum(map(len, FORMS.values())) == 23
    shown = {row.form for row in rows}
    assert "set 'role' path 'path' permissions [[PATH_PERMISSION …]]" in shown
    assert (
        "add principal 'principal' 'password' [['role' …]] "
        "[locked by 'locking principal']"
    ) in shown
    assert all(row.effect.endswith(".") for row in rows)
    assert [row.view for row in rows] == [S] * 11 + [A] * 12


WORDS = """set add remove assign verify trust allow deny abstain isolate deisolate
    unlock password principal role roles permissions includes path topic default for
    named anonymous sessions connections locked by client proposed property if value in
    matches ignore [ ] , ; 'A' 'a/b' "p" '$' 'x READ_TOPIC VIEW_SESSION"""
PIECES = st.sampled_from([*WORDS.split(), "\n", "\r\n"])


@given(st.lists(st.one_of(PIECES, st.text(max_size=3))), st.sampled_from(View))
def test_whatever_is_read_gives_reports_and_never_raises(
    pieces: list[str], view: View
) -> None:
    script = " ".join(pieces)
    parsed = parse(script, view)
    lines = script.split("\n")
    numbers = [report.line for report in parsed.reports]
    assert numbers == sorted(set(numbers))
    for report in parsed.reports:
        assert isinstance(report, Report)
        assert 1 <= report.column <= len(lines[report.line - 1]) + 1
        assert report.message
    kept = parsed.redacted.split("\n")
    assert len(kept) == len(lines)
    assert not {number for number, _ in parsed.commands} & set(numbers)
