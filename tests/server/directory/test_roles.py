"""Where a session's groups come from, and the changes that are laid over them."""

from vestibule.protocol.actions import NEEDS, Action, Section, Topic
from vestibule.protocol.names import parse_name
from vestibule.server.directory.model import (
    AnonymousAction,
    AnonymousPolicy,
    Entry,
    Group,
    Model,
    User,
)
from vestibule.server.directory.policy import Policy
from vestibule.server.directory.roles import ANONYMOUS, BOUND, DEFAULTS, Roles
from vestibule.server.verdict import Allowed, Denied


PUBLISH = NEEDS[Topic.EVENT, Action.PUBLISH]


def policy(**rules: Entry) -> Policy:
    """Give a policy with lisa of G, with these rules of her own, and defaults."""
    lisa = User(
        username="lisa",
        user_id="1",
        groups=frozenset({"G"}),
        rules={Section.EVENTS: rules} if rules else {},
    )
    model = Model(
        users={"lisa": lisa},
        groups={"G": Group(name="G")},
        named_roles=frozenset({"N"}),
        anonymous_roles=frozenset({"A"}),
        anonymous=AnonymousPolicy(AnonymousAction.ALLOW, frozenset({"C"})),
    )
    return Policy(model, broker_name="hub", components={})


def test_each_kind_has_its_own_groups() -> None:
    made = policy()
    assert made.subject("lisa", BOUND).groups == {"N", "G"}
    assert made.subject("nobody", BOUND).groups == {"N"}
    assert made.subject("", ANONYMOUS).groups == {"A", "C"}
    assert made.subject("lisa", DEFAULTS).groups == {"N"}
    assert made.subject("", DEFAULTS).groups == {"A"}
    assert made.subject("lisa", Roles.fixed(["X"])).groups == {"X"}


def test_only_one_that_is_bound_has_what_the_user_itself_may() -> None:
    verbs = frozenset({"publish"})
    made = policy(may=Entry(allowed=verbs), never=Entry(prohibited=verbs))
    may, never = parse_name("may"), parse_name("never")
    for roles, kind in (
        (BOUND, Allowed),
        (DEFAULTS, Denied),
        (Roles.fixed([]), Denied),
    ):
        subject = made.subject("lisa", roles)
        assert isinstance(subject.decide(PUBLISH, may), kind)
        verdict = subject.decide(PUBLISH, never)
        assert isinstance(verdict, Denied)
        assert verdict.forbidden


def test_changes_lie_over_what_the_directory_gives_and_the_later_one_wins() -> None:
    made = policy()
    roles = BOUND.changed(remove=["G"], add=["X"])
    assert made.subject("lisa", roles).groups == {"N", "X"}
    again = roles.changed(remove=["X", "N"], add=["G"])
    assert made.subject("lisa", again).groups == {"G"}
    assert again.bound


def test_equal_roles_of_one_name_are_one_subject() -> None:
    made = policy()
    changed = BOUND.changed(remove=[], add=["X"])
    first = made.subject("lisa", changed)
    assert made.subject("lisa", BOUND.changed(remove=[], add=["X", "X"])) is first
    assert made.subject("lisa", BOUND) is not first
