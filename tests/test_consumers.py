"""What attention kernels and frameworks take: a packed model sees what an unpacked one does, and libraries agree.

The models are small: two layers of causal attention with two heads, with positions added and rotated, in float64.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import portmanteau as pm
from libraries import library
from portmanteau.errors import PackingError
from portmanteau.packing import PackedSequences, PackPlan, StreamPacker, consumers, pack
from test_packing import bos_and_eos, marks_of

VOCABULARY, HEADS, WIDTH = 24, 2, 8
PAD = 5  # an id that documents have too, so that nothing can be found by looking for it

Attention = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class Segment(NamedTuple):
    """A piece with all that stands around it."""

    ids: list[int]
    labels: list[int]


class Case(NamedTuple):
    """Sequences, and what is in them."""

    packed: PackedSequences
    rows: list[list[Segment]]
    align: int


def batch_of(lengths: list[int], seed: int = 0) -> SimpleNamespace:
    """Documents of these lengths, with few different ids."""
    ids = np.random.default_rng(seed).integers(3, VOCABULARY, sum(lengths)).astype(np.uint32)
    return SimpleNamespace(ids=ids, offsets=np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))))


def segments_of(batch: SimpleNamespace, plan: PackPlan, options: dict) -> Iterator[list[Segment]]:
    """The segments of every row, by definition."""
    (before, after), (first, last) = bos_and_eos(options, "document"), bos_and_eos(options, "sequence")
    pieces = plan.pieces
    for row in range(plan.n_sequences):
        in_row = range(*plan.sequence_offsets[row : row + 2])
        segments = []
        for piece in in_row:
            document, start = int(pieces.document[piece]), int(pieces.start[piece])
            stream = [*before, *batch.ids[slice(*batch.offsets[document : document + 2])].tolist(), *after]
            head, tail = first * (piece == in_row.start), last * (piece == in_row.stop - 1)
            ids = head + stream[start : start + int(pieces.length[piece])] + tail
            unlabelled = max(1, len(head) + plan.format.overlap if start else 0)
            segments.append(Segment(ids, [-100] * unlabelled + ids[unlabelled:]))
        yield segments


def case_of(lengths: list[int], width: int | None = None, **options: Any) -> Case:
    options = {"bos": False, "eos": False, **options}
    batch = batch_of(lengths)
    plan = pack(batch, **options)
    packed = plan.apply(batch, pad_id=PAD, width=width, **marks_of(options))
    return Case(packed, list(segments_of(batch, plan, options)), options.get("align", 1))


@st.composite
def some_cases(draw) -> Case:
    lengths = draw(st.lists(st.integers(0, 30), max_size=8))
    align = draw(st.sampled_from([1, 3, 8]))
    around = st.sampled_from([False, "document", "sequence"] if align == 1 else [False, "document"])
    strategy = draw(st.sampled_from(["best_fit_decreasing", "concat", "next_fit"]))
    capacity = draw(st.integers(8, 24))
    return case_of(
        lengths,
        width=capacity + draw(st.sampled_from([0, 0, 1, 9])),
        capacity=capacity,
        strategy=strategy,
        align=align,
        bos=draw(around),
        eos=draw(around),
        overlap=0 if strategy == "concat" else draw(st.integers(0, 2)),
    )


RNG = np.random.default_rng(1)
EMBEDDING, OUT = RNG.normal(size=(VOCABULARY, WIDTH)), RNG.normal(size=(WIDTH, VOCABULARY))
LAYERS = RNG.normal(size=(2, 4, WIDTH, WIDTH)) / 2


def rotated(heads: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """The pairs of every head turned by angles that grow with the position."""
    left, right = np.split(heads, 2, axis=-1)
    angle = (positions[:, None] / np.array([1.0, 7.0]))[:, None, :]
    cos, sin = np.cos(angle), np.sin(angle)
    return np.concatenate([left * cos - right * sin, left * sin + right * cos], axis=-1)


def logits_of(ids: np.ndarray, positions: np.ndarray, attention: Attention) -> np.ndarray:
    """What the model makes of a stream of tokens, float64 ``[tokens, VOCABULARY]``."""
    states = EMBEDDING[ids] + np.sin(positions[:, None] / np.arange(1, WIDTH + 1))
    for query, key, value, out in LAYERS:
        heads = [(states @ weight).reshape(-1, HEADS, WIDTH // HEADS) for weight in (query, key, value)]
        q, k = (rotated(part, positions) for part in heads[:2])
        states = states + attention(q, k, heads[2]).reshape(-1, WIDTH) @ out
    return states @ OUT


def under(mask: np.ndarray) -> Attention:
    """Attention where the mask is true, bool ``[queries, keys]``."""

    def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        scores = np.where(mask, np.einsum("qhd,khd->hqk", q, k), -np.inf)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True, initial=-1e99))
        return np.einsum("hqk,khd->qhd", weights / weights.sum(axis=-1, keepdims=True), v)

    return attention


def causal(length: int) -> np.ndarray:
    return np.tri(length, dtype=bool)


def within(starts: np.ndarray, lengths: np.ndarray) -> Attention:
    """Causal attention within runs, as kernels for variable lengths compute it; what is in no run stays undefined."""

    def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
        out = np.full_like(q, 1e9)
        for start, length in zip(starts, lengths, strict=True):
            run = slice(start, start + length)
            if length:
                out[run] = under(causal(length))(q[run], k[run], v[run])
        return out

    return attention


def losses(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The cross entropy of every target."""
    logits = logits - logits.max(axis=-1, keepdims=True)
    return np.log(np.exp(logits).sum(axis=-1)) - np.take_along_axis(logits, targets[:, None], axis=-1)[:, 0]


