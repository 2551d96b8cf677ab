"""Comparisons with the libraries that Portmanteau stands beside, on the machine where they run.

One sample is one fresh process (:mod:`~portmanteau.benchmarking.worker` for encoding,
:mod:`~portmanteau.benchmarking.training_worker` for training), which loads one library and times it. The libraries take
turns (:mod:`~portmanteau.benchmarking.sampling`), and no figure counts before the ids or merges behind it were compared
with those of a reference (:mod:`~portmanteau.benchmarking.encode`, :mod:`~portmanteau.benchmarking.train`).

Nothing here is imported by ``import portmanteau``; the command ``portmanteau bench`` imports it when it runs.
"""
