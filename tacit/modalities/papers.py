"""What papers on photographs trained with: presets of methods, for images alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BASE = {"size": "base", "patch": 16}


def _multicrop(part: float, side: int) -> Mapping[str, Any]:
    """Full views of more than `part` of the area, at 224 pixels, and crops of less, at `side`: the views of DINO and of
    those that came after it."""
    look = {"jitter": 0.8, "strength": 0.4, "grey": 0.2, "blur": 0.5}
    small = {**look, "crop": [0.05, part], "scale": side / 224}
    return {"size": 224, "global": {**look, "crop": [part, 1.0]}, "local": small}


PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "supcon": {
        # Khosla et al. 2020, arXiv 2004.11362, CIFAR-10 of the authors' code, by ResNet-18 in place of ResNet-50; rate
        # and decay are .5 and 1e-4 there, of a loss that is multiplied by temperature / .07
        "paper": {
            "method": {"temperature": 0.1, "hidden": 2048, "out": 128, "local": 0},
            "encoder": {"name": "resnet18"},
            "modality": {
                "size": 32,
                "strong": {"crop": [0.2, 1.0], "jitter": 0.8, "strength": 0.4, "grey": 0.2},
            },
            "optimiser": {"name": "sgd", "lr": 0.714, "weight_decay": 7e-5, "warmup": 0.01},
            "batch": 1024,
            "budget": {"epochs": 1000},
        },
    },
    "w-mse": {
        # Ermolov et al. 2021, arXiv 2007.06346, W-MSE 4 on CIFAR-10 of the authors' code, without shrinkage there; the
        # rate stays until 50 epochs before the end, and falls to a fifth twice
        "paper": {
            "method": {"seen": 4, "rounds": 1, "hidden": 1024, "out": 64},
            "encoder": {"name": "resnet18"},
            "modality": {"size": 32, "strong": {"crop": [0.2, 1.0], "jitter": 0.8, "strength": 0.4, "grey": 0.1}},
            "optimiser": {"lr": 3e-3, "weight_decay": 1e-6, "warmup": 0.0026, "clip": None},
            "batch": 256,
            "budget": {"epochs": 1000},
        },
    },
    "masked-prediction": {
        # Xie et al. 2022, arXiv 2111.09886, ViT-B of the authors' code: squares of 32 pixels, plain values; there the
        # rate stays until epoch 700, and is a tenth then
        "simmim": {
            "method": {"share": 0.6, "span": 2, "changed": 0.0, "kept": 0.0, "each": False, "loss": "absolute"},
            "encoder": _BASE,
            "modality": {"size": 224, "weak": {"crop": [0.67, 1.0]}},
            "optimiser": {"lr": 4e-4, "weight_decay": 0.05, "warmup": 0.0125, "clip": 5.0},
            "batch": 2048,
            "budget": {"epochs": 800},
        },
    },
    "dino": {
        # Caron et al. 2021, arXiv 2104.14294, ViT-S/16 of the authors' code, by ViT-B; weight decay rises to .4
        "paper": {
            "method": {
                "choices": 65_536,
                "sharing": 0.04,
                "momentum": 0.996,
                "hidden": 2048,
                "out": 256,
                "local": 8,
            },
            "encoder": {"name": "transformer", **_BASE},
            "modality": _multicrop(0.4, 96),
            "optimiser": {"lr": 2e-3, "weight_decay": 0.04, "warmup": 0.1, "clip": 3.0},
            "batch": 1024,
            "budget": {"epochs": 100},
        },
    },
    "ibot": {
        # Zhou et al. 2022, arXiv 2111.07832, ViT-S/16 of the authors' code, by ViT-B; .1 to .5 are hidden there, in
        # half of the views, the teacher begins at .04, weight decay rises to .4
        "paper": {
            "method": {
                "share": 0.3,
                "choices": 8192,
                "sharing": 0.07,
                "momentum": 0.996,
                "hidden": 2048,
                "out": 256,
                "local": 10,
            },
            "encoder": _BASE,
            "modality": _multicrop(0.25, 96),
            "optimiser": {"lr": 2e-3, "weight_decay": 0.04, "warmup": 0.0125, "clip": 3.0},
            "batch": 1024,
            "budget": {"epochs": 800},
        },
        # Oquab et al. 2023, arXiv 2304.07193, ViT-L/14 of the authors' code, by ViT-B, with the registers of Darcet et
        # al. 2024; masks and the teacher's beginning as above, weight decay rises to .2, .4 of the layers are left out
        "dinov2": {
            "method": {
                "share": 0.3,
                "choices": 131_072,
                "sharing": 0.07,
                "momentum": 0.994,
                "hidden": 2048,
                "out": 384,
                "local": 8,
                "koleo": 0.1,
            },
            "encoder": {"size": "base", "patch": 14, "registers": 4},
            "modality": _multicrop(0.32, 98),
            "optimiser": {"lr": 3.5e-4, "weight_decay": 0.04, "warmup": 0.16, "clip": 3.0},
            "batch": 3072,
            "budget": {"steps": 625_000},
        },
    },
    "msn": {
        # Assran et al. 2022, arXiv 2204.07141, ViT-S/16 of the authors' code, by ViT-B; weight decay rises to .4
        "paper": {
            "method": {"choices": 1024, "momentum": 0.996, "hidden": 2048, "out": 256, "local": 10},
            "encoder": _BASE,
            "modality": _multicrop(0.3, 96),
            "optimiser": {"lr": 1e-3, "weight_decay": 0.04, "warmup": 0.01875, "clip": 3.0},
            "batch": 1024,
            "budget": {"epochs": 800},
        },
    },
    "pixpro": {
        # Xie et al. 2021, arXiv 2011.10043, base of the authors' code for 100 epochs; its two recipes of views are one
        # here, by their means: blurred are all and a tenth there, solarised none and a fifth
        "paper": {
            "method": {"momentum": 0.99, "sharpness": 2.0, "near": 0.7, "hidden": 4096, "out": 256},
            "encoder": {"name": "timm", "model": "resnet50"},
            "modality": {
                "size": 224,
                "strong": {
                    "crop": [0.08, 1.0],
                    "jitter": 0.8,
                    "strength": 0.4,
                    "grey": 0.2,
                    "blur": 0.55,
                    "solarise": 0.1,
                },
            },
            "optimiser": {"name": "lars", "lr": 4.0, "weight_decay": 1e-5, "warmup": 0.05},
            "batch": 1024,
            "budget": {"epochs": 100},
        },
    },
    "mae": {
        # He et al. 2022, arXiv 2111.06377, table 8; without the second moment's .95
        "paper": {
            "method": {"layers": 8, "width": 512},
            "encoder": _BASE,
            "modality": {"size": 224, "weak": {"crop": [0.2, 1.0]}},
            "optimiser": {"lr": 2.4e-3, "weight_decay": 0.05, "warmup": 0.05, "clip": None},
            "batch": 4096,
            "budget": {"epochs": 800},
        },
    },
    "beit": {
        # Bao et al. 2022, arXiv 2106.08254, and their program: 75 of 196 patches; without relative positions, scales of
        # layers, layers left out, the second moment's .98 and jittered colours
        "paper": {
            "method": {"share": 0.383, "codes": 8192},
            "encoder": _BASE,
            "modality": {"size": 224, "weak": {"crop": [0.08, 1.0]}},
            "optimiser": {"lr": 1.5e-3, "weight_decay": 0.05, "warmup": 0.0125, "clip": 3.0},
            "batch": 2048,
            "budget": {"epochs": 800},
        },
    },
    "aim": {
        # El-Nouby et al. 2024, arXiv 2401.08541, by an encoder a seventh as large as their smallest one
        "paper": {
            "method": {"layers": 12, "width": 2048},
            "encoder": {"size": "base", "patch": 14},
            "modality": {"size": 224, "weak": {"crop": [0.4, 1.0]}},
            "optimiser": {"lr": 1e-3, "weight_decay": 0.05, "warmup": 0.0625, "clip": 1.0},
            "batch": 4096,
            "budget": {"steps": 500_000},
        },
    },
    "i-jepa": {
        # Assran et al. 2023, arXiv 2301.08243, appendix A, ViT-B/16; its weight decay rises from .04 to .4
        "paper": {
            "method": {"momentum": 0.996, "layers": 6, "width": 384},
            "encoder": _BASE,
            "modality": {"size": 224, "weak": {"crop": [0.3, 1.0], "flip": 0.0}},
            "optimiser": {"lr": 1e-3, "weight_decay": 0.04, "warmup": 0.025, "clip": None},
            "batch": 2048,
            "budget": {"epochs": 600},
        },
    },
    "capi": {
        # Darcet et al. 2025, arXiv 2502.08769, ViT-L/14 of the authors' code, by ViT-B, and a predictor, as there, as
        # wide as the encoder and half as deep; there one block is left seen, a twentieth of what is hidden asked for,
        # clusters have half the rate, the teacher is frozen at first; without the second moment's .95, layers left out
        "paper": {
            "method": {"clusters": 16_384, "places": True, "momentum": 0.999, "layers": 6, "width": 768},
            "encoder": {"size": "base", "patch": 14, "registers": 16},
            "modality": {"size": 224, "weak": {"crop": [0.6, 1.0]}},
            "optimiser": {"lr": 1e-3, "weight_decay": 0.1, "warmup": 0.1, "clip": None},
            "batch": 16_384,
            "budget": {"steps": 500_000},
        },
    },
}
