"""Folders that ``datasets.Dataset.save_to_disk`` of Hugging Face has written: Arrow streams and a list of them."""

from __future__ import annotations

import json
from typing import Any

from portmanteau.reading.addresses import child, located
from portmanteau.reading.opening import opened, reading_errors, wrong_file

__all__ = ["data_files"]


def data_files(folder: str) -> list[str] | None:
    """The data files of a dataset, in their order, or ``None`` if the folder holds none.

    Raises:
        FileError: The folder holds several datasets, or one whose rows are in another order than in its files, or
            the list of the files is damaged.
    """
    splits = _content(folder, "dataset_dict.json")
    if splits is not None:
        names = splits.get("splits")
        example = (
            f"; name one, such as the folder {names[0]} in it" if isinstance(names, list) and names else ""
        )
        raise wrong_file(folder, f"this folder holds several datasets {names}{example}")
    state = _content(folder, "state.json")
    if state is None:
        return None
    try:
        files = [child(folder, file["filename"]) for file in state["_data_files"]]
    except (KeyError, TypeError):
        raise wrong_file(
            child(folder, "state.json"), "this lists no data files; save the dataset again"
        ) from None
    if state.get("_indices_files"):
        message = (
            "the rows of this dataset are chosen by a list of indices; save dataset.flatten_indices() instead"
        )
        raise wrong_file(folder, message)
    return files


def _content(folder: str, name: str) -> dict[str, Any] | None:
    """What a file of JSON holds, or ``None`` if there is no such file."""
    from pyarrow import fs

    path = child(folder, name)
    with reading_errors(path):
        system, within = located(path)
        if system.get_file_info(within).type != fs.FileType.File:
            return None
    with opened(path, "JSON") as file:
        content = file.read()
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise wrong_file(path, f"not JSON ({error}); save the dataset again") from None
    if not isinstance(found, dict):
        raise wrong_file(path, "expected a JSON object; save the dataset again")
    return found
