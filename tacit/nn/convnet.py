"""Convolutional encoders of small and of standard size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Literal, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from tacit.config import Named
from tacit.core import Encoder, Features, View
from tacit.errors import UsageError, nearest
from tacit.nn.standardise import IMAGENET, Standardise
from tacit.nn.stem import PatchStem
from tacit.nn.whiten import Evened

CELLS, QUADRANTS = 4, 2
"""Along a side: those whose components are made even, and those that learn until then."""


def grid_features(maps: Sequence[Tensor], side: int, *, peaks: bool) -> Features:
    """Feature maps `[B, C, h, w]` of an image of height `side`, finest first, as features.

    Tokens `[B, h w, C]` are the last maps' cells, pooled by mean, with `peaks` by maximum too. The pyramid keeps the
    last maps of each stride.
    """
    last = maps[-1]
    pooled = [last.mean((2, 3))]
    if peaks:
        pooled.append(last.amax((2, 3)))
    pyramid = {round(side / each.shape[2]): each for each in maps}
    return Features(torch.cat(pooled, dim=1), last.flatten(2).transpose(1, 2), maps=pyramid)


def _averaged(features: Features, layers: int, grid: tuple[int, int]) -> Tensor:
    """The maps of the last `layers` layers, each averaged over the cells of a `grid`: `[B, P]`."""
    maps = [features.maps[stride] for stride in sorted(features.maps)[-layers:]]
    return torch.cat([F.adaptive_avg_pool2d(each, grid).flatten(1) for each in maps], dim=1)


def _stages(stages: nn.Sequential, x: Tensor) -> list[Tensor]:
    """What comes out of each of `stages`."""
    maps = []
    for stage in stages:
        x = stage(x)
        maps.append(x)
    return maps


def _sound(x: Tensor, stride: int) -> AbstractContextManager[object]:
    """Single precision on a CPU for images `x` so small that the last of the halvings to `stride` reads one cell.

    There oneDNN leaves gradients of the weights of 3x3 convolutions in bfloat16 partly unwritten: now and then NaN.
    """
    single = x.device.type == "cpu" and 2 * min(x.shape[2:]) <= stride
    return torch.autocast("cpu", enabled=False) if single else nullcontext()


def _staged(names: Iterable[str], starts: Sequence[Sequence[str]]) -> list[list[str]]:
    """`names` by stage: those that begin with one of the `starts` of the stage."""
    listed = list(names)
    return [[name for name in listed if name.startswith(tuple(each))] for each in starts]


def _block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class ConvNet(Encoder):
    """A computed first layer and two trained ones that shrink the grid early: the default on a CPU.

    At 32 px and width 96 a view costs about 10 million multiply-adds, a fiftieth of a ResNet-18's. Small images (up
    to 16 px) skip the first pooling, so that the last grid is never a single cell.

    With `evened` quadrants of the last maps learn, and at the end cells of the maps of both trained layers, up to 4 x 4
    of each, are given by their principal components, as many as quadrants had numbers, each divided by its deviation
    to that power.
    """

    class Config(Named):
        name: Literal["convnet"] = "convnet"
        width: int = Field(default=96, ge=4, le=1024, description="channels of the first trained layer")
        evened: float = Field(
            default=0.0,
            ge=0,
            le=1,
            description="above 0: features are components of the last cells, made alike so far; for neighbours",
        )
        mirror: bool = Field(default=False, description="evened: of an image and its mirror image, for twice the time")

        @model_validator(mode="after")
        def _mirror_is_of_even_features(self) -> Self:
            if self.mirror and not self.evened:
                raise ValueError("encoder.mirror is for even features: set encoder.evened, too, such as 0.75")
            return self

    def __init__(self, config: Config, sample: View) -> None:
        super().__init__()
        w, last = config.width, config.width * 8 // 3
        self.dim = (QUADRANTS**2 if config.evened else 2) * last
        self.standardise = Standardise(sample.x)
        small = sample.x.shape[2] <= 16
        self.body = nn.Sequential(
            PatchStem(self.standardise(sample.x), w // 2),
            nn.Identity() if small else nn.MaxPool2d(2),
            _block(w, w),
            nn.MaxPool2d(2),
            _block(w, last),
        ).to(memory_format=torch.channels_last)
        stride = 4 if small else 8
        height, width = (max(1, min(CELLS, side // stride)) for side in sample.x.shape[2:])
        self.grid = height, width
        self.mirror = config.mirror
        self.even = Evened(height * width * (w + last), self.dim, config.evened) if config.evened else None

    def stages(self) -> Sequence[Sequence[str]]:
        """Three: the computed layer, the first and the second trained one."""
        return _staged(self.state_dict(), [("standardise.", "body.0."), ("body.2.",), ("body.4.", "even.")])

    def forward(self, view: View) -> Features:
        """Pooled `[B, 16/3 width]` (mean and maximum of the last maps; with `evened` `[B, 32/3 width]`), and tokens
        `[B, H W / 64, 8/3 width]`.

        Maps at strides 2, 4 and 8; at 2 and 4 for images up to 16 px.
        """
        features = self._read(view)
        if self.even is None:
            return features
        if self.even.solved:
            return replace(features, pooled=self.even(self._cells(features, view)))
        return replace(features, pooled=_averaged(features, 1, (QUADRANTS, QUADRANTS)))

    @torch.no_grad()
    def conclude(self, views: Iterable[View]) -> None:
        """The components of even features, where these are asked for."""
        if self.even is not None:
            self.even.solve(self._cells(self._read(view), view) for view in views)

    def _cells(self, features: Features, view: View) -> Tensor:
        """Cells of both trained layers' maps `[B, P]`, with `mirror` the mean with those of the mirror image."""
        read = [features]
        if self.mirror:
            read.append(self._read(replace(view, x=view.x.flip(-1))))
        return torch.stack([_averaged(each, 2, self.grid) for each in read]).mean(0)

    def _read(self, view: View) -> Features:
        x = self.standardise(view.x).contiguous(memory_format=torch.channels_last)
        stem, pool, first, shrink, second = self.body
        fine = stem(x)
        middle = first(pool(fine))
        return grid_features((fine, middle, second(shrink(middle))), x.shape[2], peaks=True)


