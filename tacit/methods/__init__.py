"""The methods, one page each. This table is all that a new page has to be entered into."""

from tacit.core import Learner
from tacit.methods.autoencoder import Autoencoder
from tacit.methods.moco import MoCo
from tacit.methods.patches import Patches
from tacit.methods.rotation import Rotation
from tacit.methods.simclr import SimCLR

METHODS: dict[str, type[Learner]] = {
    "simclr": SimCLR,
    "moco": MoCo,
    "rotation": Rotation,
    "autoencoder": Autoencoder,
    "patches": Patches,
}
