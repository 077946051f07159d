"""Methods that write texts, or parts of them: losses against loops, what is looked at, which encoders are refused."""

from dataclasses import replace

import pytest
import torch

from tacit.core import Draws, Progress, View
from tacit.errors import UsageError
from tacit.methods.denoising_seq2seq import DenoisingSeq2Seq
from tacit.methods.electra import Electra, drawn
from tacit.methods.tsdae import TSDAE
from tacit.modalities.text import TEXT
from tacit.nn.bag import Bag
from tacit.nn.decoder import Memory
from tacit.nn.masking import hidden
from tacit.nn.transformer import Transformer
from tacit.view import MARK, MASK, packed

LENGTHS = torch.tensor([9, 4, 6, 1])


@pytest.fixture
def view():
    ids = torch.randint(4, 20, (4, 9), generator=torch.Generator().manual_seed(0))
    valid = torch.arange(9) < LENGTHS[:, None]
    return View(ids * valid, valid, index=torch.arange(4), vocabulary=20, stops=(5,))


def method(kind, view, **settings):
    torch.manual_seed(0)
    return kind(kind.Config(**settings), Transformer(Transformer.Config(), view), TEXT, view).eval()


def memory_of(learner, view):
    """What the decoder looks at, with the random numbers of `forward`."""
    torch.manual_seed(3)
    corruptions = learner.corrupt if isinstance(learner, DenoisingSeq2Seq) else [learner.corrupt]
    spoilt = view
    for corrupt in corruptions:
        spoilt = corrupt(spoilt, Draws.fresh(len(view), view.x.device))
    features = learner.encoder(spoilt)
    return Memory.of(features) if isinstance(learner, DenoisingSeq2Seq) else Memory.pooled(features)


@pytest.mark.parametrize("kind", [DenoisingSeq2Seq, TSDAE])
def test_the_loss_is_that_of_writing_token_by_token(kind, view):
    learner = method(kind, view)
    torch.manual_seed(3)
    step = learner([view], Progress(0, 10))
    memory = memory_of(learner, view)
    for row in range(4):
        one = Memory(memory.tokens[row : row + 1], memory.valid[row : row + 1], memory.table)
        writing, last, total = learner.decoder.begin(one), MARK, 0.0
        text = [*view.x[row][view.valid[row]].tolist(), MARK]
        for number in text:
            logits, writing = learner.decoder.step(torch.tensor([last]), writing)
            total -= float(logits[0].log_softmax(0)[number].detach())
            last = number
        assert step.loss[row].item() == pytest.approx(total / len(text), rel=1e-4)


@pytest.mark.parametrize("kind", [DenoisingSeq2Seq, TSDAE])
def test_words_that_a_view_left_out_are_not_written(kind, view):
    """A view with gaps is the text of its words."""
    learner = method(kind, view)
    kept = view.valid & (torch.arange(9) % 3 != 1)
    losses = []
    for seen in (replace(view, valid=kept), packed(replace(view, valid=kept))):
        torch.manual_seed(3)
        losses.append(learner([seen], Progress(0, 10)).loss)
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize("kind", [DenoisingSeq2Seq, TSDAE])
def test_nothing_learnt_is_to_know_how_often_ids_occur(kind, view):
    learner = method(kind, view)
    told = torch.cat([view.x[view.valid], torch.full((4,), MARK)])
    counts = torch.bincount(told, minlength=20).double() + 1
    wanted = -(counts / counts.sum()).log()[told].mean()
    assert float(learner([view], Progress(0, 10)).nothing_learnt) == pytest.approx(wanted.item(), rel=1e-5)


def test_tsdae_looks_at_one_vector_and_nothing_else(view):
    learner = method(TSDAE, view)
    memory = memory_of(learner, view)
    assert memory.tokens.shape == (4, 1, 128)
    told = learner.decoder(view.x, view.valid, memory)
    other = Memory(memory.tokens.roll(1, dims=0), memory.valid, memory.table)
    assert (told.logits - learner.decoder(view.x, view.valid, other).logits).abs().max() > 1e-3


