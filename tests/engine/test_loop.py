import copy
import json
import logging
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from engine_toys import AUGMENT, Blobs, Toy, settings

from tacit.core import Encoder, Learner, Method, Progress, Step, View
from tacit.engine import checkpoint, environment, loop
from tacit.engine.runfolder import RunFolder
from tacit.engine.settings import Budget, EngineConfig, Optimiser
from tacit.engine.trainer import Trainer
from tacit.errors import Interrupted, RunError, UsageError


def train(path: Path, config: EngineConfig, **named: object) -> Toy:
    """A toy trained in the folder `path`, which is gone on with if it holds a run."""
    learner = named.pop("learner", None) or Toy()
    samples = named.pop("samples", None) or Blobs()
    resume = (path / "config.yaml").exists()
    with RunFolder(path, resume=resume) as folder:
        folder.write(folder.config, config.to_yaml())
        loop.fit(learner, samples, AUGMENT, config, folder, resume=resume, **named)
    return learner


def records(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def same(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_run_learns_and_leaves_a_line_per_logged_step(tmp_path: Path) -> None:
    train(tmp_path / "run", settings(steps=145, log_every=50, evaluations=2, checkpoint_seconds=1000))
    lines = records(tmp_path / "run")
    assert [line["step"] for line in lines] == [0, 50, 72, 100, 145]
    trained = lines[1:]
    assert trained[-1]["loss"] < trained[0]["loss"] - 0.1
    assert {"epoch", "loss", "nothing_learnt", "lr", "samples_per_second", "waiting"} <= trained[0].keys()
    assert trained[-1]["epoch"] == 144 // 3


@pytest.mark.parametrize("budget", [Budget(steps=1), Budget(epochs=1), Budget(time=0.01)])
def test_tiny_budgets_work(tmp_path: Path, budget: Budget) -> None:
    train(tmp_path / "run", settings(budget=budget))
    found, _ = checkpoint.newest(tmp_path / "run" / "checkpoints")
    assert found is not None
    assert found.step == (3 if budget.epochs else 1)


def test_a_step_is_a_function_of_state_and_step() -> None:
    config = settings()
    first = Toy()
    second = copy.deepcopy(first)
    losses = []
    with environment.environment(config, "fp32") as (fabric, _):
        for learner in (first, second):
            torch.manual_seed(len(losses))  # what was drawn before must not matter
            trainer = Trainer(fabric, learner, Blobs(), AUGMENT, config)
            losses.append([trainer.step(Progress(step, 10)).loss() for step in range(3)])
    assert losses[0] == losses[1]
    assert same(first, second)


class Counting(Method):
    """Records what the engine hands to a method; its one weight follows the mean of the data."""

    views = ("plain", "weak")
    needs = classmethod(lambda cls, config: frozenset())
    encoder = property(lambda self: self.net)

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.net = torch.nn.Linear(1, 1, bias=False)
        self.seen: list[torch.Tensor] = []
        self.carried: list[Mapping[str, torch.Tensor]] = []

    def forward(self, views: list[View], progress: Progress) -> Step:
        assert torch.equal(views[0].x, Blobs().x[views[0].index])
        assert not torch.equal(views[0].x, views[1].x)
        self.seen.append(views[1].x)
        loss = (self.net.weight.view(()) - views[0].x.flatten(1).mean(1)) ** 2
        return Step(loss, 1.0, carry={"index": views[0].index, "loss": loss.detach()})

    def update(self, carry: Mapping[str, torch.Tensor], progress: Progress) -> None:
        assert not torch.is_grad_enabled()
        self.carried.append(carry)


class Row(Blobs):
    """Blobs that follow each other."""

    def later(self, rows: torch.Tensor) -> torch.Tensor:
        return (rows + 1).clamp(max=len(self) - 1)


class Following(Counting):
    views = ("plain", "next")

    def forward(self, views: list[View], progress: Progress) -> Step:
        now, then = views
        assert torch.equal(then.index, now.index)
        assert torch.equal(then.x, Row().x[Row().later(now.index)])
        return super().forward([now, then], progress)


def test_the_view_next_is_made_of_what_comes_next() -> None:
    learner = Following()
    config = EngineConfig(budget=Budget(epochs=1), batch=32, accumulate=2)
    loop.fit(learner, Row(), {"next": lambda view, draws: view}, config)
    assert len(learner.seen) == 6


def test_micro_batches_add_up_to_the_batch_and_update_sees_all_of_it() -> None:
    whole, parts = Counting(), Counting()
    parts.load_state_dict(whole.state_dict())
    for learner, accumulate in ((whole, 1), (parts, 4)):
        config = EngineConfig(
            budget=Budget(steps=4), batch=32, accumulate=accumulate, precision="fp32", optimiser=Optimiser(name="sgd")
        )
        loop.fit(learner, Blobs(), AUGMENT, config)
    torch.testing.assert_close(whole.net.weight, parts.net.weight)
    assert torch.equal(torch.cat(whole.seen), torch.cat(parts.seen)), "a view does not depend on its batch"
    for a, b in zip(whole.carried, parts.carried, strict=True):
        assert torch.equal(a["index"], b["index"])
        torch.testing.assert_close(a["loss"], b["loss"])


@pytest.mark.parametrize(("budget", "delay"), [(6, 0.02), (60, 0.1)])
def test_a_budget_of_time_is_kept(budget: int, delay: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock that only the samples and the evaluator move, so that a busy machine is no failure."""
    now = 0.0
    calls = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "sleep", sleep)

    def slow(learner: Learner, progress: Progress) -> Iterator[tuple[str, float]]:
        time.sleep(delay)
        calls.append(progress)
        yield "std", 0.5

    train(
        tmp_path / "run",
        settings(budget=Budget(time=budget), checkpoint_seconds=budget / 6),
        samples=Blobs(delay=delay),
        evaluators=[slow],
    )
    assert now == pytest.approx(budget, rel=0.05)
    assert len(calls) > 5
    plan = json.loads(max((tmp_path / "run" / "checkpoints").glob("*.json")).read_text())["plan"]
    assert plan["total"] == records(tmp_path / "run")[-1]["step"]


def test_measuring_the_speed_does_not_change_the_run(tmp_path: Path) -> None:
    timed = train(tmp_path / "timed", settings(budget=Budget(time=2)), samples=Blobs(delay=0.05))
    total = int(records(tmp_path / "timed")[-1]["step"])
    assert same(timed, train(tmp_path / "counted", settings(steps=total)))


def stop_at(step: int, error: Exception) -> object:
    def evaluate(learner: Learner, progress: Progress) -> Iterator[tuple[str, float]]:
        if progress.step == step:
            raise error
        yield "std", 0.5

    return evaluate


@pytest.mark.parametrize("step", [0, 12])
def test_a_stop_while_health_is_looked_at_loses_nothing(tmp_path: Path, step: int) -> None:
    config = settings(steps=20, checkpoint_seconds=1000)
    with pytest.raises(Interrupted, match=f"stopped at step {step} of 20.*--resume") as caught:
        train(tmp_path / "run", config, evaluators=[stop_at(step, Interrupted(15))])
    assert caught.value.exit_code == 143
    resumed = train(tmp_path / "run", config)
    assert same(resumed, train(tmp_path / "whole", config))
    assert [line["step"] for line in records(tmp_path / "run")] == [
        line["step"] for line in records(tmp_path / "whole")
    ]


def test_a_full_disk_says_what_is_safe_and_the_run_can_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # it would be torn, and fail whoever imports it next
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(learner: Learner, progress: Progress) -> Iterator[tuple[str, float]]:
        if progress.step == 12:
            resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
        yield "std", 0.5

    config = settings(steps=20)
    try:
        with pytest.raises(RunError, match=r"cannot write .*step-00000012.*The checkpoint of step 11 is safe"):
            train(tmp_path / "run", config, evaluators=[fill])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert same(train(tmp_path / "run", config), train(tmp_path / "whole", config))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"threads": 2}, "threads: 1 then, 2 now; set threads to 1"),
        ({"precision": "bf16"}, "precision: fp32 then, bf16 now; set precision to fp32"),
        ({"seed": 1}, "seed: 0 then, 1 now"),
        ({"optimiser": Optimiser(lr=0.5)}, "optimiser.lr: 0.01 then, 0.5 now"),
        ({"budget": Budget(steps=9)}, "budget: "),
    ],
)
def test_a_run_is_not_resumed_to_other_bits(tmp_path: Path, changed: dict[str, object], message: str) -> None:
    config = settings(steps=4, precision="fp32")
    train(tmp_path / "run", config)
    other = config.model_copy(update=changed)
    with pytest.raises(UsageError, match=message):
        train(tmp_path / "run", other)
    train(tmp_path / "run", other, allow_changes=True)


def test_the_callers_fingerprint_is_compared(tmp_path: Path) -> None:
    train(tmp_path / "run", settings(steps=2), fingerprint={"data": "abc"})
    with pytest.raises(UsageError, match="data: abc then, xyz now"):
        train(tmp_path / "run", settings(steps=2), fingerprint={"data": "xyz"})


def test_a_damaged_checkpoint_costs_its_steps_and_no_more(tmp_path: Path) -> None:
    config = settings(steps=10)
    whole = train(tmp_path / "run", config)
    newest = max((tmp_path / "run" / "checkpoints").glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-1])
    assert same(train(tmp_path / "run", config), whole)
    for path in (tmp_path / "run" / "checkpoints").glob("*.safetensors"):
        path.write_bytes(b"")
    with pytest.raises(RunError, match="no intact checkpoint is left"):
        train(tmp_path / "run", config)


class Diverging(Toy):
    """Its loss becomes NaN in the seventh step."""

    def forward(self, views: list[View], progress: Progress) -> Step:
        step = super().forward(views, progress)
        return Step(step.loss * (torch.nan if progress.step == 6 else 1.0), step.nothing_learnt, carry=step.carry)


@pytest.mark.parametrize("log_every", [1, 20])
def test_nan_ends_the_run_before_it_reaches_a_checkpoint(tmp_path: Path, log_every: int) -> None:
    config = settings(steps=40, log_every=log_every, evaluations=0)
    with pytest.raises(
        RunError, match=r"loss is nan at step 7: lower optimiser.lr \(it is 0.01\).*checkpoint of step 6"
    ):
        train(tmp_path / "run", config, learner=Diverging())


def test_constant_samples_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = Blobs()
    samples.x = torch.full_like(samples.x, 0.5)
    train(tmp_path / "run", settings(steps=2), samples=samples)
    assert "warning: all samples look the same" in capsys.readouterr().err
    assert records(tmp_path / "run")[0]["alarms"] == ["constant-input"]


@pytest.mark.parametrize(
    ("temperature", "lr", "name"),
    [(1e4, 0.01, "nothing-learnt"), (1e-5, 0.01, "nothing-learnt"), (0.2, 10.0, "weights-explode")],
)
def test_provoked_failures_are_named_within_200_steps(tmp_path: Path, temperature: float, lr: float, name: str) -> None:
    config = settings(steps=300, checkpoint_seconds=1000, optimiser=Optimiser(lr=lr))
    train(tmp_path / "run", config, learner=Toy(temperature))
    raised = {alarm: line["step"] for line in records(tmp_path / "run") for alarm in line.get("alarms", ())}
    assert raised[name] <= 200


def test_a_measure_that_is_no_number_survives_a_stop(tmp_path: Path) -> None:
    def evaluate(learner: Learner, progress: Progress) -> Iterator[tuple[str, float]]:
        if progress.step == 4:
            raise Interrupted(2)
        yield "std", 0.5 if progress.step == 0 else float("nan")

    config = settings(steps=6, evaluations=3)
    with pytest.raises(Interrupted):
        train(tmp_path / "run", config, evaluators=[evaluate])
    train(tmp_path / "run", config)
    assert records(tmp_path / "run")[2]["alarms"] == ["collapse"]
    assert records(tmp_path / "run")[2]["std"] is None


def test_a_healthy_run_raises_no_alarm(tmp_path: Path) -> None:
    train(tmp_path / "run", settings(steps=400, checkpoint_seconds=1000))
    assert not [line for line in records(tmp_path / "run") if "alarms" in line]


def test_the_process_is_left_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    logging.getLogger("lightning_fabric").setLevel(logging.INFO)
    train(tmp_path / "run", settings(steps=2, threads=threads + 1))
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads


def test_a_missing_gpu_is_a_usage_error() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UsageError, match="torch sees no GPU: set device to cpu or auto"):
        loop.fit(Toy(), Blobs(), AUGMENT, settings(device="cuda"))


def test_chunks_go_to_every_encoder_and_give_the_same_bits_each_time(tmp_path: Path) -> None:
    config = settings(steps=6, checkpoint_seconds=0).model_copy(update={"chunk": 5})
    whole = train(tmp_path / "whole", config)
    assert {module.chunk for module in whole.modules() if isinstance(module, Encoder)} == {5}
    assert not same(whole, train(tmp_path / "unchunked", config.model_copy(update={"chunk": None})))
    assert same(whole, train(tmp_path / "again", config))


class Listener(Toy):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard = set[str]()

    def hear(self, found: Mapping[str, float], progress: Progress) -> None:
        self.heard |= found.keys()


def test_what_is_only_shown_is_logged_and_not_heard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def health(learner: Learner, progress: Progress) -> Iterator[tuple[str, float]]:
        yield "std", 0.5

    def secret(learner: Learner, progress: Progress) -> Iterator[tuple[str, float]]:
        yield "probe", 0.25

    learner = Listener()
    train(tmp_path / "run", settings(steps=1), learner=learner, evaluators=(health,), shown=(secret,))
    assert learner.heard == {"std"}
    assert [line["probe"] for line in records(tmp_path / "run")] == [0.25, 0.25]
    assert "labels told by ridge regression 0.25 (untrained 0.25)" in capsys.readouterr().err
