"""Heads, one page each: what an encoder is put to use for. This table is all that a new page has to be entered into."""

from tacit.heads.classify import Classify
from tacit.heads.ctc import Ctc
from tacit.heads.detect import Detect
from tacit.heads.head import Head
from tacit.heads.multilabel import Multilabel
from tacit.heads.regress import Regress
from tacit.heads.segment import Segment
from tacit.heads.tag import Tag
from tacit.heads.translate import Translate

HEADS: dict[str, type[Head]] = {
    "classify": Classify,
    "multilabel": Multilabel,
    "regress": Regress,
    "detect": Detect,
    "segment": Segment,
    "tag": Tag,
    "recognise": Ctc,
    "translate": Translate,
}
"""Task -> head."""