def loss_of_labels(logits: np.ndarray, labels: np.ndarray) -> float:
    """As models of Hugging Face take it: they shift the labels."""
    learnt = labels[1:] != -100
    return losses(logits[:-1][learnt], labels[1:][learnt]).sum()


class Seen(NamedTuple):
    """What a consumer makes of sequences: logits of all tokens, in order, and the loss."""

    logits: np.ndarray
    loss: float


def unpacked(case: Case) -> Seen:
    """Every segment alone."""
    logits, loss = [np.empty((0, VOCABULARY))], 0.0
    for segment in (segment for row in case.rows for segment in row):
        ids = np.array(segment.ids)
        logits.append(logits_of(ids, np.arange(len(ids)), under(causal(len(ids)))))
        loss += loss_of_labels(logits[-1], np.array(segment.labels))
    return Seen(np.concatenate(logits), loss)


def by_rows(packed: PackedSequences, of_row: Callable[[int], tuple[np.ndarray, float]]) -> Seen:
    """Row by row, each with its padding."""
    logits, loss = [np.empty((0, VOCABULARY))], 0.0
    for row in range(len(packed)):
        all_logits, loss_of_row = of_row(row)
        logits.append(all_logits[packed.segment_ids[row] > 0])
        loss += loss_of_row
    return Seen(np.concatenate(logits), loss)


def segment_ids(packed: PackedSequences) -> Seen:
    labels = packed.labels()

    def of_row(row: int) -> tuple[np.ndarray, float]:
        ids = packed.segment_ids[row]
        mask = (ids[:, None] == ids) & causal(packed.width)
        logits = logits_of(packed.input_ids[row], packed.position_ids[row], under(mask))
        return logits, loss_of_labels(logits, labels[row])

    return by_rows(packed, of_row)


def flex_attention(packed: PackedSequences) -> Seen:
    documents, labels = packed.for_flex_attention(), packed.labels()
    assert documents.dtype == np.int32

    def of_row(row: int) -> tuple[np.ndarray, float]:
        ids = documents[row]
        mask = (ids[:, None] == ids) & causal(packed.width)
        logits = logits_of(packed.input_ids[row], packed.position_ids[row], under(mask))
        assert np.isfinite(logits).all()
        return logits, loss_of_labels(logits, labels[row])

    return by_rows(packed, of_row)