class ResNet18(Encoder):
    """ResNet-18 (He et al. 2016), with the 3x3 stem without pooling for images up to 64 px (SimCLR, appendix B.9)."""

    class Config(Named):
        name: Literal["resnet18"] = "resnet18"

    def __init__(self, config: Config, sample: View) -> None:
        super().__init__()
        from torchvision.models import resnet18

        channels, height = sample.x.shape[1], sample.x.shape[2]
        self.dim = 512
        self.standardise = Standardise(sample.x)
        net = resnet18()
        if height <= 64:
            stem = [nn.Conv2d(channels, 64, 3, 1, 1, bias=False), net.bn1, net.relu]
        else:
            stem = [nn.Conv2d(channels, 64, 7, 2, 3, bias=False), net.bn1, net.relu, net.maxpool]
        self.stride = 8 if height <= 64 else 32
        stages = (nn.Sequential(*stem, net.layer1), net.layer2, net.layer3, net.layer4)
        self.body = nn.Sequential(*stages).to(memory_format=torch.channels_last)

    def published(self) -> Mapping[str, str]:
        """torchvision's and timm's names."""
        first = self.body[0]
        assert isinstance(first, nn.Sequential)
        layer = len(first) - 1
        theirs = {"body.0.0.": "conv1.", "body.0.1.": "bn1.", f"body.0.{layer}.": "layer1."}
        theirs |= {f"body.{number}.": f"layer{number + 1}." for number in (1, 2, 3)}
        return {
            name: to + name.removeprefix(start)
            for name in self.state_dict()
            for start, to in theirs.items()
            if name.startswith(start)
        }

    def expected(self) -> Mapping[str, Tensor]:
        """ImageNet's statistics."""
        return {f"standardise.{name}": value for name, value in self.standardise.as_published(*IMAGENET).items()}

    def stages(self) -> Sequence[Sequence[str]]:
        """Four: the stem with the first group of blocks, and the other three groups."""
        starts = [("standardise.", "body.0."), *((f"body.{number}.",) for number in (1, 2, 3))]
        return _staged(self.state_dict(), starts)

    def forward(self, view: View) -> Features:
        """Pooled `[B, 512]` (mean of the last maps), tokens `[B, H W / s^2, 512]`; maps at 1, 2, 4, 8 or 4 to 32."""
        x = self.standardise(view.x).contiguous(memory_format=torch.channels_last)
        with _sound(x, self.stride):
            return grid_features(_stages(self.body, x), x.shape[2], peaks=False)


