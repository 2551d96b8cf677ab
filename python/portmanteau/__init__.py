"""Portmanteau: byte-level BPE and SuperBPE tokenizers, and packing of documents into training sequences.

Text → pretokens → ids → a plan of sequences → batches:

>>> import portmanteau as pm
>>> tokenizer = pm.Tokenizer.load("o200k_base")
>>> batch = tokenizer.encode_batch(["by the way", "off we go"])
>>> batch.ids.tolist()
[2345, 290, 2006, 2864, 581, 810]

``import portmanteau`` imports NumPy and nothing heavier.
"""

from portmanteau import data
from portmanteau._rust import __version__
from portmanteau.batch import TokenBatch
from portmanteau.counting import count_units
from portmanteau.errors import (
    DecodingError,
    EncodingError,
    Error,
    FileError,
    InternalError,
    MissingDependencyError,
    PackingError,
    PatternError,
    TrainingError,
    UnsupportedError,
    VocabularyError,
)
from portmanteau.loading import Curriculum, Epochs, Loader, Mixture, TextLoader
from portmanteau.packing import Histogram, PackedSequences, PackPlan, StreamPacker, balance, merge_plans, pack
from portmanteau.store import Dataset, DatasetPlan, prepare, write_dataset
from portmanteau.streaming import TokenStream
from portmanteau.tokenizer import Tokenizer
from portmanteau.training import continue_training, train_bpe, train_superbpe

__all__ = [
    "Curriculum",
    "Dataset",
    "DatasetPlan",
    "DecodingError",
    "EncodingError",
    "Epochs",
    "Error",
    "FileError",
    "Histogram",
    "InternalError",
    "Loader",
    "MissingDependencyError",
    "Mixture",
    "PackPlan",
    "PackedSequences",
    "PackingError",
    "PatternError",
    "StreamPacker",
    "TextLoader",
    "TokenBatch",
    "TokenStream",
    "Tokenizer",
    "TrainingError",
    "UnsupportedError",
    "VocabularyError",
    "__version__",
    "balance",
    "continue_training",
    "count_units",
    "data",
    "merge_plans",
    "pack",
    "prepare",
    "train_bpe",
    "train_superbpe",
    "write_dataset",
]
