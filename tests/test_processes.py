"""A tokenizer goes wherever Python goes: forked, spawned and pickled, shared by threads, with the GIL released."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import portmanteau as pm
from references import tokenizer_json

pytestmark = pytest.mark.timeout(120)

TEXTS = ["by the way, " * 50, "", "日本語 🙂 don't  \n\n", "x = 1;\n" * 40] * 50


@pytest.fixture(scope="module")
def tokenizer() -> pm.Tokenizer:
    return pm.Tokenizer.load("r50k_base")


def in_forked_child(work: Callable[[], bool], seconds: int = 60) -> bool:
    """Whether `work` is true in a forked child, which is given this long."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # "use of fork() may lead to deadlocks": that is the test
        child = os.fork()
    if child == 0:
        signal.alarm(seconds)
        try:
            os._exit(0 if work() else 1)
        except BaseException:
            os._exit(2)
    return os.waitpid(child, 0)[1] == 0


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


@needs_fork
def test_after_threads_were_used(tokenizer: pm.Tokenizer) -> None:
    expected = tokenizer.encode_batch(TEXTS, threads=4)
    assert in_forked_child(lambda: tokenizer.encode_batch(TEXTS, threads=4) == expected)
    assert in_forked_child(lambda: tokenizer.encode(TEXTS[0]).tolist() == expected[0].tolist())


@needs_fork
def test_while_other_threads_encode(tokenizer: pm.Tokenizer) -> None:
    expected = tokenizer.encode_batch(TEXTS, threads=2)
    stop = threading.Event()

    def keep_encoding() -> None:
        while not stop.is_set():
            tokenizer.encode(TEXTS[0])
            tokenizer.encode_batch(TEXTS[:20], threads=2)

    threads = [threading.Thread(target=keep_encoding) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(15):
            assert in_forked_child(lambda: tokenizer.encode_batch(TEXTS, threads=2) == expected)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def encode_here(tokenizer: pm.Tokenizer) -> list[int]:
    return tokenizer.encode_batch(TEXTS[:4], threads=2).ids.tolist()


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_worker_processes(tokenizer: pm.Tokenizer, method: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with multiprocessing.get_context(method).Pool(2) as pool:
            results = pool.map_async(encode_here, [tokenizer] * 4).get(timeout=100)
    assert results == [encode_here(tokenizer)] * 4


def kinds(folder: Path) -> dict[str, pm.Tokenizer]:
    """A tokenizer of every kind there is."""
    (folder / "tokenizer.json").write_text(
        tokenizer_json(
            normalizer={"type": "NFC"},
            added_tokens=[{"id": 266, "content": "<x>", "special": True}, {"id": 267, "content": "日"}],
        ),
        encoding="utf-8",
    )
    r50k = pm.Tokenizer.load("r50k_base")
    r50k.save(folder / "r50k.tiktoken")
    named = pm.Tokenizer.load(folder / "r50k.tiktoken", pretokenizer="cl100k", special_tokens={"<x>": 60_000})
    own = pm.Tokenizer.load(
        folder / "r50k.tiktoken", pretokenizer=r"[^\n]+$|\n", special_tokens={"<x>": 60_000}
    )
    return {
        "bundled": r50k,
        "rank file": named,
        "rank file with a pattern of its own": own,
        "tokenizer.json": pm.Tokenizer.load(folder / "tokenizer.json"),
    }


@pytest.mark.parametrize(
    "kind", ["bundled", "rank file", "rank file with a pattern of its own", "tokenizer.json"]
)
def test_copies(kind: str, tmp_path: Path) -> None:
    original = kinds(tmp_path)[kind]
    text = "don't <x> 日  \n\n  12345 e\u0301<|endoftext|>"
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(original, protocol))
        assert again == original
        assert hash(again) == hash(original)
        assert again.encode(text, special="parse").tolist() == original.encode(text, special="parse").tolist()
        assert (again.special_tokens, again.vocab_size) == (original.special_tokens, original.vocab_size)
    for duplicate in (copy.copy(original), copy.deepcopy(original)):
        assert duplicate == original
    assert original != "r50k_base"


def test_a_batch_pickles(tokenizer: pm.Tokenizer) -> None:
    batch = tokenizer.encode_batch(TEXTS)
    assert pickle.loads(pickle.dumps(batch)) == batch
    assert copy.deepcopy(batch) == batch


def test_eight_threads_at_once(tokenizer: pm.Tokenizer) -> None:
    expected = [tokenizer.encode(text).tolist() for text in TEXTS]

    def work(seed: int) -> bool:
        order = np.random.default_rng(seed).permutation(len(TEXTS))
        one_by_one = all(tokenizer.encode(TEXTS[i]).tolist() == expected[i] for i in order)
        return one_by_one and tokenizer.encode_batch(TEXTS, threads=2)[3].tolist() == expected[3]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_other_threads_go_on_while_one_encodes(tokenizer: pm.Tokenizer) -> None:
    text = "by the way " * 6_000_000
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.001)

    ticker = threading.Thread(target=tick)
    ticker.start()
    try:
        before = ticks
        start = time.perf_counter()
        tokenizer.encode(text)
        seconds, during = time.perf_counter() - start, ticks - before
    finally:
        done.set()
        ticker.join()
    assert seconds > 0.05
    assert during > seconds * 50, f"{during} ticks in {seconds:.2f} s"


LONG_WORK = {
    "counting": """
        text = "some words, and then some more of them " * 400_000
        ready()
        pm.train_bpe(texts=[text] * 100, vocab_size=300, unit="document")
    """,
    "merging": r"""
        import random
        random.seed(0)
        text = "".join(random.choices("abcdefghijklmnop", k=1_500_000))
        ready()
        pm.train_bpe(texts=[text], vocab_size=1 << 20, unit="document", pretokenizer=r"\n")
    """,
    "encoding": """
        tokenizer = pm.Tokenizer.load("r50k_base")
        texts = ["some words, and then some more of them " * 10_000] * 10_000
        ready()
        tokenizer.encode_batch(texts)
    """,
    "encoding one text": """
        import numpy as np
        tokenizer = pm.Tokenizer.load("r50k_base")
        letters = np.random.default_rng(0).integers(97, 123, 50_000_000, dtype=np.uint8)
        letters[::200] = ord(" ")
        text = letters.tobytes().decode()
        ready()
        tokenizer.encode_batch([text] * 10)
    """,
}


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("work", LONG_WORK)
def test_ctrl_c_stops_long_work(work: str) -> None:
    program = "import portmanteau as pm\ndef ready(): print('ready', flush=True)\n" + textwrap.dedent(
        LONG_WORK[work]
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(1.5)
        assert process.poll() is None, "it was done before it could be stopped"
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        _, stderr = process.communicate(timeout=20)
        # A second is the promise; the rest is for a machine that is busy with other things.
        assert time.monotonic() - start < 3
        assert b"KeyboardInterrupt" in stderr
