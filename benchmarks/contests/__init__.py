"""All contests by name."""

from contests import knn, logistic, nt_xent, penalties
from contests.contest import Contest

CONTESTS: dict[str, Contest] = {
    contest.name: contest for contest in (nt_xent.CONTEST, knn.CONTEST, logistic.CONTEST, penalties.CONTEST)
}
"""In the order of the table."""
