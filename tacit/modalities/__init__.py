"""The modalities, one page each. This table is all that a new page has to be entered into."""

from tacit.core import Modality
from tacit.modalities.image import IMAGE

MODALITIES: dict[str, Modality] = {"image": IMAGE}