def used(packed: PackedSequences, padding: bool) -> np.ndarray:
    """The places of the rows that a stream has, bool ``[rows, width]``."""
    ends = [packed.width if padding else packed.cu_seqlens(row)[-1] for row in range(len(packed))]
    return np.arange(packed.width) < np.array(ends, int)[:, None]


def flash_attention(padding: bool) -> Callable[[PackedSequences], Seen]:
    def seen(packed: PackedSequences) -> Seen:
        arguments = packed.for_flash_attention(padding=padding)
        offsets = arguments["cu_seqlens_q"]
        assert offsets is arguments["cu_seqlens_k"]
        taken = used(packed, padding)
        ids, positions = packed.input_ids[taken], packed.position_ids[taken]
        assert (offsets.dtype, offsets[0], offsets[-1]) == (np.int32, 0, len(ids))
        lengths = np.diff(offsets)
        assert arguments["max_seqlen_q"] == arguments["max_seqlen_k"] == max(lengths, default=0)
        assert type(arguments["max_seqlen_q"]) is int
        logits = logits_of(ids, positions, within(offsets[:-1], lengths))
        loss = loss_of_labels(logits, packed.labels()[taken])
        return Seen(logits[packed.segment_ids[taken] > 0], loss)

    return seen


def transformer_engine(padding: bool) -> Callable[[PackedSequences], Seen]:
    def seen(packed: PackedSequences) -> Seen:
        arguments = packed.for_transformer_engine(padding=padding)
        tokens, places = arguments["cu_seqlens_q"], arguments["cu_seqlens_q_padded"]
        assert tokens is arguments["cu_seqlens_kv"]
        assert places is arguments["cu_seqlens_kv_padded"]
        assert tokens.dtype == places.dtype == np.int32
        taken = used(packed, padding)
        ids, positions = packed.input_ids[taken], packed.position_ids[taken]
        assert (len(tokens), places[-1]) == (len(places), len(ids))
        lengths = np.diff(tokens)
        assert (lengths <= np.diff(places)).all()
        longest = max(np.diff(places)[lengths > 0], default=0)
        assert arguments["max_seqlen_q"] == arguments["max_seqlen_kv"] == longest
        logits = logits_of(ids, positions, within(places[:-1], lengths))
        # The kernel leaves padding undefined, so that a loss may be taken of tokens alone.
        there = packed.segment_ids[taken] > 0
        assert int(tokens[-1]) == there.sum()
        return Seen(logits[there], loss_of_labels(logits[there], packed.labels()[taken][there]))

    return seen


def transformers_by_positions(padding: bool) -> Callable[[PackedSequences], Seen]:
    """As models of Hugging Face mask where there is no attention mask."""

    def seen(packed: PackedSequences) -> Seen:
        batch = packed.for_transformers(padding=padding, seq_idx=True)
        ids, labels, positions = (batch[name] for name in ("input_ids", "labels", "position_ids"))
        assert ids.dtype == labels.dtype == positions.dtype == np.int64
        found = np.cumsum(np.diff(positions[0], prepend=positions[0, :1] - 1) != 1)
        np.testing.assert_array_equal(batch["seq_idx"][0], found)
        logits = logits_of(ids[0], positions[0], under((found[:, None] == found) & causal(len(found))))
        there = packed.segment_ids[used(packed, padding)] > 0
        return Seen(logits[there], loss_of_labels(logits, labels[0]))

    return seen


def transformers_by_offsets(packed: PackedSequences) -> Seen:
    batch = packed.for_transformers()
    offsets = batch["cu_seq_lens_q"]
    logits = logits_of(
        batch["input_ids"][0], batch["position_ids"][0], within(offsets[:-1], np.diff(offsets))
    )
    return Seen(
        logits[packed.segment_ids[used(packed, False)] > 0], loss_of_labels(logits, batch["labels"][0])
    )


