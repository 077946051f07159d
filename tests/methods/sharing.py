"""One step of every method, in one process or in several that share the batch: what `test_ranks` starts.

python sharing.py RANK SIZE PORT WEIGHTS FOLDER METHOD:MODALITY[:OPTION=NUMBER] ...

WEIGHTS is `whole` or `parts`.

All is computed in double precision, so that what differs is no rounding.
"""

import sys
from pathlib import Path

import torch
from contract_toys import Held, make
from lightning_fabric import Fabric
from safetensors.torch import save_file
from torch import nn

from tacit.core import Draws, Progress
from tacit.engine.crew import Crew
from tacit.engine.settings import EngineConfig
from tacit.engine.shared import strategy
from tacit.engine.trainer import Trainer
from tacit.nn.bag import Bag
from tacit.nn.quantiser import GumbelCodes

DESCENT = {"name": "sgd", "lr": 1.0, "momentum": 0.0, "weight_decay": 0.0, "warmup": 0.0}
BATCH = 8


def stepped(fabric, name, learner, config, sample, *, parts):
    """What one step of gradient descent at rate 1 makes of a learner, and what it was: by the name of each tensor."""
    learner.double()
    before = {f"before.{key}": value.clone() for key, value in learner.state_dict().items()}
    settings = EngineConfig.parse({"optimiser": DESCENT, "batch": BATCH}, "the test")
    longest = sample if sample.valid is None else sample[sample.valid.sum(dim=1).argsort(descending=True)]
    augment = config.kind.augment(config.modality)
    if name != "image":
        # of one length for all, else there are other numbers to draw in each process
        augment = {**augment, "weak": augment["plain"]}
    trainer = Trainer(fabric, learner, Held(longest[:BATCH]), augment, settings, parts=parts)
    for part in learner.modules():
        if isinstance(part, (nn.Dropout, GumbelCodes, Bag)):
            part.eval()  # noise of this kind is each process's own
    loss = trainer.step(Progress(0, 10)).record()["loss"]
    trainer.collect()
    after = {f"after.{key}": value for key, value in learner.state_dict().items()}
    return {key: value.contiguous() for key, value in (before | after | {"loss": torch.tensor(loss)}).items()}


def made_of(method, name, *told):
    """A small learner, with an option of its method where one is told."""
    return make(method, name, **{option: int(number) for option, number in (each.split("=") for each in told)})


def main(rank, size, port, weights, folder, pairs):
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float, drawn = torch.Tensor.double, Draws.uniform
    Draws.uniform = lambda *given, **named: drawn(*given, **named).double()
    made = {pair: made_of(*pair.split(":")) for pair in pairs}  # before there are others, as in a run
    parts = weights == "parts"
    told = {"strategy": strategy(Crew(rank, size, port), "cpu", parts=parts)} if size > 1 else {}
    # parts know no "64-true"; with either no number is cast
    fabric = Fabric(accelerator="cpu", devices=size, precision="32-true" if parts else "64-true", **told)
    fabric.launch()
    for pair, (learner, config, sample) in made.items():
        found = stepped(fabric, pair.split(":")[1], learner, config, sample, parts=parts)
        if rank == 0:
            save_file(found, folder / f"{pair}-{size}-{weights}.safetensors")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]), sys.argv[4], Path(sys.argv[5]), sys.argv[6:])