def test_bart_spoils_by_permutation_then_infilling(view):
    learner = method(DenoisingSeq2Seq, view)
    assert [corrupt.__name__ for corrupt in learner.corrupt] == ["permuted", "infilled"]
    deletion = method(DenoisingSeq2Seq, view, corruptions=("deletion",))
    assert [corrupt.__name__ for corrupt in deletion.corrupt] == ["deleted"]
    assert DenoisingSeq2Seq.needs(DenoisingSeq2Seq.Config()) == {
        "weak", "corruptions:permutation", "corruptions:infilling",
    }  # fmt: skip


def test_electra_is_the_sum_of_filling_and_fifty_times_telling(view):
    """Against loops over tokens, with the random numbers of `forward`."""
    learner = method(Electra, view, share=0.4)
    torch.manual_seed(3)
    step = learner([view], Progress(0, 10))
    torch.manual_seed(3)
    draws = Draws.fresh(4, view.x.device)
    hide = hidden(view.valid, 0.4, 1, draws)
    gaps = learner.encoder.cut(view.with_x(view.x.masked_fill(hide, MASK)))
    logits = learner.small(gaps, hide, learner.encoder)
    chosen = iter(drawn(logits, draws.uniform(shape=hide.shape[1:])[hide]).tolist())
    said = iter(logits.log_softmax(1))
    filled, filling = view.x.clone(), [[] for _ in range(4)]
    for row, place in hide.nonzero().tolist():
        filling[row].append(-next(said)[view.x[row, place]])
        filled[row, place] = next(chosen)
    states = learner.encoder.layers(learner.encoder.cut(view.with_x(filled)))[-1]
    for row, length in enumerate(LENGTHS.tolist()):
        telling = []
        for place in range(length):
            score = learner.tell(states[row, place])[0]
            wrong = filled[row, place] != view.x[row, place]
            telling.append(-torch.log(score.sigmoid() if wrong else 1 - score.sigmoid()))
        wanted = sum(filling[row]) / len(filling[row]) + 50 * sum(telling) / length
        assert step.loss[row].item() == pytest.approx(wanted.item(), rel=1e-4)
    replaced = (filled != view.x)[view.valid].double().mean()
    assert step.metrics["replaced"].item() == pytest.approx(replaced.item())
    assert 0 < replaced <= float(hide.sum() / view.valid.sum()) + 1e-6


def test_replacements_are_drawn_by_their_probability():
    share = torch.tensor([0.1, 0.0, 0.6, 0.3])
    evenly = torch.arange(20_000) / 20_000
    found = torch.bincount(drawn((share + 1e-9).log().expand(20_000, -1), evenly), minlength=4) / 20_000
    assert torch.allclose(found, share, atol=1e-3)


@pytest.mark.parametrize("kind", [DenoisingSeq2Seq, TSDAE, Electra])
def test_encoders_that_cannot_serve_are_refused(kind, view):
    for encoder in (Transformer(Transformer.Config(causal=True), view), Bag(Bag.Config(), view)):
        with pytest.raises(UsageError, match=kind.Config().name):
            kind(kind.Config(), encoder, TEXT, view)


def test_an_end_of_a_sentence_is_known_by_its_last_sign():
    raws = [f"a dog runs. it is number {n}! who? nobody".encode() for n in range(50)]
    layout = TEXT.survey(raws, TEXT.config(tokenizer="bpe"))
    packed = torch.from_numpy(TEXT.read(b"a dog runs. who? nobody", layout))[None]
    view = TEXT.collate(packed, layout)
    stop = torch.isin(view.x[0], torch.tensor(view.stops))
    said = TEXT.spell(view.x[0, : int(stop.nonzero()[0]) + 1][None], layout)
    assert said == ["a dog runs."]
    assert int(stop.sum()) == 2