def megatron(packed: PackedSequences) -> Seen:
    def of_row(row: int) -> tuple[np.ndarray, float]:
        sample = packed.for_megatron(row)
        end = sample["cu_seqlens"].tolist().index(packed.width)
        offsets = sample["cu_seqlens"][: end + 1]
        attention = within(offsets[:-1], np.diff(offsets))
        logits = logits_of(sample["tokens"], sample["position_ids"], attention)
        return logits, (losses(logits, sample["labels"]) * sample["loss_mask"]).sum()

    return by_rows(packed, of_row)


def maxtext(packed: PackedSequences) -> Seen:
    batch = packed.for_maxtext()
    assert {array.dtype for array in batch.values()} == {np.dtype(np.int32)}

    def of_row(row: int) -> tuple[np.ndarray, float]:
        ids = batch["inputs_segmentation"][row]
        mask = (ids[:, None] == ids) & causal(packed.width)
        logits = logits_of(batch["inputs"][row], batch["inputs_position"][row], under(mask))
        learnt = batch["targets_segmentation"][row] != 0
        return logits, (losses(logits, batch["targets"][row]) * learnt).sum()

    return by_rows(packed, of_row)


CONSUMERS = {
    "segment_ids": segment_ids,
    "flash_attention": flash_attention(padding=False),
    "flash_attention, padding": flash_attention(padding=True),
    "flex_attention": flex_attention,
    "transformers": transformers_by_positions(padding=False),
    "transformers, padding": transformers_by_positions(padding=True),
    "transformers, offsets": transformers_by_offsets,
    "megatron": megatron,
    "transformer_engine": transformer_engine(padding=False),
    "transformer_engine, padding": transformer_engine(padding=True),
    "maxtext": maxtext,
}


