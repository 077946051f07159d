"""How fast tacit is beside others that compute the same: `make bench`.

    python benchmarks/speed.py --write         all contests, into benchmarks/results.json and docs/performance.md
    python benchmarks/speed.py nt-xent         one of them, only shown

Others are the packages of the extra `bench`; one that is not installed is left out and named. A duel that was measured
anew takes the place of the older one in `results.json`; the table is made from what stands there.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from contests import CONTESTS
from contests.contest import DisagreementError
from harness import CLOCKS, duel, missing
from tables import ROOT, markdown, put

HEADER = ["", "wall, s", "CPU, s", "memory, MB", "times the wall", "times the CPU", "times the memory"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("contests", nargs="*", default=list(CONTESTS), help=f"some of {', '.join(CONTESTS)}")
    arguments.add_argument("--against", nargs="*", help="only beside these, by their names")
    arguments.add_argument("--size", choices=("full", "tiny"), default="full")
    arguments.add_argument("--threads", type=int, help="of each side; one, where a contest has no number of its own")
    arguments.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results.json")
    arguments.add_argument("--write", action="store_true", help="keep the results, and put their table into the docs")
    given = arguments.parse_args()
    if strange := set(given.contests) - set(CONTESTS):
        arguments.error(f"no contest is called {', '.join(sorted(strange))}; there are {', '.join(CONTESTS)}")
    found = []
    for name in given.contests:
        found += (results := contest(name, given))
        if given.write:  # each as soon as it is there: all of them take long
            keep(results, given.results)
    print(table(found))


def keep(found: list[dict[str, Any]], results: Path) -> None:
    """Put what was found into `results`, and the table of all that stands there into the docs."""
    kept = merged(json.loads(results.read_text()) if results.is_file() else [], found)
    results.write_text(json.dumps(kept, indent=1) + "\n")
    put("speed", table(kept), ROOT / "docs" / "performance.md")


def contest(name: str, given: argparse.Namespace) -> list[dict[str, Any]]:
    """The duels of one contest as they stand in `results.json`."""
    found = []
    for other in CONTESTS[name].others:
        if given.against is not None and other.name not in given.against:
            continue
        if missing(other):
            print(f"{name}: {other.name} is left out; pip install 'tacit[bench]' brings it", flush=True)
            continue
        print(f"{name}: tacit and {other.name}, load average {os.getloadavg()[0]:.2f}", flush=True)
        try:
            result = duel(CONTESTS[name], other, given.size, given.threads or CONTESTS[name].threads)
        except DisagreementError as error:
            print(f"  they do not agree, so that their times say nothing: {error}", flush=True)
            continue
        print(f"  they agree: {result.agreement}; load average {result.load[1]:.2f}", flush=True)
        for clock in CLOCKS:
            if result.ratio(clock) is None:
                print(f"  no ratio of {clock} seconds: two runs of one side are more than a quarter apart", flush=True)
        found.append(result.as_json())
    return found


def merged(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One result a duel, the newer ones in the place of the older; in the order of `CONTESTS`."""
    kept = {(result["contest"], result["sides"][1]["name"].rsplit(" ", 1)[0]): result for result in (*before, *after)}
    return sorted(kept.values(), key=lambda result: list(CONTESTS).index(result["contest"]))


def table(results: list[dict[str, Any]]) -> str:
    """A row a duel and side; seconds are the least, in brackets the median."""
    rows = []
    for result in results:
        for at, side in enumerate(result["sides"]):
            seconds = [f"{side[clock]['min']:.3g} ({side[clock]['median']:.3g})" for clock in CLOCKS]
            ratios = [result["ratios"][name] if at else None for name in (*CLOCKS, "memory")]
            title = f"{result['title']}: {side['name']}" if not at else side["name"]
            memory = "" if side["memory"] is None else f"{side['memory']:,.0f}"
            rows.append([title, *seconds, memory, *("" if one is None else f"{one:.2g}" for one in ratios)])
    return markdown(HEADER, rows)


if __name__ == "__main__":
    main()
