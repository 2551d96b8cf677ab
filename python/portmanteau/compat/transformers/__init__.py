"""``PreTrainedTokenizerFast`` of Hugging Face ``transformers``, with the ids and the speed of Portmanteau.

It is a subclass of the original, so that trainers, collators and ``isinstance`` take it as one:

>>> import portmanteau as pm
>>> from portmanteau.compat.transformers import PreTrainedTokenizerFast
>>> tokenizer = PreTrainedTokenizerFast.from_tokenizer(pm.Tokenizer.load("r50k_base"), eos_token="<|endoftext|>")
>>> tokenizer("by the way")["input_ids"]
[1525, 262, 835]

Needs the extra ``transformers``: version 5 of it, and Jinja for chat templates.
"""

from portmanteau.errors import MissingDependencyError

try:
    import transformers as _original
except ImportError as error:
    message = "transformers is not installed; get it with: pip install 'portmanteau[transformers]'"
    raise MissingDependencyError(message) from error
if int(_original.__version__.partition(".")[0]) < 5:
    message = f"transformers {_original.__version__} is too old; get version 5: pip install 'portmanteau[transformers]'"
    raise MissingDependencyError(message)

from portmanteau.compat.transformers.tokenizer import PreTrainedTokenizerFast

__all__ = ["PreTrainedTokenizerFast"]
