"""From plans to batches: what every step takes (``feeds.py``, ``mixture.py``), and how its rows look (``rows.py``).

``Loader`` (``loader.py``) is a function of the step. ``TextLoader`` (``streaming.py``) encodes and packs text as it
goes.
"""

from portmanteau.loading.feeds import Curriculum, Epochs
from portmanteau.loading.loader import Loader
from portmanteau.loading.mixture import Mixture

__all__ = ["Curriculum", "Epochs", "Loader", "Mixture"]
