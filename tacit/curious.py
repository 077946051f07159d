"""What a run finds new in what an agent does: rewards for curiosity."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tacit import interrupt
from tacit.core import Draws, Method, Progress, Step, View
from tacit.encoder import TrainedEncoder, blank, load
from tacit.engine import checkpoint
from tacit.errors import DataError, Unreadable, UsageError
from tacit.evaluation.features import inference
from tacit.modalities.episodes import ACTIONS, OBSERVATIONS
from tacit.settings import RunConfig

Rewards = npt.NDArray[np.float32]
_CLIP = 10.0


def curiosity(run: str | Path) -> Curiosity:
    """The curiosity of an agent whose surprise is the loss of `run`: a run on episodes, as of its newest checkpoint.

    `rnd` pays for what was seldom seen, `forward-model` for what could not be told from the action, others by their
    own loss. Raises `UsageError` for runs on other data, without a checkpoint, or whose loss is of samples against
    each other, so that a step alone has none.
    """
    folder = Path(run)
    settings = folder / "config.yaml"
    if not settings.is_file():
        raise UsageError(f"{folder} holds no run: give the folder that `tacit train` has written, with its config.yaml")
    config = RunConfig.from_yaml(settings.read_text(), str(settings))
    if not config.kind.moments:
        raise UsageError(f"{folder} learnt from {config.kind.unit}: curiosity needs a run on episodes of an agent")
    newest, _ = checkpoint.newest(folder / "checkpoints")
    if newest is None:
        raise UsageError(f"{folder} has no checkpoint: its run stopped before the first one")
    trained = load(newest.path)
    learner = config.learner(config.method, trained.network.cpu(), config.kind, _blank(trained))
    if not isinstance(learner, Method) or learner.contrasts:
        raise UsageError(
            f"{config.method.name} tells samples from each other, so that a step alone has no loss: train with "
            "--method rnd or forward-model"
        )
    checkpoint.unpack(newest.state(), learner)
    return Curiosity(learner.to(trained.device), trained, config, newest.step)


class Curiosity:
    """Rewards for steps that an agent has made, and a way to get used to them; see `curiosity`."""

    def __init__(self, learner: Method, encoder: TrainedEncoder, config: RunConfig, step: int) -> None:
        self.learner, self.encoder, self.config, self.step = learner, encoder, config, step
        self._optimiser = torch.optim.Adam(
            [weight for weight in learner.parameters() if weight.requires_grad], lr=config.optimiser.lr
        )

    def __call__(self, observations: npt.ArrayLike, actions: npt.ArrayLike | None = None) -> Rewards:
        """What each step of an episode is worth, in units of the run's loss, `[T]`.

        Args:
            observations: `[T + 1, ...]`, as the episodes that the run learnt from hold them, from the episode's first
                on: `rnd` on single observations may be given any, `[2, ...]` for one step.
            actions: `[T]` or `[T, A]`, where the run knows of actions.

        Where the run looks N steps ahead (`modality.ahead`) there are N - 1 fewer, since the end is not yet known.
        Raises `DataError` for arrays that are not as those of the run.
        """
        with inference(self.learner):
            return self._paid(self._asked(self._views(observations, actions)))

    def learn(self, observations: npt.ArrayLike, actions: npt.ArrayLike | None = None, *, steps: int = 1) -> Rewards:
        """The same rewards, and then `steps` steps of Adam on these moments: what is seen again is worth less.

        In memory alone: the run's folder stays as it is.
        """
        views = self._views(observations, actions)
        with inference(self.learner):
            paid = self._paid(self._asked(views))
        self.learner.train()
        for _ in range(steps):
            interrupt.check()
            step = self._asked(views)
            torch.autograd.backward(step.loss.mean())
            torch.nn.utils.clip_grad_norm_(self.learner.parameters(), _CLIP)
            self._optimiser.step()
            self._optimiser.zero_grad()
            with torch.no_grad():
                self.learner.update(step.carry, Progress(self.step, self.step + 1))
            self.step += 1
        return paid

    def _views(self, observations: npt.ArrayLike, actions: npt.ArrayLike | None) -> list[View]:
        plain = self._moments(observations, actions)
        augment = self.config.kind.augment(self.config.modality)
        draws = Draws.of(self.config.seed, 0, torch.arange(len(plain)), 0)
        # what is worth a reward is what there is to see, not how it was spoilt
        views = [augment["next"](plain, draws) if kind == "next" else plain for kind in self.learner.views]
        return [view.to(self.encoder.device) for view in views]

    def _asked(self, views: list[View]) -> Step:
        step: Step = self.learner(views, Progress(self.step, self.step + 1))
        return step

    def _paid(self, step: Step) -> Rewards:
        paid: Tensor = step.loss if step.surprise is None else step.surprise
        return paid.detach().float().cpu().numpy()

    def _moments(self, observations: npt.ArrayLike, actions: npt.ArrayLike | None) -> View:
        kind, layout = self.config.kind, self.encoder.layout
        assert kind.pieces is not None, "moments are pieces of episodes"
        given = {OBSERVATIONS: observations} | ({} if actions is None else {ACTIONS: actions})
        held = io.BytesIO()
        try:
            np.savez(held, allow_pickle=False, **{name: np.asarray(array) for name, array in given.items()})
            rows = [row for row, _ in kind.pieces.cut(held.getvalue(), layout)]
        except (Unreadable, ValueError) as error:  # the latter of arrays of unequal rows, or of objects
            raise DataError(f"these steps are not as those that the run learnt from: {error}") from None
        view = kind.collate(torch.from_numpy(np.stack(rows)), layout)
        return replace(view, index=torch.arange(len(view)))


def _blank(trained: TrainedEncoder) -> View:
    """Two moments of the run's shapes in which different things are done, for building networks."""
    view = blank(trained.spec)
    if view.actions is None:
        return view
    first, second = view.actions
    return replace(view, actions=torch.stack([first, ~second if second.dtype == torch.bool else second + 1]))
