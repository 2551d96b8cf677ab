"""What is asked of every format, and the text of a column made such that the encoder takes it as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from portmanteau.reading.opening import encoding_error, wrong_file
from portmanteau.reading.policy import Policy

__all__ = ["Asked", "check_columns", "checked_text"]


@dataclass(frozen=True)
class Asked:
    """What a part is read for."""

    columns: tuple[str, ...]
    """The columns or keys of the text."""
    policy: Policy
    null_text: Literal["error", "empty"]
    """Whether a null is an error, or an empty text."""
    batch_bytes: int
    """About so many bytes of text come at once."""


def check_columns(path: str, columns: tuple[str, ...], schema: Any) -> None:
    """Raises if a schema has no such columns, or they do not hold text.

    Raises:
        FileError: A column is not there, or is there twice.
        EncodingError: A column does not hold strings.
    """
    import pyarrow as pa

    names = schema.names
    for column in columns:
        if column not in names:
            message = f"there is no column {column!r}, only {names}; name the text's column with text_column"
            raise wrong_file(path, message)
        if names.count(column) > 1:
            raise wrong_file(path, f"there are several columns {column!r}; rename all but one")
        kind = schema.field(column).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
            raise encoding_error(path, f"column {column!r} holds {kind}, not strings; name another column")


def checked_text(column: Any, *, path: str, name: str, first_row: int, asked: Asked) -> Any:
    """A column as a string or large string array without nulls, which is UTF-8.

    Strings stay where they are; only dictionaries and views are laid out anew, and texts that are replaced.

    Args:
        column: An Arrow array of strings of any kind, or of binaries.
        path: The file, for errors.
        name: The column, for errors.
        first_row: The row of the file that comes first, for errors.
        asked: What to do with nulls, and with bytes that are not UTF-8.

    Raises:
        EncodingError: A text is null or not UTF-8.
    """
    import pyarrow as pa

    column = _binary(column)
    if column.null_count:
        if asked.null_text == "error":
            row = first_row + column.is_null().to_numpy(zero_copy_only=False).argmax().item()
            raise encoding_error(path, f"row {row} of column {name!r} is null; remove such rows first")
        column = column.fill_null(b"")
    texts = column.view(pa.large_string() if pa.types.is_large_binary(column.type) else pa.string())
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return _replaced(column, path, name, first_row, asked.policy)
    return texts


def _binary(column: Any) -> Any:
    """The texts of a column of any kind as binaries or large binaries, with offsets that were checked.

    A damaged file may say that a text lies anywhere in memory. pyarrow does not look before it goes there.
    """
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = pa.DictionaryArray.from_arrays(column.indices, _binary(column.dictionary), safe=True)
        return column.dictionary_decode()
    if pa.types.is_string_view(column.type):
        column = column.view(pa.binary_view())
        column.validate(full=True)
        return column.cast(pa.large_binary())
    if pa.types.is_string(column.type):
        column = column.view(pa.binary())
    elif pa.types.is_large_string(column.type):
        column = column.view(pa.large_binary())
    column.validate(full=True)
    return column


def _replaced(column: Any, path: str, name: str, first_row: int, policy: Policy) -> Any:
    """The texts one by one, to name the one that is not UTF-8, or to replace what is not."""
    import pyarrow as pa

    def decoded(row: int, content: bytes) -> str:
        try:
            return policy.decode(content)
        except UnicodeDecodeError as error:
            message = (
                f"row {row} of column {name!r} is not UTF-8 ({error.reason} at byte {error.start} of the text); "
                "clean the column first"
            )
            raise encoding_error(path, message) from None

    texts = [decoded(row, content) for row, content in enumerate(column.to_pylist(), start=first_row)]
    return pa.array(texts, pa.large_string())
