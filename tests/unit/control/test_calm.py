"""Canaries that others wake again and again are looked at some times at once, and then at a calm pace."""

from datetime import UTC, datetime, timedelta
from random import Random

from trimtab.control.calm import BURST, REFILL, Calm
from trimtab.control.queue import Queue
from trimtab.model.names import CanaryKey
from trimtab.testing.world import START

KEY = CanaryKey("test", "app")
MINUTE, TICK = timedelta(minutes=1), timedelta(milliseconds=20)


def looks(calm: Calm, begin: datetime, length: timedelta = MINUTE) -> int:
    """How many looks there are at a key that somebody wakes every 20 ms."""
    now, due = begin, set[datetime]()
    while now < begin + length:
        due.add(calm.moment(KEY, now))
        now += TICK
    return len(due)


def test_the_first_looks_are_at_once_and_a_fight_of_a_minute_is_no_more_than_fifty() -> None:
    calm = Calm()
    assert all(calm.moment(KEY, START + TICK * number) == START + TICK * number for number in range(BURST))
    assert looks(calm, START + TICK * BURST) <= MINUTE / REFILL + 1


def test_a_new_record_and_quiet_give_all_looks_back() -> None:
    for calms_down in (lambda calm: calm.recorded(KEY, 7), lambda calm: None):
        calm = Calm()
        calm.recorded(KEY, 6)
        looks(calm, START)
        calm.recorded(KEY, 6)
        later = START + MINUTE + 2 * BURST * REFILL
        assert any(calm.moment(KEY, moment) > moment for moment in (START + MINUTE, START + MINUTE + TICK))
        calms_down(calm)
        assert all(calm.moment(KEY, later) == later for _ in range(BURST))


def test_a_clock_that_is_set_back_keeps_nobody_waiting() -> None:
    calm, before = Calm(), START - timedelta(hours=1)
    looks(calm, START)
    assert calm.moment(KEY, before) <= before + REFILL


def test_a_key_that_is_woken_for_later_while_it_is_worked_on_is_not_looked_at_before() -> None:
    queue, now = Queue(Random(1)), datetime(2026, 1, 2, tzinfo=UTC)
    queue.add(KEY, now)
    assert queue.take(now) == KEY
    queue.add(KEY, now + REFILL)
    queue.done(KEY, None)
    assert queue.next() == now + REFILL
