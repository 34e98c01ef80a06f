"""Attaching concerns the calling session, as often as it likes, while it lives."""

from standing import policy, session
from vestibule.server.attachments import Attachments, Family
from vestibule.server.components import Caller
from vestibule.server.features.security.attaching import Attaching


async def test_attaching_and_detaching_are_idempotent_and_ones_own() -> None:
    lisa, _ = session(policy(), "lisa", 1)
    bob, _ = session(policy(), "bob", 2)
    attachments = Attachments()
    attaching = Attaching(attachments, {lisa.id: lisa, bob.id: bob})
    by_lisa = Caller("lisa", lisa.id, bound=True)
    by_bob = Caller("bob", bob.id, bound=True)

    for caller in (by_lisa, by_lisa, by_bob):
        await attaching.attach_to_security_changes(caller)
    await attaching.attach_to_session_changes(by_bob)
    await attaching.detach_from_security_changes(by_bob)
    await attaching.detach_from_security_changes(by_bob)

    assert list(attachments.of(Family.DIRECTORY)) == [lisa]
    assert list(attachments.of(Family.SESSIONS)) == [bob]
    await attaching.detach_from_session_changes(by_bob)
    assert list(attachments.of(Family.SESSIONS)) == []


async def test_a_session_that_is_over_is_attached_to_nothing() -> None:
    lisa, _ = session(policy(), "lisa")
    attachments = Attachments()
    attaching = Attaching(attachments, {})
    gone = Caller("lisa", lisa.id, bound=True)
    await attaching.attach_to_security_changes(gone)
    await attaching.detach_from_session_changes(gone)
    attachments.attach(Family.DIRECTORY, lisa)
    attachments.ended(lisa)
    assert list(attachments.of(Family.DIRECTORY)) == []
    lisa.ended = True
    attachments.attach(Family.DIRECTORY, lisa)
    assert list(attachments.of(Family.DIRECTORY)) == []
