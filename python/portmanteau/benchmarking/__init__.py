"""Comparisons with the libraries that Portmanteau stands beside, on the machine where they run.

One sample is one fresh process (:mod:`~portmanteau.benchmarking.worker` for encoding,
:mod:`~portmanteau.benchmarking.training_worker` for training, :mod:`~portmanteau.benchmarking.packing_worker` for
packing), which loads one library and times it. The libraries take turns (:mod:`~portmanteau.benchmarking.sampling`).
No figure counts before the ids or merges behind it were compared with those of a reference
(:mod:`~portmanteau.benchmarking.encode`, :mod:`~portmanteau.benchmarking.train`), or the sequences were found to hold
every piece once (:mod:`~portmanteau.benchmarking.pack`).

Nothing here is imported by ``import portmanteau``; the command ``portmanteau bench`` imports it when it runs.
"""
