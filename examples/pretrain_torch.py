"""Pretrains a small model with PyTorch: from raw text files to a loss that falls, with an exact resume.

python examples/pretrain_torch.py --out run --steps 40
python examples/pretrain_torch.py --out run --steps 60 --resume

The text is the sample that ships with the package, written as JSON Lines; give your own files with --files. A model of
about a million parameters learns on the CPU in under a minute. Documents share rows, and attention stays within them:
``packed_and_alone`` measures that the loss is that of each document by itself.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

import portmanteau as pm
from portmanteau.torch import DataLoader


def write_sample(folder: Path) -> list[Path]:
    """The bundled text as three JSON Lines files, as a corpus would lie on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    documents = pm.data.sample("train")
    paths = [folder / f"part-{number}.jsonl" for number in range(3)]
    for number, path in enumerate(paths):
        if not path.exists():
            lines = (json.dumps({"text": document["text"]}) for document in documents[number::3])
            path.write_text("\n".join(lines), encoding="utf-8")
    return paths


def make_plan(files: Sequence[Path], out: Path, width: int) -> pm.DatasetPlan:
    """Trains a tokenizer, encodes the files once, packs the documents. What is there already is used again."""
    path = out / "tokenizer.json"
    if not path.exists():
        pm.train_bpe(files, vocab_size=4096, special_tokens=["<|end|>"]).save(path)
    tokenizer = pm.Tokenizer.load(path)
    pm.prepare(files, tokenizer, out / "tokens")
    return pm.Dataset.open(out / "tokens").pack(width, eos_id=tokenizer.special_tokens["<|end|>"])


class Block(nn.Module):
    """Attention and a feed-forward layer."""

    def __init__(self, size: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norms = nn.ModuleList([nn.LayerNorm(size), nn.LayerNorm(size)])
        self.qkv, self.out = nn.Linear(size, 3 * size), nn.Linear(size, size)
        self.feed_forward = nn.Sequential(nn.Linear(size, 4 * size), nn.GELU(), nn.Linear(4 * size, size))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """``[rows, width, size]`` to the same; the mask is ``[rows, 1, width, width]``."""
        q, k, v = self.qkv(self.norms[0](x)).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.out(seen.transpose(1, 2).flatten(-2))
        return x + self.feed_forward(self.norms[1](x))


class Model(nn.Module):
    """A causal language model whose attention stays within the documents of a row."""

    def __init__(self, vocab_size: int, width: int, size: int = 128, n_layers: int = 2) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(vocab_size, size), nn.Embedding(width, size)
        self.blocks = nn.ModuleList(Block(size, n_heads=4) for _ in range(n_layers))
        self.norm = nn.LayerNorm(size)
        for embedding in (self.tokens, self.positions):
            nn.init.normal_(embedding.weight, std=0.02)

    def loss(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The sum of the losses of all tokens that have a label."""
        ids, segments = batch["input_ids"], batch["segment_ids"]
        # A token sees those of its own document up to itself; padding, which is segment 0, sees padding.
        mask = (segments[:, :, None] == segments[:, None, :]).tril()[:, None]
        x = self.tokens(ids) + self.positions(batch["position_ids"].long())
        for block in self.blocks:
            x = block(x, mask)
        logits = self.norm(x) @ self.tokens.weight.T
        # Labels are those of the token itself, -100 on the first of each document: the model has to shift them.
        logits, labels = logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten()
        return functional.cross_entropy(logits, labels, ignore_index=-100, reduction="sum")


@torch.no_grad()
def packed_and_alone(model: Model, plan: pm.DatasetPlan, sequences: Sequence[int]) -> tuple[float, float]:
    """The mean loss of a token in packed rows, and where each document is a row of its own."""
    packed = plan.apply(sequences, dtype="int64")
    arrays = {name: getattr(packed, name) for name in ("input_ids", "position_ids", "segment_ids")}
    batch = {name: torch.from_numpy(array) for name, array in (arrays | {"labels": packed.labels()}).items()}
    alone = 0.0
    for row in range(len(packed)):
        for start, end in itertools.pairwise(packed.cu_seqlens(row).tolist()):
            document = {name: each[row : row + 1, start:end] for name, each in batch.items()}
            alone += float(model.loss(document))
    n_labels = int((batch["labels"] != -100).sum())
    return float(model.loss(batch)) / n_labels, alone / n_labels


def main(arguments: Sequence[str] | None = None) -> list[float]:
    """Trains, prints and returns the losses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", nargs="*", type=Path, help="text, JSON Lines or Parquet files")
    parser.add_argument("--out", type=Path, default=Path("run"), help="where everything is written")
    parser.add_argument("--width", type=int, default=256, help="tokens in a sequence")
    parser.add_argument("--batch-size", type=int, default=8, help="sequences in a step")
    parser.add_argument("--steps", type=int, default=40, help="the step to stop at")
    parser.add_argument("--workers", type=int, default=0, help="processes that make batches")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    args = parser.parse_args(arguments)

    torch.manual_seed(0)
    plan = make_plan(args.files or write_sample(args.out / "text"), args.out, args.width)
    model = Model(plan.dataset.tokenizer.vocab_size, args.width)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    arrays = ("input_ids", "position_ids", "segment_ids", "labels")
    loader = pm.Loader(plan, batch_size=args.batch_size, seed=0, arrays=arrays)
    batches = DataLoader(loader, num_workers=args.workers)
    parts = {"model": model, "optimizer": optimizer, "batches": batches}
    losses: list[float] = []
    if args.resume:
        state = torch.load(args.out / "checkpoint.pt")
        losses = state["losses"]
        for name, part in parts.items():
            part.load_state_dict(state[name])
    print(f"{plan}, {sum(each.numel() for each in model.parameters()):,} parameters")
    for batch in itertools.islice(batches, args.steps - len(losses)):
        loss = model.loss(batch) / (batch["labels"] != -100).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        print(f"step {len(losses)}: {losses[-1]:.4f}")
    states = {name: part.state_dict() for name, part in parts.items()}
    torch.save({**states, "losses": losses}, args.out / "checkpoint.pt")
    packed, alone = packed_and_alone(model, plan, range(4))
    print(f"loss of packed rows {packed:.6f}, of each document alone {alone:.6f}")
    return losses


if __name__ == "__main__":
    main()
