import math

import numpy as np
import pytest

from tacit.errors import DataError
from tacit.modalities.terms import K1, B, bm25, weighted_terms

RAWS = [b"the cat sat on the mat", b"a dog sat", b"cats and dogs and a cat, cat, cat", b"nothing of the kind"]


def test_bm25_is_the_sum_over_the_words_of_a_query():
    terms = bm25(RAWS)
    found = (terms.query([b"cat sat cat unknown"]) @ terms.document(RAWS).T).toarray()[0]
    words = [raw.decode().replace(",", "").split() for raw in RAWS]
    mean = sum(map(len, words)) / len(words)

    def score(document):
        total = 0.0
        for word in ("cat", "sat", "cat"):
            held = sum(word in each for each in words)
            rarity = math.log(1 + (len(words) - held + 0.5) / (held + 0.5))
            count = document.count(word)
            total += rarity * count * (K1 + 1) / (count + K1 * (1 - B + B * len(document) / mean))
        return total

    assert found.tolist() == pytest.approx([score(document) for document in words], rel=1e-5)


def test_a_text_is_as_like_itself_as_can_be_and_no_word_is_lost():
    terms = weighted_terms(RAWS)
    assert terms.query is None
    found = terms.document(RAWS)
    cosine = (found @ found.T).toarray()
    assert np.diag(cosine) == pytest.approx(np.ones(4))
    assert cosine[1, 3] == 0
    assert found.shape[1] == len({word for raw in RAWS for word in raw.decode().replace(",", "").split()})


@pytest.mark.parametrize("make", [bm25, weighted_terms])
def test_texts_without_words_are_told(make):
    with pytest.raises(DataError, match="holds a word"):
        make([b"...", b"?!"])
