"""The places of tokens in the text."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

import portmanteau as pm
from references import HUGGING_FACE, OPENAI, SHARED, TEXTS, references, tokenizer_json
from test_exactness import NORMALIZERS, SMALL_TEXTS, added_token, added_tokens, pre_tokenizers

UNNORMALIZED = (*OPENAI, "llama3", "superbpe-t180k")


@pytest.fixture(autouse=True)
def shared_vocabularies(request: pytest.FixtureRequest) -> None:
    callspec = getattr(request.node, "callspec", None)
    if callspec is not None and callspec.params.get("name") in HUGGING_FACE:
        request.getfixturevalue("shared_dir")


def in_characters(text: str, start: int, end: int) -> list[int]:
    """The characters that bytes have a part in, counted one by one."""
    ends = np.cumsum([0, *(len(character.encode()) for character in text)])
    touched = [i for i in range(len(text)) if ends[i] < end and start < ends[i + 1]]
    if not touched:
        return [int(np.searchsorted(ends, start))] * 2
    return [touched[0], touched[-1] + 1]


def offsets_of(tokenizer: pm.Tokenizer, text: str, special: str = "text") -> list[list[int]]:
    """The places in bytes, after a check of everything that holds for every tokenizer."""
    ids, offsets = tokenizer.encode_with_offsets(text, special=special)
    assert (ids.dtype, offsets.dtype, offsets.shape) == (np.uint32, np.int64, (len(ids), 2))
    assert ids.tolist() == tokenizer.encode(text, special=special).tolist()
    assert ((offsets >= 0) & (offsets <= len(text.encode()))).all()
    assert (offsets[:, 0] <= offsets[:, 1]).all()
    again, characters = tokenizer.encode_with_offsets(text.encode(), special=special, unit="characters")
    assert again.tolist() == ids.tolist()
    assert characters.tolist() == [in_characters(text, *place) for place in offsets.tolist()]
    return offsets.tolist()


@pytest.mark.parametrize("name", UNNORMALIZED)
@given(text=TEXTS, special=st.sampled_from(["text", "parse"]))
def test_the_slices_are_the_tokens(name: str, text: str, special: str) -> None:
    tokenizer, _ = references(name)
    data, place = text.encode(), 0
    for token_id, (start, end) in zip(
        tokenizer.encode(text, special=special), offsets_of(tokenizer, text, special), strict=True
    ):
        assert start == place
        assert data[start:end] == tokenizer.token_bytes(token_id)
        place = end
    assert place == len(data)


def theirs(file: str, text: str, special: str = "text") -> list[list[int]]:
    """Hugging Face's offsets, in characters."""
    tokenizer = tokenizers.Tokenizer.from_str(file)
    tokenizer.encode_special_tokens = special == "text"
    return [list(place) for place in tokenizer.encode(text, add_special_tokens=False).offsets]


def ours(file: str, text: str, special: str = "text") -> list[list[int]]:
    tokenizer = pm.Tokenizer.from_huggingface(tokenizers.Tokenizer.from_str(file))
    offsets_of(tokenizer, text, special)
    return tokenizer.encode_with_offsets(text, special=special, unit="characters")[1].tolist()


@given(added=added_tokens(), special=st.sampled_from(["text", "parse"]), text=SMALL_TEXTS)
def test_added_tokens_as_hugging_face(added: list[dict[str, Any]], special: str, text: str) -> None:
    file = tokenizer_json(added_tokens=added)
    assert ours(file, text, special) == theirs(file, text, special)


@given(pre_tokenizer=pre_tokenizers(), text=SMALL_TEXTS, ignore_merges=st.booleans())
def test_pre_tokenizers_as_hugging_face(pre_tokenizer: Any, text: str, ignore_merges: bool) -> None:
    file = tokenizer_json(pre_tokenizer=pre_tokenizer, model={"ignore_merges": ignore_merges})
    for (start, end), expected in zip(ours(file, text), theirs(file, text), strict=True):
        # A prefix space that no merge takes covers nothing here, and the next character there.
        assert [start, end] == expected or start == end == expected[0]


