"""Addresses such as ``s3://bucket/key``: what they are, which file system has them, and how they are shown.

pyarrow's own file systems are asked first, then those of fsspec. An address may hold secrets: a password before the
host, or a signature after the ``?``. So nothing of these is shown; :func:`without_secrets` is what errors and
manifests name.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Any

from portmanteau.errors import FileError, MissingDependencyError

__all__ = [
    "ARROW_SCHEMES",
    "child",
    "is_address",
    "local_path",
    "located",
    "scheme_of",
    "split_query",
    "told",
    "without_secrets",
]

ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # two letters at least: C:// is a drive
ARROW_SCHEMES = {"file", "s3", "gs", "gcs", "hdfs", "viewfs", "abfs", "abfss"}
"""Those of pyarrow, whose addresses are escaped, with %20 for a space."""


def is_address(path: str) -> bool:
    """Whether a path begins with a scheme.

    >>> is_address("s3://bucket/key"), is_address("folder/a.txt")
    (True, False)
    """
    return ADDRESS.match(path) is not None


def scheme_of(path: str) -> str | None:
    """The scheme of an address in small letters; ``None`` of any other path.

    >>> scheme_of("S3://bucket/key"), scheme_of("folder/a.txt")
    ('s3', None)
    """
    scheme = ADDRESS.match(path)
    return None if scheme is None else scheme[1].lower()


def local_path(address: str) -> str:
    """The path of a ``file://`` address.

    >>> local_path("file:///folder/a%20b.txt")
    '/folder/a b.txt'
    """
    from urllib.request import url2pathname

    return url2pathname(split_query(address)[0][len("file://") :])


def split_query(path: str) -> tuple[str, str]:
    """The path and, of an address, the query with its ``?``.

    >>> split_query("s3://bucket/key?region=here"), split_query("what?.txt")
    (('s3://bucket/key', '?region=here'), ('what?.txt', ''))
    """
    if not is_address(path):
        return path, ""
    head, mark, query = path.partition("?")
    return head, mark + query


def child(folder: str, name: str) -> str:
    """A file of a folder.

    >>> child("s3://bucket/folder/?region=here", "a.txt")
    's3://bucket/folder/a.txt?region=here'
    """
    head, query = split_query(folder)
    return f"{head.rstrip('/')}/{name}{query}"


def without_secrets(path: str) -> str:
    """An address without its user, its password and its query; any other path as it is.

    >>> without_secrets("s3://key:secret@bucket/a.txt?token=1")
    's3://bucket/a.txt'
    """
    scheme = ADDRESS.match(path)
    if scheme is None:
        return path
    host, slash, rest = split_query(path)[0][scheme.end() :].partition("/")
    return f"{scheme[0]}{host.rpartition('@')[2]}{slash}{rest}"


def told(error: BaseException, path: str) -> str:
    """The message of another library's error, without the secrets of an address."""
    message = str(error) or type(error).__name__
    scheme = ADDRESS.match(path)
    if scheme is None:
        return message
    head, query = split_query(path)
    user = head[scheme.end() :].partition("/")[0].rpartition("@")[0]
    parameters = query[1:].split("&")
    values = [parameter.partition("=")[2] for parameter in parameters]
    name, _, password = user.partition(":")
    hidden = [path, query[1:], user, password, *parameters]
    hidden += [word for word in (name, *values) if len(word) >= 8]  # shorter ones are words like http
    for secret in sorted({*hidden, *map(urllib.parse.unquote, hidden)}, key=len, reverse=True):
        if secret:
            message = message.replace(secret, without_secrets(path) if secret == path else "***")
    return message


def located(path: str) -> tuple[Any, str]:
    """The ``pyarrow.fs.FileSystem`` of a path, and the path within it.

    Raises:
        FileError: There is no such scheme, or the address is malformed.
        MissingDependencyError: The scheme needs a package that is not installed.
    """
    import pyarrow as pa
    from pyarrow import fs

    scheme = ADDRESS.match(path)
    if scheme is None:
        return fs.LocalFileSystem(), path
    if scheme[1].lower() in ARROW_SCHEMES:
        try:
            system, within = fs.FileSystem.from_uri(path)
            return system, str(within)
        except pa.ArrowNotImplementedError:  # this build of pyarrow leaves it out
            pass
        except (pa.ArrowInvalid, OSError) as error:
            raise _unusable(path, error) from None
    return _by_fsspec(path, scheme[1])


def _unusable(path: str, error: Exception) -> FileError:
    shown = without_secrets(path)
    return FileError(f"{shown}: the address cannot be used ({told(error, path)}); check it", path=shown)


def _by_fsspec(path: str, scheme: str) -> tuple[Any, str]:
    from pyarrow import fs

    try:
        import fsspec
    except ImportError:
        message = (
            f"{without_secrets(path)}: addresses of {scheme}:// need the package fsspec; install it with "
            "pip install 'portmanteau[remote]'"
        )
        raise MissingDependencyError(message, path=without_secrets(path)) from None
    try:
        system, within = fsspec.core.url_to_fs(path)
    except ImportError as error:
        message = (
            f"{without_secrets(path)}: addresses of {scheme}:// need another package: {told(error, path)}"
        )
        raise MissingDependencyError(message, path=without_secrets(path)) from None
    except (ValueError, OSError) as error:
        raise _unusable(path, error) from None
    return fs.PyFileSystem(fs.FSSpecHandler(system)), str(within)
