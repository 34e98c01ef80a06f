"""What the client's builders write is what the broker's parser reads, and no more."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings, strategies as st

from vestibule.client import (
    GlobalPermission,
    PathPermission,
    Role,
    SecurityConfiguration,
    SecurityScriptBuilder,
    SystemAuthenticationScriptBuilder,
)
from vestibule.server.directory.script import View, parse


NASTY = st.text(alphabet="ab'\"\\;[],\n\r\t /*{}$\0\x7f\u2028é_", max_size=8)
TEXT = st.one_of(
    NASTY,
    st.text(max_size=12),
    st.sampled_from(["R", "it's", 'say "x"', "a\\b", "p ; q", "x' permissions ['y"]),
)
TEXTS = st.one_of(st.lists(TEXT, max_size=3), st.frozensets(TEXT, max_size=3))
ASSIGNABLE_GLOBAL = [p for p in GlobalPermission if not p.startswith("UNKNOWN_")]
ASSIGNABLE_PATH = [p for p in PathPermission if not p.startswith("UNKNOWN_")]
GLOBALS = st.one_of(st.lists(st.sampled_from(ASSIGNABLE_GLOBAL)), TEXTS)
PATHS = st.one_of(st.frozensets(st.sampled_from(ASSIGNABLE_PATH)), TEXTS)
LOCKING = st.one_of(st.none(), TEXT)

Security, Authentication = SecurityScriptBuilder, SystemAuthenticationScriptBuilder
ARGUMENTS: dict[Callable[..., Any], tuple[st.SearchStrategy[Any], ...]] = {
    Security.set_global_permissions: (TEXT, GLOBALS),
    Security.set_default_path_permissions: (TEXT, PATHS),
    Security.set_path_permissions: (TEXT, TEXT, PATHS),
    Security.remove_path_permissions: (TEXT, TEXT),
    Security.set_role_includes: (TEXT, TEXTS),
    Security.set_roles_for_anonymous_sessions: (TEXTS,),
    Security.set_roles_for_named_sessions: (TEXTS,),
    Security.isolate_path: (TEXT,),
    Security.deisolate_path: (TEXT,),
    Security.set_role_locked_by_principal: (TEXT, TEXT),
    Security.unlock_role: (TEXT,),
    Authentication.add_principal: (TEXT, TEXT, TEXTS, LOCKING),
    Authentication.set_password: (TEXT, TEXT),
    Authentication.verify_password: (TEXT, TEXT),
    Authentication.remove_principal: (TEXT,),
    Authentication.assign_roles: (TEXT, TEXTS),
    Authentication.unlock_principal: (TEXT,),
    Authentication.allow_anonymous_connections: (TEXTS,),
    Authentication.deny_anonymous_connections: (),
    Authentication.abstain_anonymous_connections: (),
    Authentication.trust_client_proposed_property_in: (TEXT, TEXTS),
    Authentication.trust_client_proposed_property_matches: (TEXT, TEXT),
    Authentication.ignore_client_proposed_property: (TEXT,),
}


def kind_of(method: Callable[..., Any]) -> tuple[type[Any], View]:
    if method.__qualname__.startswith(Security.__name__):
        return Security, View.SECURITY
    return Authentication, View.AUTHENTICATION


def test_every_method_of_the_builders_is_tried() -> None:
    methods = {
        getattr(kind, name)
        for kind in (Security, Authentication)
        for name in vars(kind)
        if not name.startswith("_")
    }
    assert methods == set(ARGUMENTS)


@settings(max_examples=250)
@given(st.data())
def test_s33_nothing_that_is_passed_becomes_a_second_command(
    data: st.DataObject,
) -> None:
    method = data.draw(st.sampled_from(list(ARGUMENTS)))
    arguments = [data.draw(argument) for argument in ARGUMENTS[method]]
    kind, view = kind_of(method)
    builder = kind()
    try:
        method(builder, *arguments)
    except ValueError:
        assert builder.build() == ""
        return
    parsed = parse(builder.build(), view)
    assert parsed.reports == ()
    ((line, _),) = parsed.commands
    assert line == 1


def test_each_method_can_be_read_where_its_arguments_are_plain() -> None:
    security = (
        Security()
        .set_global_permissions("A", ASSIGNABLE_GLOBAL)
        .set_default_path_permissions("A", ASSIGNABLE_PATH)
        .set_path_permissions("it's", "/a/b/", [])
        .remove_path_permissions("A", "a")
        .set_role_includes("A", {"B", "C"})
        .set_roles_for_anonymous_sessions([])
        .set_roles_for_named_sessions(["N"])
        .isolate_path("x")
        .deisolate_path("x")
        .set_role_locked_by_principal("A", "lou")
        .unlock_role("A")
    )
    authentication = (
        Authentication()
        .add_principal("p", "';\\ \"[", ["A"], "p")
        .set_password("p", "x")
        .verify_password("p", "x")
        .remove_principal("p")
        .assign_roles("p", ())
        .unlock_principal("p")
        .allow_anonymous_connections()
        .deny_anonymous_connections()
        .abstain_anonymous_connections()
        .trust_client_proposed_property_in("K", ["a", "it's; [b]"])
        .trust_client_proposed_property_matches("K", r"^\d+\\('|\")$")
        .ignore_client_proposed_property("K")
    )
    for view, builder in (
        (View.SECURITY, security),
        (View.AUTHENTICATION, authentication),
    ):
        script = builder.build()
        parsed = parse(script, view)
        assert parsed.reports == ()
        assert len(parsed.commands) == len(script.splitlines())
    assert len(security.build().splitlines()) + len(
        authentication.build().splitlines()
    ) == len(ARGUMENTS)


def test_what_a_builder_shows_is_what_may_be_kept() -> None:
    builder = Authentication().add_principal("p", "sesame", ["A"], "lou")
    shown = parse(builder.build(), View.AUTHENTICATION).redacted
    assert shown in repr(builder).replace("\\'", "'")
    assert "sesame" not in shown


NAMES = st.sampled_from(["A", "B", "it's", "D E"])
ROLES = st.builds(
    Role,
    NAMES,
    st.frozensets(st.sampled_from(ASSIGNABLE_GLOBAL)),
    st.frozensets(st.sampled_from(ASSIGNABLE_PATH)),
    st.dictionaries(
        st.sampled_from(["x", "a/b", "it's"]),
        st.frozensets(st.sampled_from(ASSIGNABLE_PATH), max_size=2),
    ),
    st.just(frozenset()),
    st.one_of(st.none(), st.just("lou")),
)


@settings(max_examples=30)
@given(st.lists(ROLES, unique_by=lambda role: role.name), st.frozensets(NAMES))
def test_s93_the_script_of_a_view_can_be_read(
    roles: list[Role], names: frozenset[str]
) -> None:
    view = SecurityConfiguration(1, tuple(roles), names, names, frozenset({"q", "a/b"}))
    script = view.to_script()
    parsed = parse(script, View.SECURITY)
    assert parsed.reports == ()
    assert len(parsed.commands) == len(script.splitlines())