@given(text=SMALL_TEXTS, fuse=st.booleans(), missing=st.sets(st.sampled_from("ab1-Ġ©"), min_size=1))
def test_unknown_tokens_as_hugging_face(text: str, fuse: bool, missing: set[str]) -> None:
    file = json.loads(tokenizer_json(model={"unk_token": "<unk>", "fuse_unk": fuse}))
    vocab = {s: i for s, i in file["model"]["vocab"].items() if not missing & set(s)} | {"<unk>": 9000}
    file["model"] |= {
        "vocab": vocab | {"<unk><unk>": 9001},
        "merges": [pair for pair in file["model"]["merges"] if not missing & set("".join(pair))]
        + [("<unk>", "<unk>")],
    }
    assert ours(json.dumps(file), text) == theirs(json.dumps(file), text)


@given(added=added_tokens(), normalizer=NORMALIZERS, pre_tokenizer=pre_tokenizers(), text=TEXTS)
def test_every_place_is_in_the_text(
    added: list[dict[str, Any]], normalizer: Any, pre_tokenizer: Any, text: str
) -> None:
    ours(tokenizer_json(added_tokens=added, normalizer=normalizer, pre_tokenizer=pre_tokenizer), text)


@given(normalizer=NORMALIZERS, text=TEXTS)
def test_normalized_text_is_covered(normalizer: Any, text: str) -> None:
    tokenizer = pm.Tokenizer.from_huggingface(
        tokenizers.Tokenizer.from_str(tokenizer_json(normalizer=normalizer))
    )
    place = 0
    for start, end in offsets_of(tokenizer, text):
        assert start <= place
        place = max(place, end)
    assert place == len(text.encode())


@given(text=st.text(st.characters(max_codepoint=0x2FF)))
def test_a_change_leaves_the_places_of_the_rest(text: str) -> None:
    plain, nfc = (
        pm.Tokenizer.from_huggingface(tokenizers.Tokenizer.from_str(tokenizer_json(normalizer=normalizer)))
        for normalizer in (None, {"type": "NFC"})
    )
    rest = [[start + 4, end + 4] for start, end in offsets_of(plain, text)]
    assert offsets_of(nfc, "e\u0301\n" + text) == [[0, 3], [3, 4], *rest]


def test_characters_that_normalization_joins_and_takes_apart() -> None:
    def places(form: str, text: str) -> list[list[int]]:
        return ours(tokenizer_json(normalizer={"type": form}), text)

    assert places("NFC", "xe\u0301y") == [[0, 1], [1, 3], [3, 4]]
    assert places("NFC", "\u1100\u1161\u11a8") == [[0, 3]] * 3
    assert places("NFKC", "-ﬁ-") == [[0, 1], [1, 2], [1, 2], [2, 3]]
    assert places("NFD", "é") == [[0, 1]] * 3
    assert places("NFD", "a\u0301\u0323b") == [[0, 1], [1, 2], [1, 2], [2, 3], [2, 3], [3, 4]]


def test_added_tokens_cover_the_white_space_that_they_swallow() -> None:
    file = tokenizer_json(added_tokens=[added_token(266, "<x>", lstrip=True, rstrip=True)])
    assert ours(file, "a <x> \n b") == [[0, 1], [1, 8], [8, 9]]


def test_qwen_offsets(shared_dir: Any) -> None:
    path = SHARED / "vocabs" / "qwen2" / "tokenizer.json"
    tokenizer = pm.Tokenizer.load(path)
    text = "Ame\u0301lie's cafe\u0301 日本 👩‍👩‍👧‍👦"
    offsets = tokenizer.encode_with_offsets(text, unit="characters")[1]
    assert (offsets[0, 0], offsets[-1, 1]) == (0, len(text))


def test_the_unit_is_known() -> None:
    with pytest.raises(pm.EncodingError, match="bytes, characters"):
        pm.Tokenizer.load("r50k_base").encode_with_offsets("x", unit="words")
