"""Runs a few definitions of an installed module, without importing the package that the module lies in.

Frameworks for training pack lengths in plain Python or NumPy, in modules that import much else: models, PyTorch, CUDA.
What packs needs none of it. So that it can be measured where only the framework's own files are installed, its
definitions are run from its file as they are, with the imports that they use.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from portmanteau.errors import UnsupportedError

__all__ = ["load"]


def load(package: str, file: str, names: tuple[str, ...]) -> ModuleType:
    """A module of these definitions, of those of the same file that they use, and of the imports that these use.

    Args:
        package: The package, which is found but not imported.
        file: The file, from the folder of the package.
        names: What is wanted.

    Raises:
        UnsupportedError: The package has no such file, or the file no such definition.

    >>> load("json", "decoder.py", ("JSONDecodeError",)).JSONDecodeError("no", "", 0)
    JSONDecodeError('no: line 1 column 1 (char 0)')
    """
    path = _path(package, file)
    defined = _statements_by_name(ast.parse(path.read_text(encoding="utf-8")))
    wanted, reached = list(names), set[str]()
    if missing := [name for name in names if name not in defined]:
        raise UnsupportedError(f"its {file} has no {missing[0]}")
    while wanted:
        name = wanted.pop()
        if name in defined and name not in reached:
            reached.add(name)
            wanted += [node.id for node in ast.walk(defined[name]) if isinstance(node, ast.Name)]
    statements = {id(defined[name]): defined[name] for name in reached}
    body = sorted(statements.values(), key=lambda statement: statement.lineno)
    module = ModuleType(f"portmanteau.benchmarking.definitions of {package}")
    sys.modules[module.__name__] = module  # data classes look for the module that they are defined in
    exec(compile(ast.Module(body, []), str(path), "exec"), module.__dict__)
    return module


def _path(package: str, file: str) -> Path:
    found = importlib.util.find_spec(package)
    for folder in (found and found.submodule_search_locations) or []:
        if (path := Path(folder, file)).is_file():
            return path
    raise UnsupportedError(f"it has no file {file}")


def _statements_by_name(tree: ast.Module) -> dict[str, ast.stmt]:
    """The statements at the top of a module, by each name that they give a value."""
    statements: dict[str, ast.stmt] = {}
    for statement in tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            for alias in statement.names:
                name = alias.asname or alias.name.partition(".")[0]
                statements[name] = statement
        elif isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            statements[statement.name] = statement
        elif isinstance(statement, ast.Assign):
            statements |= {
                target.id: statement for target in statement.targets if isinstance(target, ast.Name)
            }
    return statements
