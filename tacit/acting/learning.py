"""Play, remember, learn, be judged: what `tacit play` does."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tacit import console, interrupt
from tacit.acting.dqn import DQN
from tacit.acting.replay import Replay
from tacit.acting.settings import MODALITY, PlayConfig, layout_of
from tacit.agent import AGENT, AgentSpec, TrainedAgent
from tacit.collecting.collect import Turn, play
from tacit.collecting.folders import write
from tacit.collecting.policies import greedy
from tacit.collecting.worlds import Array, World
from tacit.core import Encoder, Method
from tacit.encoder import Spec, TrainedEncoder, write_spec
from tacit.engine import checkpoint
from tacit.engine.runfolder import RunFolder
from tacit.errors import DataError, RunError, Unreadable
from tacit.evaluation.bootstrap import Interval, interval
from tacit.evaluation.features import SAMPLE
from tacit.initial.start import Start
from tacit.methods import METHODS
from tacit.modalities.episodes import REWARDS

EPISODES = "episodes"
"""Where a run keeps what was played."""
_JUDGED = 1_000_000_000
"""Number of the first episode that the agent is judged by: none that it learnt from."""
_SHOWN = 20
"""Episodes whose mean return is shown while learning goes on."""


@dataclass(frozen=True)
class Judged:
    """What an agent gets, beside chance."""

    agent: Interval | None
    """Mean return of episodes that were not learnt from, without chance; None where none were played."""
    chance: Interval | None
    """Mean return of the first episodes, in which all actions were drawn at random; None where none ended in time."""
    returns: tuple[float, ...]
    """Of each of the former."""

    def in_words(self) -> str:
        """Both in a line."""
        both = (("mean return", self.agent), ("of chance", self.chance))
        said = [f"{name} {each.value:.4g} [{each.low:.4g}, {each.high:.4g}]" for name, each in both if each is not None]
        return ", ".join(said) or "not judged"


def learn(config: PlayConfig, out: Path, *, resume: bool = False) -> tuple[TrainedAgent, Judged]:
    """Run `config` in the folder `out`: the agent, which also stands in `out/agent`, and what it gets.

    A resumed run goes on from its last checkpoint, which is written at ends of episodes. Raises `UsageError`,
    `DataError`, `RunError` with what to do, and `Interrupted` on SIGINT and SIGTERM.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with interrupt.listening(), torch.random.fork_rng(), RunFolder(out, resume=resume) as folder:
        world = config.open()
        try:
            apprentice = Apprentice(config, world, folder)
            if resume:
                apprentice.restore()
            else:
                folder.write(folder.config, config.to_yaml())
            apprentice.learn()
            return apprentice.end()
        finally:
            world.env.close()


