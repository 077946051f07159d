"""Two processes that share a batch do what one does with all of it."""

import os
from pathlib import Path

import pytest
from contract_toys import GRADIENT
from safetensors.torch import load_file

from tacit.engine.crew import free_port
from tacit.methods import METHODS
from tacit.modalities import MODALITIES

SCRIPT = Path(__file__).parent / "sharing.py"
FIRST = dict(reversed(GRADIENT))
RAGGED = [("simclr", "series"), ("masked-prediction", "text"), ("causal-prediction", "interactions"), ("mae", "audio")]
WANTED = GRADIENT if os.environ.get("TACIT_EXAMPLES") == "fuzz" else [*FIRST.items(), *RAGGED]
TOLD = ["nnclr:image:local=2", "tico:image:local=2", "w-mse:image:out=2", "capi:image:places=1"]
"""With small crops, with several sub-batches, which are the same in both processes, and shared out place by place."""
PAIRS = [*(f"{method}:{name}" for method, name in WANTED), *TOLD]
SOME = ["moco:image", "swav:image", "tsdae:text", "masked-prediction:text"]
IN_PARTS = PAIRS if os.environ.get("TACIT_EXAMPLES") == "fuzz" else SOME


@pytest.fixture(scope="module")
def steps(tmp_path_factory, programs):
    """A folder with the step of each pair, by one process and by two, and by two whose weights lie in parts."""
    folder, port, other = tmp_path_factory.mktemp("steps"), free_port(), free_port()
    runs = [
        programs.start([rank, size, at, weights, folder, *pairs], folder / f"{rank}-{weights}-{size}", script=SCRIPT)
        for rank, size, at, weights, pairs in (
            (0, 1, port, "whole", PAIRS),
            *((rank, 2, port, "whole", PAIRS) for rank in (0, 1)),
            *((rank, 2, other, "parts", IN_PARTS) for rank in (0, 1)),
        )
    ]
    assert [run.wait() for run in runs] == [0] * len(runs), [run.err for run in runs]
    return folder


@pytest.mark.parametrize(
    ("pair", "weights"), [*((pair, "whole") for pair in PAIRS), *((pair, "parts") for pair in IN_PARTS)]
)
def test_two_processes_step_as_one_does(steps, pair, weights):
    """Gradients, BatchNorm's statistics, what `update` moves with what was carried, and the mean loss."""
    one, two = (load_file(steps / f"{pair}-{kind}.safetensors") for kind in ("1-whole", f"2-{weights}"))
    assert one.keys() == two.keys()
    moved = False
    for name, value in one.items():
        assert (value.double() - two[name].double()).abs().sum() <= 1e-5 * max(1, value.numel()) ** 0.5, name
        moved |= name.startswith("after.") and not value.equal(one[name.replace("after.", "before.")])
    assert moved


def test_every_method_is_among_them():
    assert {pair.split(":")[0] for pair in PAIRS} == {method for method, _ in GRADIENT}
    assert {pair.split(":")[1] for pair in PAIRS} == set(MODALITIES)
    assert set(METHODS) >= set(FIRST)
