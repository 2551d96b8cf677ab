"""The examples of README.md and of the guide run, in the order in which a reader would; tables are of the records."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from libraries import library

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs" / "guide").glob("*.md"))]
#: What a page needs beside the package and its required libraries: `<!-- needs: torch, datasets -->`.
NEEDS = re.compile(r"^<!-- needs: (.*) -->$", re.MULTILINE)
BLOCK = re.compile(r"^```(python|console|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str, int]]:
    """The language, the text and the first line of each block of code."""
    text = page.read_text(encoding="utf-8")
    return [
        (found[1], found[2], text.count("\n", 0, found.start(2)) + 1)  # as an editor counts lines
        for found in BLOCK.finditer(text)
    ]


def commands(block: str) -> list[list[str]]:
    """The lines of a console block that call portmanteau, with their continuation lines, without their prompt."""
    lines = [line.removeprefix("$ ") for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("portmanteau ")]


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_examples_run(page, tmp_path, monkeypatch):
    for needed in NEEDS.findall(page.read_text(encoding="utf-8")):
        for name in needed.split(", "):
            library(name)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for language, text, line in blocks(page):
        if language == "python":
            # Blank lines before the code make a traceback show the line of the page.
            exec(compile("\n" * (line - 1) + text, str(page), "exec"), names)
            continue
        for _, *arguments in commands(text):
            command = [sys.executable, "-m", "portmanteau", *arguments]
            outcome = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            assert outcome.returncode == 0, f"{page.name}:{line}: {shlex.join(arguments)}\n{outcome.stderr}"


def test_the_tables_of_the_benchmarks_are_those_of_the_records():
    command = [sys.executable, str(REPOSITORY / "benches" / "draw.py"), "--check"]
    outcome = subprocess.run(command, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
