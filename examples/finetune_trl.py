"""Fine-tunes a small Llama with TRL on packed questions and answers, with the loss on the answers alone.

python examples/finetune_trl.py --out run --steps 30

The questions are made here; give a dataset of your own with the columns ``prompt`` and ``answer`` as JSON Lines with
--files. The rows are packed by Portmanteau, all at once, and ``SFTTrainer`` takes them as they are: ``input_ids``,
``labels`` and ``seq_lengths``. Its padding-free collator makes positions that start again in every document, by which
the model keeps documents apart.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import datasets
import transformers
import trl

import portmanteau as pm
from portmanteau.datasets import map_tokenize, pack

END = "<|end|>"


def questions(count: int) -> datasets.Dataset:
    """Sums to learn, of any length, so that there is something to pack."""
    draw = random.Random(0)
    rows = []
    for _ in range(count):
        numbers = [draw.randrange(10) for _ in range(draw.randint(2, 12))]
        rows.append(
            {
                "prompt": f"How much is {' and '.join(map(str, numbers))}?\n",
                "answer": f"It is {sum(numbers)}, the sum of {len(numbers)} numbers.",
            }
        )
    return datasets.Dataset.from_list(rows)


def make_tokenizer(texts: datasets.Dataset, out: Path) -> pm.Tokenizer:
    """A small tokenizer of the texts; a real one would be loaded: ``pm.Tokenizer.load("tokenizer.json")``."""
    out.mkdir(parents=True, exist_ok=True)
    columns = [text for name in ("prompt", "answer") for text in texts[name]]
    tokenizer = pm.train_bpe(texts=columns, vocab_size=320, special_tokens=[END])
    tokenizer.save(out / "tokenizer.json")
    return tokenizer


def make_trainer(
    packed: datasets.Dataset, tokenizer: pm.Tokenizer, out: Path, steps: int, batch_size: int
) -> trl.SFTTrainer:
    """TRL's trainer of a Llama with two layers."""
    end_id = tokenizer.special_tokens[END]
    transformers.set_seed(0)
    model = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=tokenizer.vocab_size,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            bos_token_id=None,
            eos_token_id=end_id,
            pad_token_id=end_id,
        )
    )
    arguments = trl.SFTConfig(
        output_dir=str(out),
        packing=False,  # the rows are packed
        padding_free=True,
        max_length=None,  # no sequence is longer than the plan says
        per_device_train_batch_size=batch_size,
        max_steps=steps,
        learning_rate=5e-3,
        lr_scheduler_type="constant",
        bf16=False,
        use_cpu=True,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
    )
    return trl.SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=packed,
        processing_class=transformers.PreTrainedTokenizerFast(
            tokenizer_file=str(out / "tokenizer.json"), eos_token=END, pad_token=END
        ),
    )


def main(arguments: Sequence[str] | None = None) -> trl.SFTTrainer:
    """Trains, and returns the trainer; it prints the losses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--files", nargs="*", help="JSON Lines with the columns prompt and answer")
    parser.add_argument("--out", type=Path, default=Path("run"), help="where everything is written")
    parser.add_argument("--width", type=int, default=256, help="the most tokens in a sequence")
    parser.add_argument("--batch-size", type=int, default=2, help="sequences in a step")
    parser.add_argument("--steps", type=int, default=30, help="how many steps to learn")
    args = parser.parse_args(arguments)

    texts = questions(1000)
    if args.files:
        texts = datasets.load_dataset("json", data_files=args.files, split="train")
    tokenizer = make_tokenizer(texts, args.out)
    encoded = map_tokenize(
        texts,
        tokenizer,
        text_column=["prompt", "answer"],
        loss_on="answer",
        eos_id=tokenizer.special_tokens[END],
    )
    packed = pack(encoded, args.width)
    print(f"{len(texts)} questions in {len(packed)} sequences of up to {args.width} tokens")
    trainer = make_trainer(packed, tokenizer, args.out, args.steps, args.batch_size)
    trainer.train()
    return trainer


if __name__ == "__main__":
    main()
