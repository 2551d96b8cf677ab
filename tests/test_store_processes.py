"""Datasets and several processes: all ranks of a training may plan at the same time."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

import portmanteau as pm

PACK = """
import sys
import numpy as np
import portmanteau as pm
dataset = pm.Dataset.open("dataset")
print("ready", flush=True)
sys.stdin.readline()
for capacity in range(8, 40):
    plan = dataset.pack(capacity, eos_id=0)
    assert plan.apply(np.arange(plan.n_sequences)).input_ids.shape[1] == capacity
"""


def test_ranks_that_plan_the_same_at_the_same_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tokenizer = pm.Tokenizer.load("r50k_base")
    texts = ["by the way " * (number % 7) for number in range(500)]
    dataset = pm.write_dataset(tokenizer.encode_batch(texts), "dataset", tokenizer)
    command = [sys.executable, "-c", PACK]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    ranks = [subprocess.Popen(command, **pipes) for _ in range(4)]
    for rank in ranks:
        assert rank.stdout.readline() == "ready\n"
    for rank in ranks:
        rank.stdin.write("\n")
        rank.stdin.flush()
    said = [rank.communicate(timeout=120)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0] * 4, said
    dataset.verify()
    assert len(dataset.plans) == 32
    assert np.all(dataset.lengths == tokenizer.encode_batch(texts).lengths)
