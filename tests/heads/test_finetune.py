"""Fine-tuning: what stands still, what moves, what is kept, and when it ends."""

import copy

import pytest
import torch
from torch import nn

from tacit.core import Encoder, Features, Progress, View
from tacit.errors import UsageError
from tacit.heads.classify import Classify
from tacit.heads.finetune import Finetune, validation
from tacit.heads.pooled import TableTargets
from tacit.nn.convnet import ConvNet, ResNet18


class Net(Encoder):
    """Two stages with norms, and a Dropout that must not act while nothing learns."""

    dim = 6

    def __init__(self):
        super().__init__()
        self.one = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6))
        self.two = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))

    def forward(self, view):
        return Features(self.two(self.one(view.x)))

    def stages(self):
        return [[name for name in self.state_dict() if name.startswith(part)] for part in ("one", "two")]


TARGETS = TableTargets(torch.arange(32) % 2, ("a", "b"))
VIEW = View(torch.randn(32, 4, generator=torch.Generator().manual_seed(0)) + 3, index=torch.arange(32))
LATE, EARLY = Progress(50, 100), Progress(5, 100)


def learner(**settings):
    torch.manual_seed(0)
    net = Net()
    head = Classify(Classify.Config(), net, VIEW, TARGETS.classes)
    head.prepare(TARGETS)
    return Finetune(Finetune.Config(**settings), net, head, TARGETS).train()


def moved(method, progress):
    """Names of the encoder's state that one step changes, and of those with a gradient."""
    before = copy.deepcopy(method.backbone.state_dict())
    method([VIEW], progress).loss.mean().backward()
    state = method.backbone.state_dict()
    changed = {name for name in before if not torch.equal(before[name], state[name])}
    return changed, {name for name, p in method.backbone.named_parameters() if p.grad is not None}


def test_at_first_the_head_learns_alone_and_the_encoder_stands_still():
    method = learner(linear=0.2)
    changed, trained = moved(method, EARLY)
    assert not changed
    assert not trained
    assert method.head.reader.layer.weight.grad.abs().sum() > 0


def test_then_all_of_it_learns():
    changed, trained = moved(learner(linear=0.2), LATE)
    assert trained == {name for name, _ in Net().named_parameters()}
    assert "one.1.running_mean" in changed


def test_frozen_stages_keep_their_weights_and_the_statistics_of_their_norms():
    changed, trained = moved(learner(freeze=1), LATE)
    assert all(name.startswith("two") for name in changed | trained)
    assert "two.1.running_mean" in changed
    changed, trained = moved(learner(freeze="all"), LATE)
    assert not changed
    assert not trained


def test_more_stages_than_there_are_is_refused_by_their_number():
    for freeze in (3, -1):
        with pytest.raises(UsageError, match="Net has 2 stages"):
            learner(freeze=freeze)


@pytest.mark.parametrize(("kind", "count"), [(ConvNet, 3), (ResNet18, 4)])
def test_stages_of_real_encoders_cover_their_state_once(kind, count):
    encoder = kind(kind.Config(), View(torch.rand(2, 3, 32, 32)))
    stages = encoder.stages()
    assert len(stages) == count
    assert sorted(name for stage in stages for name in stage) == sorted(encoder.state_dict())


def test_the_encoder_follows_at_a_lower_rate():
    from tacit.engine import optimiser
    from tacit.engine.settings import Optimiser

    method = learner(rate=0.1)
    built = optimiser.build(Optimiser(), method, method.rates)
    optimiser.set_learning_rate(built, 1.0)
    own = {id(parameter) for parameter in method.backbone.parameters()}
    rates = {group["lr"] for group in built.param_groups for p in group["params"] if id(p) in own}
    assert rates == {0.1}
    assert {group["lr"] for group in built.param_groups} == {0.1, 1.0}


def test_the_best_weights_are_kept_and_a_tie_goes_to_the_later_ones():
    method = learner(patience=2)
    weight = method.backbone.one[0].weight
    for step, score in ((50, 0.5), (60, 0.7), (70, 0.7), (80, 0.6)):
        weight.data.fill_(step)
        method.hear({"val accuracy": score, "val other": 9.0}, Progress(step, 100))
    encoder, _ = method.kept()
    assert encoder.one[0].weight.unique().item() == 70
    assert method.kept_at == 70
    assert method.finished, "two looks in a row without a better one"


def test_waiting_starts_when_the_whole_network_learns():
    method = learner(patience=2, linear=0.5)
    for step in (10, 20, 30, 40):
        method.hear({"val accuracy": 0.9 - step / 100}, Progress(step, 100))
    assert not method.finished
    for step in (60, 70):
        method.hear({"val accuracy": 0.1}, Progress(step, 100))
    assert method.finished


def test_scores_that_are_no_numbers_end_nothing_wrongly():
    method = learner(patience=5)
    method.backbone.one[0].weight.data.fill_(4)
    method.hear({"val accuracy": float("nan")}, LATE)
    assert method.best["backbone"].one[0].weight.unique().item() == 4
    method.hear({}, LATE)
    assert method.kept()[0] is method.backbone, "nobody gave scores"


def test_what_was_heard_is_part_of_the_state():
    method, other = learner(), learner()
    method.hear({"val accuracy": 0.7}, Progress(60, 100))
    method.hear({"val accuracy": 0.6}, Progress(70, 100))
    other.load_state_dict(method.state_dict())
    assert (other._score, other._since, other.kept_at) == (0.7, 1, 60)


def test_mix_up_is_the_mixture_of_the_losses():
    """With a head that does not look, the loss of a mixture is known: that of each truth, weighted."""
    method = learner(mixup=0.4)
    method.head.reader.layer.weight.data.zero_()
    method.head.reader.layer.bias.data.copy_(torch.tensor([2.0, 0.0]))
    each = method.head.loss(torch.tensor([[2.0, 0.0]]).expand(2, -1), torch.arange(2))
    torch.manual_seed(3)
    loss = method([VIEW], LATE).loss
    low, high = sorted(each.tolist())
    assert ((loss > low - 1e-5) & (loss < high + 1e-5)).all()
    assert ((loss > low + 1e-3) & (loss < high - 1e-3)).any(), "some are mixed"
    torch.manual_seed(3)
    assert torch.equal(loss, method([VIEW], LATE).loss), "pure: the same seed, the same loss"


def test_validation_reports_the_deciding_metric_first():
    class Samples:
        def __len__(self):
            return 32

        def view(self, rows):
            return View(VIEW.x[rows], index=rows)

    method = learner().eval()
    found = dict(validation(Samples(), TARGETS)(method, LATE))
    assert list(found) == ["val accuracy", "val balanced accuracy"]
