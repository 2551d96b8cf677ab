"""Trains a small model with JAX: grain shuffles and batches packed sequences, and its checkpoint resumes exactly.

python examples/pretrain_jax.py --out run --steps 20
python examples/pretrain_jax.py --out run --steps 30 --resume

The text is the sample that ships with the package. A sequence of the plan is an element of a ``grain.MapDataset``,
which depends on its number alone: so the state of grain's iterator is all that a checkpoint needs for the data.
"""

from __future__ import annotations

import argparse
import itertools
import json
import pickle
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import grain
import jax
import jax.numpy as jnp

import portmanteau as pm
from portmanteau.grain import PackedSource

Arrays = dict[str, Any]


def make_plan(out: Path, width: int) -> pm.DatasetPlan:
    """Encodes the bundled text once and packs its documents. What is there already is used again."""
    out.mkdir(parents=True, exist_ok=True)
    text = out / "text.jsonl"
    if not text.exists():
        lines = (json.dumps({"text": document["text"]}) for document in pm.data.sample("train"))
        text.write_text("\n".join(lines), encoding="utf-8")
    path = out / "tokenizer.json"
    if not path.exists():
        pm.train_bpe(text, vocab_size=2048, special_tokens=["<|end|>"]).save(path)
    tokenizer = pm.Tokenizer.load(path)
    pm.prepare(text, tokenizer, out / "tokens")
    return pm.Dataset.open(out / "tokens").pack(width, eos_id=tokenizer.special_tokens["<|end|>"])


def batches_of(plan: pm.DatasetPlan, batch_size: int) -> grain.DatasetIterator:
    """Batches without end, in another order in every epoch."""
    source = PackedSource(plan, arrays=("input_ids", "position_ids", "segment_ids", "labels"))
    sequences = grain.MapDataset.source(source).seed(0).shuffle().repeat().batch(batch_size)
    return iter(sequences.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)))


def first_parameters(vocab_size: int, width: int, size: int = 64) -> Arrays:
    """One layer of attention and one of a network, small numbers to begin with."""
    shapes = {
        "tokens": (vocab_size, size),
        "positions": (width, size),
        "qkv": (size, 3 * size),
        "out": (size, size),
        "up": (size, 4 * size),
        "down": (4 * size, size),
    }
    keys = jax.random.split(jax.random.key(0), len(shapes))
    return {
        name: 0.05 * jax.random.normal(key, shape)
        for key, (name, shape) in zip(keys, shapes.items(), strict=True)
    }


def normed(x: jax.Array) -> jax.Array:
    """Each vector with mean 0 and variance 1."""
    return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)


def loss_of(parameters: Arrays, batch: Arrays) -> jax.Array:
    """The mean loss of the tokens that have a label; attention stays within the segments of a row."""
    ids, segments = batch["input_ids"], batch["segment_ids"]
    x = parameters["tokens"][ids] + parameters["positions"][batch["position_ids"]]
    q, k, v = jnp.split(normed(x) @ parameters["qkv"], 3, axis=-1)
    scores = q @ k.swapaxes(-1, -2) / jnp.sqrt(q.shape[-1])
    seen = jnp.tril(segments[:, :, None] == segments[:, None, :])  # padding is segment 0 and sees padding
    x = x + jax.nn.softmax(jnp.where(seen, scores, -jnp.inf)) @ v @ parameters["out"]
    x = x + jax.nn.gelu(normed(x) @ parameters["up"]) @ parameters["down"]
    logits = jax.nn.log_softmax(normed(x) @ parameters["tokens"].T)[:, :-1]
    # Labels are those of the token itself, -100 on the first of each document: the model has to shift them.
    labels = batch["labels"][:, 1:]
    of_labels = jnp.take_along_axis(logits, jnp.maximum(labels, 0)[..., None], axis=-1)[..., 0]
    return -(of_labels * (labels >= 0)).sum() / (labels >= 0).sum()


@partial(jax.jit, donate_argnums=(0, 1))
def step(parameters: Arrays, momentum: Arrays, batch: Arrays) -> tuple[Arrays, Arrays, jax.Array]:
    """One step of gradient descent with momentum."""
    loss, gradients = jax.value_and_grad(loss_of)(parameters, batch)
    momentum = jax.tree.map(lambda old, new: 0.9 * old + new, momentum, gradients)
    return jax.tree.map(lambda old, new: old - 0.1 * new, parameters, momentum), momentum, loss


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Trains, prints and returns the losses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("run"), help="where everything is written")
    parser.add_argument("--width", type=int, default=128, help="tokens in a sequence")
    parser.add_argument("--batch-size", type=int, default=8, help="sequences in a step")
    parser.add_argument("--steps", type=int, default=20, help="the step to stop at")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    args = parser.parse_args(arguments)

    plan = make_plan(args.out, args.width)
    batches = batches_of(plan, args.batch_size)
    parameters = first_parameters(plan.dataset.tokenizer.vocab_size, args.width)
    momentum = jax.tree.map(jnp.zeros_like, parameters)
    losses: list[float] = []
    checkpoint = args.out / "checkpoint.pickle"
    if args.resume:
        state = pickle.loads(checkpoint.read_bytes())
        batches.set_state(state["batches"])
        parameters, momentum, losses = state["parameters"], state["momentum"], state["losses"]
    print(f"{plan}, {sum(each.size for each in parameters.values()):,} parameters")
    for batch in itertools.islice(batches, args.steps - len(losses)):
        parameters, momentum, loss = step(parameters, momentum, batch)
        losses.append(float(loss))
        print(f"step {len(losses)}: {losses[-1]:.4f}")
    of_arrays = jax.device_get({"parameters": parameters, "momentum": momentum})
    checkpoint.write_bytes(pickle.dumps({**of_arrays, "batches": batches.get_state(), "losses": losses}))
    return losses


if __name__ == "__main__":
    main()