class Apprentice:
    """Plays in a world, and learns from it. Its state is that of the network, and the episodes played so far."""

    def __init__(self, config: PlayConfig, world: World, folder: RunFolder) -> None:
        self.config, self.world, self.folder = config, world, folder
        self.layout = layout_of(config, world)
        self.replay = Replay(config.dqn.replay, self.layout)
        self.start = Start.at(config.init_from) if config.init_from else None
        self.steps = self.episodes = 0
        self.learner: DQN | None = None
        self.agent: TrainedAgent | None = None
        self._records: list[dict[str, float]] = []
        self._saved, self._written = -1, time.monotonic()
        torch.manual_seed(config.seed)

    def learn(self) -> None:
        """Play whole episodes until there are as many steps as the run is to have."""
        recent = [record["return"] for record in self.folder.read_metrics()]
        with console.progress(f"playing {self.config.env}", self.config.steps) as tick:
            while self.steps < self.config.steps:
                episode = play(self.world, self._act, seed=self.config.seed, number=self.episodes, after=self._see)
                recent.append(self._keep(episode))
                shown = recent[-_SHOWN:]
                tick(min(self.steps, self.config.steps), f"mean return {sum(shown) / len(shown):.4g}")
        self._save()

    def _act(self, observation: Any, observed: Sequence[Array], generator: np.random.Generator) -> Any:
        chance = self.config.dqn.chance_at(self.steps, self.config.steps)
        if self.agent is None or generator.random() < chance:
            return self.world.env.action_space.sample()
        return self.world.choice(self.agent.best(observed))

    def _see(self, turn: Turn) -> None:
        """Remember a step, and learn where it is time to."""
        dqn = self.config.dqn
        try:
            self.replay.add(turn)
        except Unreadable as error:
            raise DataError(f"{self.config.env} shows something else than before: {error}") from None
        self.steps += 1
        learnt = self.steps - dqn.begin
        if self.learner is None and learnt >= 0:
            self._make()
        if learnt <= 0 or learnt % dqn.every:
            return
        assert self.learner is not None, "made when the last step of chance was done"
        total = (self.config.steps - dqn.begin) // dqn.every
        record = self.learner.update(self.replay, learnt // dqn.every, total, self.config.seed)
        if not all(map(math.isfinite, record.values())):
            raise RunError(f"the loss is no number at step {self.steps}: play anew with a smaller dqn.lr")
        self._records.append(record)

    def _keep(self, episode: dict[str, Array]) -> float:
        """Write the episode and its line of metrics, and a checkpoint if it is time; returns its return."""
        home = self.folder.path / EPISODES
        home.mkdir(exist_ok=True)
        write(home, self.episodes, episode)
        self.episodes += 1
        total = float(episode[REWARDS].sum())
        names = self._records[0] if self._records else ()
        means = {name: sum(each[name] for each in self._records if name in each) / len(self._records) for name in names}
        chance = self.config.dqn.chance_at(self.steps, self.config.steps)
        line = {"step": self.steps, "episode": self.episodes, "return": total, "length": len(episode[REWARDS])}
        self.folder.add_metrics({**line, "chance": chance, **means})
        self._records.clear()
        if time.monotonic() - self._written >= self.config.checkpoint_seconds:
            self._save()
        return total

    def _make(self) -> None:
        """The network as it is before its first update."""
        config = self.config
        sample = self.replay.everything(SAMPLE).now
        if self.start is None:
            encoder: Encoder = MODALITY.encoders[config.encoder.name](config.encoder, sample)
        else:
            encoder = self.start.encoder(config.encoder, MODALITY, sample)
        method = None
        if config.method is not None:
            kind = METHODS[config.method.name]
            assert issubclass(kind, Method), "settings refuse those without gradients"
            method = kind(config.method, encoder, MODALITY, sample)
        augment = MODALITY.augment(config.modality)
        self.learner = DQN(config.dqn, encoder, sample, self.layout.choices, augment, method)
        self.agent = TrainedAgent(self.learner.online, self._spec(encoder))
        self.learner.to(self.agent.base.device).train()
        write_spec(self.folder.encoder, self.agent.base.spec)

    def _spec(self, encoder: Encoder) -> AgentSpec:
        config = self.config
        training = {"data": config.env, "steps": self.steps, "seed": config.seed, "init_from": config.init_from}
        base = Spec(
            modality=config.modality.model_dump(mode="json"),
            layout=self.layout.model_dump(mode="json"),
            encoder=config.encoder.model_dump(mode="json"),
            dim=encoder.dim,
            training={"method": "dqn", "samples": self.steps, **training},
        )
        return AgentSpec(
            env=config.env,
            choices=self.layout.choices,
            hidden=config.dqn.hidden,
            encoder=asdict(base),
            pixels=config.pixels,
            colour=config.colour,
            repeat=config.repeat,
            training=training,
        )

    def _save(self) -> None:
        """Write a checkpoint, unless there is one of this step, or nothing is learnt yet."""
        if self.learner is None or self._saved == self.steps:
            return
        state = checkpoint.pack(self.learner, self.learner.optimiser)
        manifest = {"step": self.steps, "episodes": self.episodes, "encoder": "online.encoder."}
        checkpoint.save(self.folder.checkpoints, state, manifest)
        self._saved, self._written = self.steps, time.monotonic()

    def restore(self) -> None:
        """Take up the newest checkpoint; what was played after it is played again. Raises `RunError`."""
        home = self.folder.path / EPISODES
        found, complaints = checkpoint.newest(self.folder.checkpoints)
        for line in complaints:
            console.say(line)
        step, episodes = (found.step, int(found.manifest["episodes"])) if found else (-1, 0)
        self.folder.cut_metrics(step)
        for number in range(episodes):
            path = home / f"episode-{number:06}.npz"
            try:
                with np.load(path, allow_pickle=False) as held:
                    self.replay.add_all(held)
            except (OSError, ValueError, KeyError) as error:
                raise RunError(f"{path} is missing or damaged ({error}): play anew, into another --out") from None
        for path in sorted(home.glob("episode-*.npz"))[episodes:]:
            path.unlink()
        if found is None:
            return
        checkpoint.discard_after(self.folder.checkpoints, step)
        self.steps, self.episodes, self._saved = step, episodes, step
        self._make()
        assert self.learner is not None
        checkpoint.unpack(found.state(), self.learner, self.learner.optimiser)
        console.say(f"resumed at step {step} of {self.config.steps}")

    def end(self) -> tuple[TrainedAgent, Judged]:
        """Judge the agent and write it."""
        if self.agent is None:
            raise RunError(f"no step was learnt from: {self.steps} steps were played, and all by chance")
        policy, returns = greedy(self.agent, self.world), []
        with console.progress("judging", self.config.judged) as tick:
            for number in range(self.config.judged):
                episode = play(self.world, policy, seed=self.config.seed, number=_JUDGED + number)
                returns.append(float(episode[REWARDS].sum()))
                tick(number + 1)
        by_chance = [line["return"] for line in self.folder.read_metrics() if line["chance"] == 1]
        judged = Judged(_mean(returns), _mean(by_chance), tuple(returns))
        training = {**self.agent.spec.training, "steps": self.steps, "returns": returns}
        base = self.agent.base
        spec = replace(self.agent.spec, training=training)
        agent = TrainedAgent(self.agent.values, spec, self.folder.path / AGENT)
        own = Spec(**{**vars(base.spec), "training": {**base.spec.training, "steps": self.steps}})
        TrainedEncoder(base.network, own, self.folder.encoder).save(self.folder.encoder)
        self.folder.write(self.folder.path / "agent.json", json.dumps(asdict(judged), indent=1))
        agent.save(self.folder.path / AGENT)
        return agent, judged


def _mean(returns: Sequence[float]) -> Interval | None:
    return interval(torch.tensor(returns)[None]) if returns else None
