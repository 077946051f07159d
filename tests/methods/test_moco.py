import math

import torch

from tacit.core import Progress, View
from tacit.methods.moco import MoCo
from tacit.modalities.image import IMAGE
from tacit.nn.convnet import ConvNet


def make(queue=16):
    torch.manual_seed(0)
    x = torch.rand(32, 3, 32, 32)
    encoder = ConvNet(ConvNet.Config(width=12), View(x))
    return MoCo(MoCo.Config(queue=queue, hidden=16, out=8), encoder, IMAGE, View(x)), x


def views(x, start=0):
    index = torch.arange(start, start + len(x))
    return [View(x, index=index), View(x.flip(3), index=index)]


def test_keys_enter_the_queue_only_after_they_served():
    """In `forward` the queue holds no key of this batch; after `update` it holds them all."""
    method, x = make()
    before = method.queue.keys.clone()
    step = method(views(x[:8]), Progress(0, 10))
    assert torch.equal(method.queue.keys, before)
    method.update(step.carry, Progress(0, 10))
    assert set(range(8)) <= set(method.queue.index.tolist())


def test_a_batch_norm_cannot_tell_which_key_is_whose():
    """A key depends on its own sample alone: the batch around it may be anything."""
    method, x = make()
    method.train()
    key = method(views(x[:8]), Progress(0, 10)).carry["keys"][0]
    other = method(views(torch.cat([x[:1], x[20:27]])), Progress(0, 10)).carry["keys"][0]
    assert torch.allclose(key, other, atol=1e-5)


def test_a_samples_own_older_keys_are_no_negatives():
    """With a queue of nothing but keys of the query's own sample, the positive stands alone: the loss is 0."""
    method, x = make(queue=4)
    index = torch.zeros(4, dtype=torch.long)
    method.queue.push(torch.randn(4, 8), index)
    both = [View(x[:4], index=index), View(x[:4], index=index)]
    assert torch.allclose(method(both, Progress(0, 10)).loss, torch.zeros(4), atol=1e-6)


def test_nothing_learnt_is_the_logarithm_of_the_choices():
    method, x = make(queue=16)
    assert method(views(x[:8]), Progress(0, 10)).nothing_learnt == math.log(17)


def test_a_young_teacher_forgets_faster():
    method, x = make()
    teacher = [parameter.clone() for parameter in method.teacher.parameters()]
    with torch.no_grad():
        for parameter in method.student.parameters():
            parameter.add_(1)
    step = method(views(x[:8]), Progress(0, 10))
    method.update(step.carry, Progress(0, 10))
    for before, after in zip(teacher, method.teacher.parameters(), strict=True):
        assert torch.allclose(after, before + 0.9, atol=1e-5), "momentum 1/10 at step 0, not .99"
