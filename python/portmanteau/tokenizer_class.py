"""A warning about ``tokenizer_config.json``, whose ``tokenizer_class`` may make ``transformers`` give other ids."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

__all__ = ["warn_of_replaced_pretokenizer"]

#: For these, ``transformers`` 5 takes GPT-2's pretokenizer in place of the one in ``tokenizer.json``.
_GPT2_CLASSES = ("GPT2Tokenizer", "GPT2TokenizerFast")


def warn_of_replaced_pretokenizer(path: Path, pretokenizer: str | None, *, stacklevel: int) -> None:
    """Warns if the ``tokenizer_config.json`` beside ``path``, a ``tokenizer.json``, asks for GPT-2's class.

    Nothing is said where the pretokenizer is GPT-2's, or there is no such file, or it cannot be read: it is not what
    the caller has asked for.
    """
    config_path = path.with_name("tokenizer_config.json")
    try:
        config = json.loads(config_path.read_bytes())
    except (OSError, ValueError):
        return
    name = config.get("tokenizer_class") if isinstance(config, dict) else None
    if name in _GPT2_CLASSES and pretokenizer != "r50k":
        message = (
            f"{config_path}: the tokenizer_class {name} makes transformers use GPT-2's pretokenizer in place of "
            f"that of {path.name}: other ids, and no superwords; write PreTrainedTokenizerFast there, or load the file "
            "with tokenizers.Tokenizer.from_file"
        )
        warnings.warn(message, UserWarning, stacklevel=stacklevel)
