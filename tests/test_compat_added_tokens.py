"""Tokens, added tokens and decoding of `portmanteau.compat.tokenizers` are those of Hugging Face tokenizers."""

from __future__ import annotations

import json
import pickle
import unicodedata
from typing import Any

import pytest
import tokenizers as original
from hypothesis import assume, given
from hypothesis import strategies as st

from portmanteau.compat import tokenizers
from references import VOCAB_SIZE, tokenizer_json
from test_compat_tokenizers import FLAGS, both, same, says_no
from test_exactness import SMALL_TEXTS, added_tokens

CONTENTS = st.sampled_from(["<x>", "a", "ab", "é", "Ġa", "<y>", "", "日", " b", "e\u0301", "<pad>"])


def content_of(token: Any) -> str:
    return token if isinstance(token, str) else token[0]


GIVEN_TOKENS = st.one_of(
    CONTENTS,
    st.tuples(
        CONTENTS,
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(["lstrip", "rstrip", "normalized", "special"], FLAGS)
        ),
    ),
)


@given(
    added=st.lists(
        st.tuples(st.sampled_from(["add_tokens", "add_special_tokens"]), st.lists(GIVEN_TOKENS, max_size=3)),
        max_size=3,
    ),
    normalizer=st.sampled_from([None, {"type": "NFC"}]),
    text=st.one_of(SMALL_TEXTS, st.lists(CONTENTS, max_size=5).map(" ".join)),
)
def test_tokens_added_later(added: Any, normalizer: Any, text: str):
    ours, theirs = both(tokenizer_json(normalizer=normalizer))
    if normalizer is not None:
        # Of tokens that are the same when normalized, the original finds any.
        contents = [
            unicodedata.normalize("NFC", content_of(token)) for _, tokens in added for token in tokens
        ]
        assume(len(set(contents)) == len(contents))
    for method, tokens in added:
        counts = [
            getattr(tokenizer, method)(
                [
                    token if isinstance(token, str) else module.AddedToken(token[0], **token[1])
                    for token in tokens
                ]
            )
            for module, tokenizer in ((tokenizers, ours), (original, theirs))
        ]
        assert counts[0] == counts[1]
    mine, other = ours.get_added_tokens_decoder(), theirs.get_added_tokens_decoder()
    assert {token_id: repr(token) for token_id, token in mine.items()} == {
        token_id: repr(token) for token_id, token in other.items()
    }
    for with_added in (True, False):
        assert ours.get_vocab(with_added) == theirs.get_vocab(with_added)
        assert ours.get_vocab_size(with_added) == theirs.get_vocab_size(with_added)
    ids = range(VOCAB_SIZE - 2, VOCAB_SIZE + 6)
    assert [ours.id_to_token(i) for i in ids] == [theirs.id_to_token(i) for i in ids]
    for token in ("a", "Ġa", "<x>", "é", "nothing"):
        assert ours.token_to_id(token) == theirs.token_to_id(token)
    assert ours.decode([*ids, 1, 2]) == theirs.decode([*ids, 1, 2])
    assert ours.decode([*ids, 1, 2], False) == theirs.decode([*ids, 1, 2], False)
    assert json.loads(ours.to_str()) == json.loads(theirs.to_str())
    if normalizer is not None and says_no(ours, text, None):
        return
    same(ours, theirs, lambda tokenizer: tokenizer.encode(text))


@given(
    added=added_tokens(),
    decoder=st.sampled_from(
        [None, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}]
    ),
    ids=st.lists(st.integers(0, VOCAB_SIZE + 6), max_size=12),
    skip=st.booleans(),
)
def test_decoding(added: Any, decoder: Any, ids: list[int], skip: bool):
    ours, theirs = both(tokenizer_json(added_tokens=added, decoder=decoder))
    assert ours.decode(ids, skip) == theirs.decode(ids, skip)
    assert ours.decode_batch([ids, []], skip) == theirs.decode_batch([ids, []], skip)


@pytest.mark.parametrize("ids", ["a", [1.5], [-1], None, [None], [2**32]], ids=repr)
def test_ids_that_are_none(ids: Any):
    for tokenizer in both(tokenizer_json()):
        with pytest.raises((TypeError, OverflowError)):
            tokenizer.decode(ids)


OPTIONS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(["single_word", "lstrip", "rstrip", "normalized", "special"], FLAGS)
)


@given(first=OPTIONS, second=OPTIONS)
def test_added_tokens_by_themselves(first: Any, second: Any):
    made = [
        [module.AddedToken("<x>", **options) for options in (first, second)]
        for module in (tokenizers, original)
    ]
    assert [repr(token) for token in made[0]] == [repr(token) for token in made[1]]
    assert [str(token) for token in made[0]] == [str(token) for token in made[1]]
    assert (made[0][0] == made[0][1]) == (made[1][0] == made[1][1])
    for token in (*made[0], *made[1]):
        token.special = not token.special
        token.content = "<y>"
    assert [repr(token) for token in made[0]] == [repr(token) for token in made[1]]
    assert pickle.loads(pickle.dumps(made[0][0])) == made[0][0]
    assert len({*made[0], made[0][0]}) <= 2
