"""The room of strangers: bounds, and who makes place."""

from vestibule.server.room import Room
from vestibule.server.testing.clock import ManualClock


class Stranger:
    def __init__(self, *, deciding: bool = False) -> None:
        self.deciding = deciding
        self.evicted = False

    def evict(self) -> None:
        self.evicted = True


def room(clock: ManualClock, *, most: int = 3, per_address: int = 2) -> Room:
    return Room(most=most, most_per_address=per_address, evict_after=1, clock=clock)


def test_one_address_has_only_so_many_places() -> None:
    places = room(ManualClock())
    first = Stranger()
    assert places.enter(first, "a")
    assert places.enter(Stranger(), "a")
    assert not places.enter(Stranger(), "a")
    assert places.enter(Stranger(), "b")
    places.leave(first)
    assert places.enter(Stranger(), "a")


def test_a_full_room_evicts_the_one_that_waited_longest() -> None:
    clock = ManualClock()
    places = room(clock)
    strangers = [Stranger(), Stranger(), Stranger()]
    for number, stranger in enumerate(strangers):
        assert places.enter(stranger, str(number))
        clock.advance(1)
    assert places.enter(Stranger(), "new")
    assert [stranger.evicted for stranger in strangers] == [True, False, False]
    assert len(places) == 3


def test_who_has_only_just_come_is_not_evicted() -> None:
    clock = ManualClock()
    places = room(clock)
    for number in range(3):
        assert places.enter(Stranger(), str(number))
    clock.advance(0.9)
    assert not places.enter(Stranger(), "new")


def test_whose_login_is_being_decided_is_not_evicted() -> None:
    clock = ManualClock()
    places = room(clock)
    deciding, waiting = Stranger(deciding=True), Stranger()
    assert places.enter(deciding, "0")
    assert places.enter(waiting, "1")
    assert places.enter(Stranger(deciding=True), "2")
    clock.advance(2)
    assert places.enter(Stranger(), "new")
    assert waiting.evicted
    assert not deciding.evicted


def test_an_address_behind_a_proxy_counts_once_it_is_known() -> None:
    places = room(ManualClock(), most=5)
    behind = [Stranger() for _ in range(3)]
    for stranger in behind:
        assert places.enter(stranger, None)
    assert places.identify(behind[0], "a")
    assert places.identify(behind[1], "a")
    assert not places.identify(behind[2], "a")
    for stranger in behind:
        places.leave(stranger)
    assert len(places) == 0
    assert places.enter(Stranger(), "a")