class Timm(Encoder):
    """Any image model of the timm library by name, randomly initialised, without its classifier."""

    class Config(Named):
        name: Literal["timm"] = "timm"
        model: str = Field(default="resnet10t", description="a model name of timm, such as vit_tiny_patch16_224")

    def __init__(self, config: Config, sample: View) -> None:
        super().__init__()
        import timm

        if not timm.is_model(config.model):
            raise UsageError(f"timm has no model {config.model!r}; {nearest(config.model, timm.list_models())[:200]}")
        channels, height, width = sample.x.shape[1:]
        self.model = config.model
        self.standardise = Standardise(sample.x)
        # transformers fix their number of positions when they are built; conv nets do not know the argument
        fixed = timm.get_pretrained_cfg(config.model).fixed_input_size
        size = {"img_size": (height, width)} if fixed else {}
        self.only = (height, width) if fixed else None
        self.body = timm.create_model(config.model, pretrained=False, num_classes=0, in_chans=channels, **size)
        self.mapped = hasattr(self.body, "forward_intermediates")  # a few of timm's models are not built of maps
        self.stride = self.body.feature_info[-1]["reduction"] if self.mapped else 1
        with torch.no_grad():  # `num_features` is another number for models with a layer behind the pooling
            self.dim = self.body.eval()(self.standardise(sample.x[:1])).shape[1]
        self.body.train()

    def published(self) -> Mapping[str, str]:
        """timm's names."""
        return {name: name.removeprefix("body.") for name in self.state_dict() if name.startswith("body.")}

    def expected(self) -> Mapping[str, Tensor]:
        """The statistics that timm notes for the model."""
        import timm

        noted = timm.get_pretrained_cfg(self.model)
        state = self.standardise.as_published(noted.mean, noted.std)
        return {f"standardise.{name}": value for name, value in state.items()}

    def stages(self) -> Sequence[Sequence[str]]:
        """As timm groups the model's parameters: stem, then stages, or blocks of a transformer, then what is behind."""
        from timm.models import group_parameters

        groups = group_parameters(self.body, self.body.group_matcher(coarse=True))
        # buffers, such as a norm's running statistics, go with the parameters of their layer
        starts = [
            [f"body.{name[: name.rfind('.') + 1] or name}" for name in names] for _, names in sorted(groups.items())
        ]
        starts[0].append("standardise.")
        return _staged(self.state_dict(), starts)

    def forward(self, view: View) -> Features:
        """Pooled `[B, D]` as the model pools; maps at the strides that the model has, where it is built of maps."""
        if self.only is not None and view.x.shape[2:] != self.only:
            raise UsageError(
                f"timm's {self.model} reads images of {self.only[1]} x {self.only[0]} pixels alone, and this method "
                f"shows it some of {view.x.shape[3]} x {view.x.shape[2]}: choose a convolutional --encoder, such as "
                "resnet10t, or a method that shows whole images (simclr does with --set method.local=0)"
            )
        x = self.standardise(view.x)
        if not self.mapped:
            return Features(self.body(x))
        with _sound(x, self.stride):
            last, maps = self.body.forward_intermediates(x)
            pyramid = {round(x.shape[2] / each.shape[2]): each for each in maps}
            return Features(self.body.forward_head(last, pre_logits=True), maps=pyramid)
