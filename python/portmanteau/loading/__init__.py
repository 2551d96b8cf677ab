"""From plans to batches: what every step takes (``feeds.py``, ``mixture.py``), and how its rows look (``rows.py``).

``Loader`` (``loader.py``) is a function of the step. ``TextLoader`` (``text_loader.py``, ``lanes.py``) encodes and
packs text as it goes.
"""

from portmanteau.loading.feeds import Curriculum, Epochs
from portmanteau.loading.loader import Loader
from portmanteau.loading.mixture import Mixture
from portmanteau.loading.text_loader import TextLoader

__all__ = ["Curriculum", "Epochs", "Loader", "Mixture", "TextLoader"]
