"""Arrow string columns as the flat arrays that Rust reads, without a copy of the text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from portmanteau.errors import EncodingError

__all__ = ["is_column", "string_column"]


def is_column(documents: object) -> bool:
    """Whether this speaks the Arrow PyCapsule protocol, as columns of pyarrow, polars and Hugging Face datasets do.

    >>> import pyarrow as pa
    >>> is_column(pa.array(["by the way"])), is_column(["by the way"])
    (True, False)
    """
    return hasattr(documents, "__arrow_c_stream__") or hasattr(documents, "__arrow_c_array__")


def string_column(column: Any) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]]:
    """Each chunk of an Arrow string or binary column, as (text bytes ``uint8[m]``, offsets ``int64[documents + 1]``).

    Takes anything that speaks the Arrow PyCapsule protocol. Offsets of 32 bits are widened, and string views are
    laid out flat; large strings and binaries pass without a copy.

    Raises:
        EncodingError: The column does not hold text, or holds a null (``document`` says where).
    """
    import pyarrow as pa

    chunked = (
        pa.chunked_array(column)
        if hasattr(column, "__arrow_c_stream__")
        else pa.chunked_array([pa.array(column)])
    )
    kind = chunked.type.value_type if pa.types.is_dictionary(chunked.type) else chunked.type
    wide = (
        pa.large_binary() if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) else pa.large_string()
    )
    textual = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary)
    if not any(is_kind(kind) for is_kind in (*textual, pa.types.is_large_binary, pa.types.is_binary_view)):
        raise EncodingError(f"expected a column of strings, got {chunked.type}")
    before = 0
    for chunk in chunked.chunks:
        if chunk.null_count:
            document = before + chunk.is_null().to_numpy(zero_copy_only=False).argmax().item()
            message = f"document {document}: the column has a null there; drop or fill such rows first"
            raise EncodingError(message, document=document)
        before += len(chunk)
        flat = chunk.cast(wide)
        _, offset_buffer, data_buffer = flat.buffers()
        offsets = (
            np.frombuffer(offset_buffer, np.int64, len(flat) + 1, flat.offset * 8)
            if len(flat)
            else np.zeros(1, np.int64)
        )
        text = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.empty(0, np.uint8)
        yield text, offsets
