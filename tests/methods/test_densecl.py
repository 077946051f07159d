import math

import pytest
import torch
import torch.nn.functional as F

from tacit.core import Progress, View
from tacit.errors import UsageError
from tacit.methods.densecl import DenseCL
from tacit.modalities.audio import AUDIO
from tacit.nn.tdnn import TDNN
from tacit.nn.transformer import Transformer

FRAMES, BANDS = 12, 6


def clips(count=5):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, FRAMES, BANDS, generator=generator)
    return View(x, torch.ones(count, FRAMES, dtype=torch.bool), torch.arange(FRAMES).expand(count, -1))


def make(**settings):
    torch.manual_seed(0)
    sample = clips()
    config = DenseCL.Config(queue=16, hidden=8, out=4, **settings)
    return DenseCL(config, TDNN(TDNN.Config(width=8), sample), AUDIO, sample)


def views(shift):
    """The second view begins as many frames later as `shift [B]` says; some of the first are padding."""
    sample = clips()
    valid = sample.valid.clone()
    valid[1, 8:] = False
    index = torch.arange(len(sample))
    first = View(sample.x, valid, sample.where.float(), index)
    second = View(sample.x.flip(1), sample.valid, sample.where.float() + shift[:, None], index)
    return [first, second]


def test_the_loss_is_that_of_a_loop_over_samples_and_their_cells():
    method, shift = make(weight=0.3, temperature=0.5).eval(), torch.tensor([0.0, 2.0, 4.0, 6.0, 100.0])
    method.queue.push(F.normalize(torch.randn(3, 4), dim=1), torch.tensor([0, 1, 9]))
    method.cells.push(F.normalize(torch.randn(3, 4), dim=1), torch.tensor([0, 3, 9]))
    seen = views(shift)
    step = method(seen, Progress(0, 10))

    def nce(query, key, queue, own):
        query, key = F.normalize(query, dim=0), F.normalize(key, dim=0)
        others = [
            float(query @ each) / 0.5 for each, whose in zip(queue.keys, queue.index, strict=True) if whose != own
        ]
        right = float(query @ key) / 0.5
        return math.log(sum(math.exp(other) for other in others) + math.exp(right)) - right

    with torch.no_grad():
        student, teacher = method.student, method.teacher.model
        mine, theirs = (each.encoder(view) for each, view in zip((student, teacher), seen, strict=True))
        for row, late in enumerate(shift.tolist()):
            expected = nce(student.head(mine.pooled)[row], teacher.head(theirs.pooled)[row], method.queue, row)
            each = []
            places = [model.cells(told.tokens[row]) for model, told in ((student, mine), (teacher, theirs))]
            for at in range(FRAMES // 2):  # a token is two frames, and lies where another one does, or nowhere near
                other = at - int(late) // 2
                if other >= 0 and mine.valid[row, at]:
                    each.append(nce(places[0][at], places[1][other], method.cells, row))
            if each:
                expected = 0.7 * expected + 0.3 * sum(each) / len(each)
            assert float(step.loss[row]) == pytest.approx(expected, abs=1e-5), row
        keys = torch.stack([teacher.cells(tokens) for tokens in theirs.tokens])
    mean = F.normalize(keys.mean(dim=1), dim=1)
    assert torch.allclose(step.carry["cells"], mean, atol=1e-6)


def test_a_model_that_gives_all_places_one_vector_has_learnt_nothing():
    """On paper: the positive is as near as all of K others, ln(K + 1) for samples and places alike."""
    method = make().eval()
    for queue in (method.queue, method.cells):
        queue.keys.copy_(F.normalize(torch.ones(1, 4), dim=1))
    for model in (method.student, method.teacher.model):
        for head in (model.head, model.cells):
            torch.nn.init.zeros_(head[-1].weight)
            torch.nn.init.ones_(head[-1].bias)
    step = method(views(torch.zeros(5)), Progress(0, 10))
    assert step.nothing_learnt == math.log(17)
    assert torch.allclose(step.loss, torch.full((5,), math.log(17)), atol=1e-5)


def test_an_encoder_that_does_not_say_where_its_features_lie_is_refused():
    sample = clips()
    encoder = Transformer(Transformer.Config(), View(sample.x, sample.valid))
    with pytest.raises(UsageError, match="does not say where in a sample"):
        DenseCL(DenseCL.Config(), encoder, AUDIO, View(sample.x, sample.valid))
