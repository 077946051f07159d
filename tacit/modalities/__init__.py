"""The modalities, one page each. This table is all that a new page has to be entered into."""

from tacit.core import Modality
from tacit.modalities.audio import AUDIO
from tacit.modalities.image import IMAGE
from tacit.modalities.interactions import INTERACTIONS
from tacit.modalities.series import SERIES
from tacit.modalities.text import TEXT
from tacit.modalities.trajectories import TRAJECTORIES

MODALITIES: dict[str, Modality] = {
    "image": IMAGE,
    "text": TEXT,
    "audio": AUDIO,
    "series": SERIES,
    "interactions": INTERACTIONS,
    "trajectories": TRAJECTORIES,
}