@pytest.mark.parametrize("consumer", CONSUMERS)
@given(some_cases())
def test_a_packed_model_sees_what_it_sees_of_each_document(consumer, case):
    packed, alone = CONSUMERS[consumer](case.packed), unpacked(case)
    np.testing.assert_allclose(packed.logits, alone.logits, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(packed.loss, alone.loss, rtol=1e-6, atol=1e-6)


def test_the_model_would_see_a_wrong_mask():
    """Else the test above would say nothing."""
    case = case_of([7, 5, 4], capacity=16)
    packed, alone = case.packed, unpacked(case)
    positions = packed.position_ids[0]
    for logits in (
        logits_of(packed.input_ids[0], positions, under(causal(16))),
        logits_of(packed.input_ids[0], positions, within(np.array([0, 8, 12]), np.array([8, 4, 4]))),
        logits_of(packed.input_ids[0], np.arange(16), under(np.eye(16, dtype=bool))),
    ):
        assert abs(logits - alone.logits).max() > 1e-2
        assert abs(loss_of_labels(logits, packed.labels()[0]) - alone.loss) > 1e-2


@given(some_cases())
def test_every_document_is_a_segment_of_its_own(case):
    """The arrays by definition, segment by segment."""
    packed, width = case.packed, case.packed.width
    documents, megatron_batch, maxtext_batch = (
        packed.for_flex_attention(),
        packed.for_megatron(),
        packed.for_maxtext(),
    )
    assert documents.shape == (len(packed), width)
    for row, segments in enumerate(case.rows):
        widths = [-(-len(segment.ids) // case.align) * case.align for segment in segments]
        rest = width - sum(widths)
        expected = np.repeat(np.arange(len(widths) + 1), [*widths, rest])
        assert documents[row].tolist() == expected.tolist()

        ends = np.cumsum([*widths, rest] if rest else widths).tolist()
        filled = [0, *ends] + [width] * (width - len(ends))
        assert megatron_batch["cu_seqlens"][row].tolist() == filled
        assert megatron_batch["max_seqlen"][row] == max([*widths, rest])

        numbers, tokens, labels = [], [], []
        for number, (segment, taken) in enumerate(zip(segments, widths, strict=True), start=1):
            behind = taken - len(segment.ids)
            tokens += segment.ids + [PAD] * behind
            labels += [*segment.labels[1:], -100] + [-100] * behind
            numbers += [number] * len(segment.ids) + [0] * behind
        tokens += [PAD] * rest
        labels += [-100] * rest
        numbers += [0] * rest
        targets = [max(label, 0) for label in labels]
        assert megatron_batch["tokens"][row].tolist() == maxtext_batch["inputs"][row].tolist() == tokens
        assert megatron_batch["labels"][row].tolist() == maxtext_batch["targets"][row].tolist() == targets
        assert megatron_batch["loss_mask"][row].tolist() == [float(label != -100) for label in labels]
        assert maxtext_batch["inputs_segmentation"][row].tolist() == numbers
        assert maxtext_batch["targets_segmentation"][row].tolist() == [
            number if label != -100 else 0 for number, label in zip(numbers, labels, strict=True)
        ]
        for name in ("inputs_position", "targets_position"):
            assert maxtext_batch[name][row].tolist() == packed.position_ids[row].tolist()


@given(some_cases())
def test_one_row_is_that_row_of_all(case):
    packed = case.packed
    together = packed.for_megatron()
    lengths = {False: [], True: []}
    for row in range(len(packed)):
        for name, array in packed.for_megatron(row - len(packed)).items():
            assert array.dtype == together[name].dtype
            assert isinstance(array, np.ndarray)
            np.testing.assert_array_equal(array, together[name][row])
        offsets = packed.for_flash_attention(row)["cu_seqlens_q"]
        assert offsets.tolist() == packed.cu_seqlens(row).tolist()
        assert packed.for_flash_attention(row)["max_seqlen_k"] == packed.max_seqlen(row)
        for padding, found in lengths.items():
            offsets = packed.for_flash_attention(row, padding=padding)["cu_seqlens_q"]
            assert not padding or offsets[-1] == packed.width
            found += np.diff(offsets).tolist()
            engine = packed.for_transformer_engine(row, padding=padding)
            assert engine["cu_seqlens_q_padded"].tolist() == offsets.tolist()
            assert (
                np.diff(engine["cu_seqlens_q"]).tolist()[: len(case.rows[row])]
                == packed.segment_lengths(row).tolist()
            )
            alone = packed.for_transformers(row, padding=padding)
            assert alone["input_ids"][0].tolist() == packed.input_ids[row, : offsets[-1]].tolist()
            assert alone["labels"][0].tolist() == packed.labels()[row, : offsets[-1]].tolist()
    for padding, found in lengths.items():
        assert np.diff(packed.for_flash_attention(padding=padding)["cu_seqlens_q"]).tolist() == found
        assert packed.for_transformers(padding=padding)["cu_seq_lens_k"][-1] == sum(found)


def test_megatron_shapes():
    packed = case_of([5, 3, 6], capacity=10).packed
    expected = {
        "tokens": (np.int64, (10,)),
        "labels": (np.int64, (10,)),
        "loss_mask": (np.float32, (10,)),
        "position_ids": (np.int64, (10,)),
        "cu_seqlens": (np.int32, (11,)),
        "max_seqlen": (np.int32, ()),
    }
    assert {name: (a.dtype, a.shape) for name, a in packed.for_megatron(0).items()} == expected
    assert {name: a.shape for name, a in packed.for_megatron().items()} == {
        name: (2, *shape) for name, (_, shape) in expected.items()
    }


@pytest.mark.parametrize("row", [2, -3])
def test_rows_that_are_not_there(row):
    packed = case_of([5, 3, 6], capacity=10).packed
    for method in (
        packed.for_flash_attention,
        packed.for_transformers,
        packed.for_megatron,
        packed.for_transformer_engine,
    ):
        with pytest.raises(IndexError):
            method(row)


def test_no_sequences():
    packed = case_of([], capacity=8).packed
    assert packed.for_flash_attention()["cu_seqlens_q"].tolist() == [0]
    assert packed.for_flash_attention(padding=True)["max_seqlen_q"] == 0
    assert packed.for_flex_attention().shape == (0, 8)
    assert packed.for_transformers(seq_idx=True)["seq_idx"].shape == (1, 0)
    assert packed.for_transformer_engine()["max_seqlen_q"] == 0
    assert packed.for_megatron()["cu_seqlens"].shape == (0, 9)
    assert packed.for_maxtext()["targets"].shape == (0, 8)


def test_what_does_not_fit_int32():
    batch = batch_of([3])
    packed = pack(batch, 4).apply(batch, pad_id=2**32 - 1)
    with pytest.raises(PackingError, match="int32"):
        packed.for_maxtext()
    with pytest.raises(PackingError, match="fewer rows"):
        consumers.cumulated(np.array([2**31 - 1, 1]))
    assert consumers.cumulated(np.array([2**31 - 2, 1]))[-1] == 2**31 - 1


def test_arrays_can_be_written_to():
    """Pipelines shift and mask in place, one array at a time."""
    packed = case_of([5, 3, 6], capacity=10).packed
    own = [packed.input_ids, packed.segment_ids, packed.position_ids]
    arrays = [*own, *packed.for_maxtext().values(), *packed.for_megatron().values()]
    assert not any(itertools.starmap(np.shares_memory, itertools.combinations(arrays, 2)))
    assert all(array.flags.writeable for array in arrays)


@pytest.mark.parametrize("dtype", ["uint32", "int32", "int64"])
def test_ids_of_every_dtype_and_buckets(dtype):
    batch = batch_of([13, 6, 2])
    plan = pack(batch, capacity=8, strategy="buckets")
    for width, sequences in plan.buckets.items():
        packed = plan.apply(batch, sequences=sequences, width=width, dtype=dtype)
        assert packed.for_transformers()["input_ids"].shape == (1, width * len(sequences))
        assert packed.for_maxtext()["inputs"].tolist() == packed.input_ids.tolist()
        assert packed.for_flex_attention().max() == 0


def test_sequences_of_a_stream():
    packer = StreamPacker(8)
    packer.push(batch_of([5, 3, 6]))
    packed = packer.finish()
    assert packed.for_transformers(0)["cu_seq_lens_q"].tolist() == packed.cu_seqlens(0).tolist()
    assert packed.for_megatron()["tokens"].tolist() == packed.input_ids.tolist()


# What other libraries make of the same documents.


def test_transformers_5_23():
    """What transformers 5.23.0 gave for these documents."""
    batch = pm.TokenBatch(np.array([5, 6, 7, 8, 9], np.uint32), np.array([0, 3, 5]))
    made = pack(batch, capacity=8).apply(batch).for_transformers(seq_idx=True)
    expected = {
        "input_ids": np.array([[5, 6, 7, 8, 9]]),
        "labels": np.array([[-100, 6, 7, -100, 9]]),
        "position_ids": np.array([[0, 1, 2, 0, 1]]),
        "seq_idx": np.array([[0, 0, 0, 1, 1]], np.int32),
        "cu_seq_lens_q": np.array([0, 3, 5], np.int32),
        "cu_seq_lens_k": np.array([0, 3, 5], np.int32),
        "max_length_q": 3,
        "max_length_k": 3,
    }
    same(made, expected)


def same(made: dict[str, Any], expected: dict[str, Any]) -> None:
    """The same names, types, dtypes, shapes and values."""
    assert list(made) == list(expected)
    for name, value in expected.items():
        assert type(made[name]) is type(value), name
        assert np.asarray(made[name]).dtype == np.asarray(value).dtype, name
        np.testing.assert_array_equal(made[name], value, err_msg=name, strict=True)


@pytest.fixture(scope="module")
def transformers() -> Any:
    return library("transformers")


@pytest.fixture(scope="module")
def torch() -> Any:
    return library("torch")


@given(case=some_cases(), seq_idx=st.booleans(), flash=st.booleans())
def test_the_collator_of_transformers_gives_the_same(transformers, case, seq_idx, flash):
    collator = transformers.DataCollatorWithFlattening(
        return_tensors="np", return_seq_idx=seq_idx, return_flash_attn_kwargs=flash
    )
    features = []
    for segment in (segment for row in case.rows for segment in row):
        behind = -len(segment.ids) % case.align
        features.append(
            {"input_ids": segment.ids + [PAD] * behind, "labels": segment.labels + [-100] * behind}
        )
    if case.align == 1 and not case.packed.format.overlap:
        features = [{"input_ids": feature["input_ids"]} for feature in features]
    if features:
        made = case.packed.for_transformers(seq_idx=seq_idx, flash_attention=flash)
        same(made, collator(features))


@given(case=some_cases(), padding=st.booleans())
def test_models_of_transformers_find_the_segments(transformers, torch, case, padding):
    masking = library("transformers.masking_utils")
    batch = case.packed.for_transformers(padding=padding, seq_idx=True)
    if case.rows:
        found = masking.find_packed_sequence_indices(torch.from_numpy(batch["position_ids"]))
        expected = batch["seq_idx"]
        assert expected.max() == 0 if found is None else found.tolist() == expected.tolist()
        flash = library("transformers.modeling_flash_attention_utils")
        offsets, longest = flash.prepare_fa_kwargs_from_position_ids(torch.from_numpy(batch["position_ids"]))
        assert offsets[0].tolist() == batch["cu_seq_lens_q"].tolist()
        assert longest[1] == batch["max_length_k"]


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("align", [1, 8])
@pytest.mark.parametrize("padding", [False, True])
def test_a_model_of_transformers_sees_what_it_sees_of_each_document(
    transformers, torch, implementation, align, padding
):
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        attn_implementation=implementation,
    )
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config).double().eval()
    case = case_of([7, 12, 3, 20, 9, 1, 40], capacity=24, align=align, bos=True, eos=True)
    batch = case.packed.for_transformers(padding=padding)
    tensors = {
        name: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for name, value in batch.items()
    }
    with torch.no_grad():
        made = model(**tensors, use_cache=False)  # with a cache, models do not look for segments
        logits, loss, count = [], 0.0, 0
        for segment in (segment for row in case.rows for segment in row):
            alone = model(input_ids=torch.tensor([segment.ids]), labels=torch.tensor([segment.labels]))
            learnt = sum(label != -100 for label in segment.labels)
            logits.append(alone.logits[0])
            loss += float(alone.loss) * learnt if learnt else 0.0
            count += learnt
    there = case.packed.segment_ids[used(case.packed, padding)] > 0
    np.testing.assert_allclose(made.logits[0].numpy()[there], torch.cat(logits).numpy(), atol=1e-6)
    np.testing.assert_allclose(float(made.loss), loss / count, rtol=1e-6)


@pytest.mark.filterwarnings("ignore")  # it would be faster compiled
@pytest.mark.parametrize("align", [1, 8])
def test_flex_attention_of_pytorch_stays_within_segments(torch, align):
    flex = library("torch.nn.attention.flex_attention")
    packed = case_of([70, 120, 3, 20, 90, 1, 40], capacity=256, align=align).packed
    ids = torch.from_numpy(packed.for_flex_attention())
    rows, width = ids.shape

    def mask_mod(b: Any, h: Any, q: Any, k: Any) -> Any:
        return (ids[b, q] == ids[b, k]) & (q >= k)

    mask = flex.create_block_mask(mask_mod, rows, None, width, width, device="cpu")
    torch.manual_seed(0)
    q, k, v = torch.randn(3, rows, HEADS, width, 16, dtype=torch.float64)
    out = flex.flex_attention(q, k, v, block_mask=mask)
    assert out.isfinite().all()
    for row in range(rows):
        ends = packed.cu_seqlens(row).tolist()
        for start, end in itertools.pairwise(ends):
            run = (row, slice(None), slice(start, end))
            alone = torch.nn.functional.scaled_dot_product_attention(q[run], k[run], v[run], is_causal=True)
            np.testing.assert_allclose(out[run], alone, rtol=1e-6, atol=1e-6)
