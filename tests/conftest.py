"""What all tests share: one thread a worker, a cache of their own, and the real data where they are."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from programs import Programs
from programs import programs as forked

torch.set_num_threads(1)
# A busy machine is no failure (deadline), and one commit gives one answer (derandomize): `make fuzz` looks for more.
settings.register_profile("tacit", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("TACIT_EXAMPLES", "tacit"))
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each process that a test starts compiles all of tacit anew


LONGEST = (
    "proving/test_proof.py",
    "test_training.py",
    "test_pages.py",
    "methods/test_contract.py",
    "evaluation/test_bench_verdict.py",
    "test_devices.py",
    "methods/test_ranks.py",
    "engine/test_kill.py",
    "test_documents.py",
    "proving/test_starts.py",
    "proving/test_left_out.py",
    "test_bad_input.py",
)
"""Files of half a minute and more, the longest first: one that comes last has a core wait for it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    assert all(path.is_file() for path in places)
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's cache is neither read nor written."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["TACIT_CACHE"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def programs(own_cache: Path) -> Iterator[Programs]:
    """`tacit` as processes that can be sent signals."""
    with forked() as found:
        yield found


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets that `TACIT_DATA` names."""
    given = os.environ.get("TACIT_DATA")
    if not given:
        pytest.skip("TACIT_DATA is not set: no real data at hand")
    return Path(given)
