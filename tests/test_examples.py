"""The programs of examples/ run: losses fall, checkpoints resume exactly, and packed rows cost what documents do."""

from __future__ import annotations

import importlib.util
import itertools
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import portmanteau as pm
from libraries import library

EXAMPLES = Path(__file__).parents[1] / "examples"
NEEDS = {
    "pretrain_torch": ["torch"],
    "pretrain_jax": ["jax", "grain"],
    "finetune_trl": ["torch", "datasets", "transformers", "trl"],
}
CLOSE = 1e-5
SMALL = ["--batch-size", "4"]


def example(name: str) -> Any:
    """The program of this name, as a module."""
    for needed in NEEDS[name]:
        library(needed)
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_example_is_tested():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(NEEDS)
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"{name}.py" in readme for name in NEEDS)


@pytest.mark.parametrize("name", NEEDS)
def test_it_says_how_it_is_called(name, monkeypatch, capsys):
    for needed in NEEDS[name]:
        library(needed)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    said = capsys.readouterr().out
    assert f"python examples/{name}.py" in said
    assert "--steps" in said


def check_losses(losses: list[float], n_steps: int) -> None:
    assert len(losses) == n_steps
    assert np.mean(losses[-5:]) < losses[0] - 0.5


def resumed(module: Any, out: Path, n_steps: int, *more: str) -> list[float]:
    """The losses of a run that is stopped in the middle and goes on, with the same arguments or with more."""
    stopped = module.main(["--out", str(out), "--steps", str(n_steps // 2), *SMALL])
    losses = module.main(["--out", str(out), "--steps", str(n_steps), "--resume", *SMALL, *more])
    assert losses[: n_steps // 2] == stopped
    return losses


# ── PyTorch ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def pretrain_torch() -> Any:
    return example("pretrain_torch")


@pytest.fixture(scope="module")
def torch_run(pretrain_torch, tmp_path_factory) -> tuple[Path, list[float]]:
    out = tmp_path_factory.mktemp("torch")
    return out, pretrain_torch.main(["--out", str(out), "--steps", "20", *SMALL])


# CPython 3.12 and newer say so of every fork beside threads; the workers of the second run are forked.
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_torch_learns_and_resumes(pretrain_torch, torch_run, tmp_path):
    _, losses = torch_run
    check_losses(losses, 20)
    assert resumed(pretrain_torch, tmp_path, 20, "--workers", "2") == losses


def test_torch_takes_the_same_loss_of_packed_rows(pretrain_torch, torch_run):
    torch = library("torch")
    out, _ = torch_run
    plan = pm.Dataset.open(out / "tokens").plan()
    model = pretrain_torch.Model(plan.dataset.tokenizer.vocab_size, plan.capacity)
    model.load_state_dict(torch.load(out / "checkpoint.pt")["model"])
    assert 0.9e6 < sum(each.numel() for each in model.parameters()) < 1.1e6
    several = np.flatnonzero(np.diff(plan.plan.sequence_offsets) > 2)[:8]
    packed, alone = pretrain_torch.packed_and_alone(model, plan, several)
    assert abs(packed - alone) < CLOSE
    # A model that has learnt little hardly looks around; with large weights, every token that it sees counts.
    for each in model.parameters():
        torch.nn.init.normal_(each, mean=float(each.dim() == 1), std=0.3)
    packed, alone = pretrain_torch.packed_and_alone(model, plan, several)
    assert abs(packed - alone) < CLOSE
    of_model = model.loss
    model.loss = lambda batch: of_model({**batch, "segment_ids": torch.ones_like(batch["segment_ids"])})
    packed, alone = pretrain_torch.packed_and_alone(model, plan, several)
    assert abs(packed - alone) > 100 * CLOSE


# ── JAX ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def pretrain_jax() -> Any:
    return example("pretrain_jax")


def test_jax_learns_and_resumes(pretrain_jax, tmp_path):
    losses = pretrain_jax.main(["--out", str(tmp_path / "whole"), "--steps", "24", *SMALL])
    check_losses(losses, 24)
    assert resumed(pretrain_jax, tmp_path / "stopped", 24) == losses


def test_jax_takes_the_same_loss_of_packed_rows(pretrain_jax, tmp_path):
    plan = pretrain_jax.make_plan(tmp_path, 128)
    parameters = pretrain_jax.first_parameters(plan.dataset.tokenizer.vocab_size, 128)
    several = np.flatnonzero(np.diff(plan.plan.sequence_offsets) > 2)[:4]
    packed = plan.apply(several, dtype="int32")
    names = ("input_ids", "position_ids", "segment_ids")
    batch = {**{name: getattr(packed, name) for name in names}, "labels": packed.labels()}
    # Each document in a row of its own, with padding behind it, which has no label.
    alone: dict[str, Any] = {name: [] for name in batch}
    for row in range(len(packed)):
        for start, end in itertools.pairwise(packed.cu_seqlens(row).tolist()):
            for name, rows in batch.items():
                padding = np.full(packed.width - (end - start), -100 if name == "labels" else 0, np.int32)
                alone[name].append(np.concatenate([rows[row, start:end], padding]))
    expected = float(pretrain_jax.loss_of(parameters, {name: np.stack(rows) for name, rows in alone.items()}))
    assert len(alone["labels"]) > 2 * len(packed)
    assert abs(float(pretrain_jax.loss_of(parameters, batch)) - expected) < CLOSE
    together = {**batch, "segment_ids": np.ones_like(batch["segment_ids"])}
    assert abs(float(pretrain_jax.loss_of(parameters, together)) - expected) > 10 * CLOSE


# ── TRL ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


# TRL 1.16 sets an option that transformers 5.23 calls by another name.
@pytest.mark.filterwarnings("ignore:.gradient_checkpointing. is deprecated:FutureWarning:transformers")
def test_trl_learns_the_answers(tmp_path):
    torch = library("torch")
    module = example("finetune_trl")
    trainer = module.main(["--out", str(tmp_path), "--steps", "20"])
    check_losses([entry["loss"] for entry in trainer.state.log_history if "loss" in entry], 20)
    tokenizer = pm.Tokenizer.load(tmp_path / "tokenizer.json")
    expected = sorted((row["prompt"], row["answer"] + module.END) for row in module.questions(1000))
    found, documents = [], []
    for row in trainer.train_dataset:
        ends = np.cumsum(row["seq_lengths"]).tolist()
        for start, end in itertools.pairwise([0, *ends]):
            ids, labels = row["input_ids"][start:end], row["labels"][start:end]
            n_prompt = labels.count(-100)
            assert labels[n_prompt:] == ids[n_prompt:]
            found.append((tokenizer.decode(ids[:n_prompt]), tokenizer.decode(ids[n_prompt:])))
            documents.append({"input_ids": ids, "labels": labels})
    assert sorted(found) == expected

    # The trainer's own model and collator take the same loss of rows as of the documents in them.
    def loss_of(rows: list[dict[str, Any]]) -> tuple[float, int]:
        batch = trainer.data_collator(rows)
        with torch.no_grad():
            loss = trainer.model(**batch, use_cache=False).loss
        n_labels = int((batch["labels"][:, 1:] != -100).sum())
        return float(loss) * n_labels, n_labels

    rows = [trainer.train_dataset[row] for row in range(2)]
    packed, n_labels = loss_of(rows)
    alone = [loss_of([document]) for document in documents[: sum(len(row["seq_lengths"]) for row in rows)]]
    assert sum(n for _, n in alone) == n_labels
    expected = sum(loss for loss, _ in alone)
    assert abs(packed - expected) / n_labels < CLOSE
    together, _ = loss_of([{name: row[name] for name in ("input_ids", "labels")} for row in rows])
    assert abs(together - expected) / n_labels > 10 * CLOSE, "without seq_lengths a row is one document"
