"""All contests by name."""

from contests import knn, logistic, nt_xent
from contests.contest import Contest

CONTESTS: dict[str, Contest] = {contest.name: contest for contest in (nt_xent.CONTEST, knn.CONTEST, logistic.CONTEST)}
