import pytest
from aape_lightning.prompts.generation import Backoff


def waits(backoff, attempt, retry_after=None):
    return [backoff.wait(attempt, retry_after) for _ in range(400)]


@pytest.mark.parametrize(("attempt", "longest"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (5, 5.0)])
def test_waits_double_up_to_the_longest_and_differ(attempt, longest):
    drawn = waits(Backoff(attempts=6, first=1.0, longest=5.0), attempt)
    assert longest / 2 <= min(drawn) < 0.6 * longest
    assert 0.9 * longest < max(drawn) <= longest


def test_after_the_last_attempt_there_is_no_wait():
    backoff = Backoff(attempts=3)
    assert backoff.wait(2) is not None
    assert backoff.wait(3) is None
    assert backoff.wait(3, retry_after=1.0) is None


def test_a_server_is_not_asked_sooner_than_it_wants_nor_by_all_at_once():
    drawn = waits(Backoff(first=1.0), 1, retry_after=20.0)
    assert min(drawn) >= 20.0
    assert 20.5 < max(drawn) <= 21.0
    assert len(set(drawn)) > 300


def test_patience_has_an_end():
    backoff = Backoff(patience=60.0)
    assert backoff.wait(1, retry_after=60.0) is not None
    assert backoff.wait(1, retry_after=61.0) is None
