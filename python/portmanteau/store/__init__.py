"""Token stores: text files become shards of ids, which are mapped into memory, with plans beside them.

``preparing.py`` makes a store of text files, with ``job.py``, which says what is to be made, and ``making.py``, which
makes it; ``writing_batches.py`` makes one of ids. Both write shards with ``writing.py``.
``format.py`` has the names of files and what the JSON files say, ``mapped.py`` maps shards, ``dataset.py`` is what
users open, ``plans.py`` packs it, and ``verifying.py`` proves that all of it is as it was written.
"""

from portmanteau.store.dataset import Dataset
from portmanteau.store.plans import DatasetPlan
from portmanteau.store.preparing import prepare
from portmanteau.store.writing_batches import write_dataset

__all__ = ["Dataset", "DatasetPlan", "prepare", "write_dataset"]
