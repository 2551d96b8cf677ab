"""Work of several stages that goes on at the same time: each stage is one item ahead of the next."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

_T = TypeVar("_T")


def ahead(items: Iterator[_T], *, depth: int = 1) -> Generator[_T, None, None]:
    """The same items, made on a thread of their own while the caller works on those before.

    An exception of the iterator is raised where the item would have come. When the caller closes it early, the thread
    ends after the item at hand.

    Args:
        items: An iterator that nobody else uses.
        depth: How many items may wait.

    >>> list(ahead(iter([1, 2, 3])))
    [1, 2, 3]
    """
    waiting: queue.Queue[Callable[[], _T] | None] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: Callable[[], _T] | None) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def run() -> None:
        try:
            for item in items:
                if not put(lambda item=item: item):  # type: ignore[misc]
                    return
        except BaseException as error:
            put(lambda error=error: _raise(error))  # type: ignore[misc]
        else:
            put(None)

    thread = threading.Thread(target=run, name="portmanteau-ahead", daemon=True)
    thread.start()
    try:
        while (item := waiting.get()) is not None:
            yield item()
    finally:
        stopped.set()
        thread.join()


def _raise(error: BaseException) -> _T:  # type: ignore[type-var]
    raise error
