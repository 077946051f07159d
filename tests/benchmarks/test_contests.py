"""Every contest at a tiny size: its sides compute the same, and what is not the same is found."""

import numpy as np
import pytest
from contender import measure
from contests import CONTESTS
from contests.contest import DisagreementError, distance
from harness import missing

PAIRS = [(contest, other) for contest in CONTESTS.values() for other in contest.others]


@pytest.mark.parametrize(("contest", "other"), PAIRS, ids=lambda each: each.name)
def test_both_sides_are_measured_and_agree(contest, other):
    if missing(other):
        pytest.skip(f"{other.package} is not installed: pip install 'tacit[bench]'")
    results = [measure(contest, side, "tiny") for side in (contest.ours, other)]
    for figures, _ in results:
        assert len(figures["wall"]) == len(figures["cpu"]) == contest.rounds
        assert min(figures["wall"]) > 0
        assert figures["memory"] >= 0
    ours, theirs = (found for _, found in results)
    assert contest.check(ours, theirs)
    for name in set(ours) & set(theirs):
        with pytest.raises(DisagreementError):
            contest.check({**ours, name: ours[name] + 1}, theirs)


@pytest.mark.parametrize("contest", CONTESTS.values(), ids=lambda contest: contest.name)
def test_a_contest_has_both_sizes_and_one_that_is_always_installed(contest):
    for size in ("full", "tiny"):
        assert "{" not in contest.title.format(**contest.sizes[size])
    assert not all(missing(other) for other in contest.others)
    assert len({side.name for side in (contest.ours, *contest.others)}) == 1 + len(contest.others)


def test_what_is_no_number_is_not_near():
    """As a share of the largest value of the other's; NaN compares to nothing and must not pass."""
    assert distance(np.array([1.0, 4.0]), np.array([1.0, 5.0])) == pytest.approx(0.2)
    (check,) = (contest.check for contest in CONTESTS.values() if contest.name == "nt-xent")
    lost = {"loss": np.array(np.nan), "gradient": np.ones(3)}
    with pytest.raises(DisagreementError, match="loss is nan"):
        check(lost, {"loss": np.array(1.0), "gradient": np.ones(3)})
