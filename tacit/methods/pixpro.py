"""PixPro: say of each place, by all that are like it, what a slow copy of oneself says of it in another view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Encoder, Exhibit, Features, Method, Modality, Progress, Samples, Step, View
from tacit.errors import UsageError
from tacit.losses.tokens import pairs_apart
from tacit.nn.ema import EMA
from tacit.nn.heads import mlp
from tacit.nn.look import looked_at
from tacit.nn.standardise import over_batch
from tacit.schedule import cosine, young


class PixPro(Method):
    """Learns, for each place of a view, what a teacher says of the same place in another view.

    Places are the cells of an encoder's deepest maps, or its tokens; two are a pair where they lie on each other in the
    sample that both views were cut from. Before it is compared, each place of the student's view is mixed with all
    others there that are like it, so that places of one thing become alike. Nothing repels: that all places get the
    same vector is prevented by this mixing, through a layer that the teacher, slow and without a gradient, has not, as
    by the predictor of `byol`. What the teacher says of all places of the batch alike is taken off, which the paper
    does not. Samples whose views show nothing in common cost nothing.
    """

    paper = (
        "Xie et al. 2021, Propagate Yourself: Exploring Pixel-Level Consistency for Unsupervised Visual Representation "
        "Learning, arXiv 2011.10043"
    )
    formula = (
        "loss = mean over pairs ij of 1 - cos(y_i, t'_j) + 1 - cos(y'_j, t_i),  y_i = sum_k max(0, cos(z_i, z_k))^g "
        "v(z_k) / |v(z_k)|,  t = teacher, standardised over all places,  ij are a pair if |p_i - p'_j| < near x the "
        "diagonal of a place"
    )
    presets = {"default": {"optimiser": {"lr": 2e-3}}}
    views = ("strong", "strong")

    class Config(Named):
        name: Literal["pixpro"] = "pixpro"
        near: float = Field(
            default=0.7, gt=0, description="how far places of a pair are apart at most, in diagonals of the larger one"
        )
        sharpness: float = Field(default=2.0, ge=1, description="power of the cosines that places are mixed by")
        momentum: float = Field(
            default=0.99, ge=0, lt=1, description="share of itself that the teacher keeps a step at first; 1 at the end"
        )
        hidden: int = Field(default=512, ge=1, description="hidden width of the projector")
        out: int = Field(default=128, ge=1, description="width in which places are compared")

    def __init__(self, config: Config, encoder: Encoder, modality: Modality, sample: View) -> None:
        super().__init__(config, encoder, modality, sample)
        self.config = config
        width = _width(encoder, sample, config.name)
        self.student = _Dense(encoder, mlp(width, config.hidden, config.out))
        self.teacher = EMA(self.student)
        self.value = nn.Linear(config.out, config.out)

    @classmethod
    def needs(cls, config: Config) -> frozenset[str]:
        return frozenset((*cls.views, "places"))

    @property
    def encoder(self) -> Encoder:
        return self.student.encoder

    def forward(self, views: Sequence[View], progress: Progress) -> Step:
        loss, pairs = self._compared(views)
        # two directions that have nothing in common, twice, where there is a pair at all
        nothing = 2 * (pairs > 0).float().mean()
        return Step(loss, nothing, {"pairs": pairs.float().mean()})

    def _compared(self, views: Sequence[View]) -> tuple[Tensor, Tensor]:
        """The loss of each sample, and how many pairs its two views have: `[B]` each."""
        first, second = (self.student(view) for view in views)
        with torch.no_grad():
            one, two = (self.teacher.model(view) for view in views)
            both = torch.cat([one.x[one.valid], two.x[two.valid]])
            one, two = (over_batch(each.x, both) * each.valid[..., None] for each in (one, two))
        pairs = paired(first, second, self.config.near)
        with torch.autocast(pairs.device.type, enabled=False):  # cosines near 1 want more digits than bfloat16 has
            said, again = (propagated(z, self.value(z), self.config.sharpness) for z in (first.x, second.x))
            loss = pairs_apart(said, two, pairs) + pairs_apart(again, one, pairs.transpose(1, 2))
        return loss, pairs.sum(dim=(1, 2))

    def update(self, carry: Mapping[str, Tensor], progress: Progress) -> None:
        self.teacher.follow(self.student, young(progress, cosine(progress, self.config.momentum, 1.0)))

    def explain(self, views: Sequence[View], count: int, samples: Samples | None) -> Sequence[Exhibit]:
        shown = [view[:count] for view in views]
        loss, pairs = self._compared(shown)
        found = [
            f"{number} pairs, similarity {1 - lost / 2:.2f}" if number else "nothing in common"
            for lost, number in zip(loss.tolist(), pairs.tolist(), strict=True)
        ]
        return [Exhibit("a view", shown[0]), Exhibit("another view", shown[1], found)]


class Places(NamedTuple):
    """What is said of each place of a view."""

    x: Tensor
    """`[B, L, out]` float32, zeros where there is no place."""
    valid: Tensor
    """Boolean `[B, L]`."""
    where: Tensor
    """`[B, L, k]`, its centre in the sample that the view was cut from."""
    size: Tensor
    """`[B]`, the diagonal of what a place covers there."""


def propagated(x: Tensor, values: Tensor, sharpness: float) -> Tensor:
    """The pixel propagation module (eq. 3 and 4): each place's sum over all of its view of the directions of `values`,
    as much of each as the cosine of the two is, where it is positive, to the power of `sharpness`.

    `x` and `values` are `[B, L, D]`, and so is the sum. What is no place is zeros in `x`: it gives and gets nothing.
    """
    unit = F.normalize(x, dim=2)
    alike = (unit @ unit.transpose(1, 2)).clamp_min(0) ** sharpness  # [B, L, L]
    return alike @ F.normalize(values, dim=2)


def paired(first: Places, second: Places, near: float) -> Tensor:
    """Which places of two views of a sample are less than `near` of the larger one's diagonal apart in it (section
    3.1): boolean `[B, L, L']`."""
    apart = torch.cdist(first.where, second.where, compute_mode="donot_use_mm_for_euclid_dist")
    reach = near * torch.maximum(first.size, second.size)
    return (apart < reach[:, None, None]) & first.valid[:, :, None] & second.valid[:, None]


class _Dense(nn.Module):
    """An encoder, and a head on what it makes of each place."""

    def __init__(self, encoder: Encoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, view: View) -> Places:
        features = self.encoder(view)
        states, valid = _states(features)
        z = self.head(states[valid]).float()
        x = z.new_zeros(*valid.shape, z.shape[1])
        x[valid] = z
        return Places(x, valid, *(_on_grid if features.maps else _in_order)(view, features))


def _width(encoder: Encoder, sample: View, method: str) -> int:
    """D of what `encoder` makes of places. Raises `UsageError` where it does not say where these are."""
    features = looked_at(encoder, sample)
    if not features.maps and (features.tokens is None or features.where is None):
        raise UsageError(
            f"method {method} compares places of two views, and {type(encoder).__name__} does not say of what place "
            "each of its vectors is: leave --encoder away"
        )
    return _states(features)[0].shape[2]


def _states(features: Features) -> tuple[Tensor, Tensor]:
    """What an encoder makes of each place, `[B, L, D]`, and which places there are, boolean `[B, L]`."""
    if features.maps:
        states = features.maps[max(features.maps)].flatten(2).transpose(1, 2)
        return states, torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
    assert features.tokens is not None
    assert features.valid is not None
    return features.tokens, features.valid


def _on_grid(view: View, features: Features) -> tuple[Tensor, Tensor]:
    """`where` and `size` of the cells of the deepest maps."""
    assert view.affine is not None, "modalities that offer places say where images were cut"
    height, width = features.maps[max(features.maps)].shape[2:]
    right, down, _ = view.affine.unbind(2)  # from the centre to the edges
    return view.grid(height, width).flatten(1, 2), (2 * right / width + 2 * down / height).norm(dim=1)


def _in_order(view: View, features: Features) -> tuple[Tensor, Tensor]:
    """`where` and `size` of tokens: as long as neighbours are apart, on average; 1 where a token has none."""
    assert features.where is not None, "modalities that offer places say where tokens are"
    assert features.valid is not None
    where = features.where.float()
    beside = features.valid[:, 1:] & features.valid[:, :-1]
    count = beside.sum(dim=1)
    mean = where.diff(dim=1).abs().where(beside, 0.0).sum(dim=1) / count.clamp_min(1)
    return where[..., None], mean.where(count > 0, 1.0)
