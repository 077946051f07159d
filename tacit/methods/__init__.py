"""The methods, one page each. This table is all that a new page has to be entered into."""

from tacit.core import Learner
from tacit.methods.aim import AIM
from tacit.methods.autoencoder import Autoencoder
from tacit.methods.barlow_twins import BarlowTwins
from tacit.methods.beit import BEiT
from tacit.methods.byol import BYOL
from tacit.methods.capi import CAPI
from tacit.methods.causal_prediction import CausalPrediction
from tacit.methods.colorization import Colorization
from tacit.methods.deepcluster_v2 import DeepClusterV2
from tacit.methods.denoising import Denoising
from tacit.methods.denoising_seq2seq import DenoisingSeq2Seq
from tacit.methods.dino import DINO
from tacit.methods.distillation import Distillation
from tacit.methods.electra import Electra
from tacit.methods.emp_ssl import EMPSSL
from tacit.methods.forward_model import ForwardModel
from tacit.methods.i_jepa import IJEPA
from tacit.methods.ibot import IBOT
from tacit.methods.inpainting import Inpainting
from tacit.methods.inverse_dynamics import InverseDynamics
from tacit.methods.jigsaw import Jigsaw
from tacit.methods.lejepa import LeJEPA
from tacit.methods.mae import MAE
from tacit.methods.manifold import Manifold
from tacit.methods.masked_prediction import MaskedPrediction
from tacit.methods.mixup import MixUp
from tacit.methods.mmcr import MMCR
from tacit.methods.moco import MoCo
from tacit.methods.moco_v3 import MoCoV3
from tacit.methods.msn import MSN
from tacit.methods.nnclr import NNCLR
from tacit.methods.patches import Patches
from tacit.methods.pirl import PIRL
from tacit.methods.pixpro import PixPro
from tacit.methods.relative_patch import RelativePatch
from tacit.methods.ressl import ReSSL
from tacit.methods.rnd import RND
from tacit.methods.rotation import Rotation
from tacit.methods.simclr import SimCLR
from tacit.methods.simsiam import SimSiam
from tacit.methods.sogclr import SogCLR
from tacit.methods.spr import SPR
from tacit.methods.st_dim import STDIM
from tacit.methods.supcon import SupCon
from tacit.methods.swav import SwAV
from tacit.methods.tico import TiCo
from tacit.methods.ts2vec import TS2Vec
from tacit.methods.tsdae import TSDAE
from tacit.methods.vicreg import VICReg
from tacit.methods.w_mse import WMSE
from tacit.methods.wav2vec2 import Wav2Vec2

METHODS: dict[str, type[Learner]] = {
    "simclr": SimCLR,
    "moco": MoCo,
    "moco-v3": MoCoV3,
    "nnclr": NNCLR,
    "ressl": ReSSL,
    "sogclr": SogCLR,
    "pirl": PIRL,
    "supcon": SupCon,
    "byol": BYOL,
    "simsiam": SimSiam,
    "tico": TiCo,
    "vicreg": VICReg,
    "barlow-twins": BarlowTwins,
    "w-mse": WMSE,
    "mmcr": MMCR,
    "emp-ssl": EMPSSL,
    "lejepa": LeJEPA,
    "swav": SwAV,
    "deepcluster-v2": DeepClusterV2,
    "dino": DINO,
    "ibot": IBOT,
    "msn": MSN,
    "pixpro": PixPro,
    "distillation": Distillation,
    "rotation": Rotation,
    "jigsaw": Jigsaw,
    "relative-patch": RelativePatch,
    "colorization": Colorization,
    "inpainting": Inpainting,
    "denoising": Denoising,
    "autoencoder": Autoencoder,
    "masked-prediction": MaskedPrediction,
    "mae": MAE,
    "beit": BEiT,
    "i-jepa": IJEPA,
    "capi": CAPI,
    "causal-prediction": CausalPrediction,
    "aim": AIM,
    "ts2vec": TS2Vec,
    "mixup": MixUp,
    "wav2vec2": Wav2Vec2,
    "denoising-seq2seq": DenoisingSeq2Seq,
    "tsdae": TSDAE,
    "electra": Electra,
    "st-dim": STDIM,
    "inverse-dynamics": InverseDynamics,
    "forward-model": ForwardModel,
    "spr": SPR,
    "rnd": RND,
    "patches": Patches,
    "manifold": Manifold,
}
