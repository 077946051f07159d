"""Distillation: its equation, what of a teacher's features counts, and teachers that say nothing."""

from dataclasses import replace

import pytest
import torch
from test_joint_embedding import clips
from torch.nn.functional import cosine_embedding_loss

from tacit.core import Progress
from tacit.errors import UsageError
from tacit.methods.distillation import Distillation
from tacit.modalities.audio import AUDIO
from tacit.nn.tdnn import TDNN


def make(taught):
    torch.manual_seed(0)
    sample = replace(clips(), taught=taught)
    method = Distillation(Distillation.Config(), TDNN(TDNN.Config(width=8), sample), AUDIO, sample)
    return method.eval(), sample


def losses(taught):
    method, sample = make(taught)
    return method([sample], Progress(0, 10)).loss.detach()


def test_the_loss_is_that_of_a_loop_and_of_torch():
    taught = torch.randn(32, 5) + 3
    method, sample = make(taught)
    said, mean = method.student(sample).detach(), taught.mean(dim=0)
    naive = [1 - (s @ (t - mean)) / s.norm() / (t - mean).norm() for s, t in zip(said, taught, strict=True)]
    found = method([sample], Progress(0, 10)).loss.detach()
    assert torch.allclose(found, torch.stack(naive), atol=1e-5)
    library = cosine_embedding_loss(said, taught - mean, torch.ones(32), reduction="none")
    assert torch.allclose(found, library, atol=1e-5)


def test_a_student_that_says_what_the_teacher_does_has_no_loss_and_one_that_says_the_contrary_two():
    method, sample = make(torch.randn(32, 5))
    with torch.no_grad():
        said = method.student(sample)
        said = said - said.mean(dim=0)
        method.student.head.bias -= method.student(sample).mean(dim=0)
    for sign, wanted in ((3.0, 0.0), (-3.0, 2.0)):
        agreeing = replace(sample, taught=sign * said + method.mean)
        assert torch.allclose(method([agreeing], Progress(0, 10)).loss, torch.full((32,), wanted), atol=1e-4)


def test_neither_the_scale_of_the_teachers_features_nor_what_they_have_in_common_counts():
    taught = torch.randn(32, 5)
    assert torch.allclose(losses(taught), losses(7 * taught + torch.arange(5)), atol=1e-4)
    assert not torch.allclose(losses(taught), losses(taught.flip(0)), atol=1e-2)


@pytest.mark.parametrize(("taught", "said"), [(None, "there is none here"), (torch.ones(32, 5), "the same of all")])
def test_a_teacher_that_says_nothing_is_refused(taught, said):
    with pytest.raises(UsageError, match=said):
        make(taught)
