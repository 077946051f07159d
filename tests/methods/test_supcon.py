"""SupCon: what labels change, whom its pictures compare with, and data that cannot teach it."""

from dataclasses import replace

import pytest
import torch
from contract_toys import BATCH, make, views_of
from toys import shape

from tacit.cli import run
from tacit.core import Progress
from tacit.errors import UsageError
from tacit.losses.contrastive import nt_xent
from tacit.methods.similar import recognised
from tacit.methods.supcon import SupCon


def test_without_labels_it_is_simclr_and_with_them_it_is_not():
    learner, config, sample = make("supcon", "image", {"width": 8})
    views = views_of(learner.eval(), config, sample)
    with torch.no_grad():
        plain = nt_xent(learner.embedder.each(views), config.method.temperature)
        none = [replace(view, label=torch.full((BATCH,), -1)) for view in views]
        assert torch.equal(learner(none, Progress(0, 1)).loss, plain)
        found = learner(views, Progress(0, 1)).loss
    unlabelled = views[0].label < 0
    assert torch.allclose(found[unlabelled], plain[unlabelled], atol=1e-5)
    assert not torch.isclose(found, plain)[~unlabelled].any()


def test_a_method_from_labels_is_not_built_without():
    learner, config, sample = make("supcon", "image", {"width": 8})
    with pytest.raises(UsageError, match=r"dataset\.labelled\(\)"):
        SupCon(config.method, learner.encoder, config.kind, replace(sample, label=None))


def test_no_sample_of_its_class_is_a_wrong_answer_in_a_picture():
    z = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [1.0, 0.2]])
    label = torch.tensor([0, 0, 1, -1])
    views = [make("supcon", "image", {"width": 8})[2][:4]] * 2
    nearest = recognised(torch.stack([z, z]), views, 1, label)[2]
    assert nearest.captions == ["similarity 0.98"], "the one without a label"
    assert recognised(torch.stack([z, z]), views, 1)[2].captions == ["similarity 1.00"]


@pytest.mark.parametrize("classes", [1, 20])
def test_data_without_two_classes_of_two_are_told_what_is_missing(classes, tmp_path, capfd):
    for number in range(20):
        path = tmp_path / "set" / f"class {number % classes}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        shape("disc", number).save(path)
    words = ["train", str(tmp_path / "set"), "--method", "supcon", "--steps", "1"]
    assert run([*words, "--out", str(tmp_path / "run")]) == 3
    said = capfd.readouterr().err
    for part in ("learns from labels", "two classes", "have a label", "sub-folders", "`label`", "--method simclr"):
        assert part in said
