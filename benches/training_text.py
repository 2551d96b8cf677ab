"""Builds the text that training is timed on at scale, from what a Debian machine can fetch or already has.

    python benches/training_text.py OUT --bytes 5GB [--cache FOLDER]

OUT gets `shard-0000.jsonl` and so on, each about 100 MB, and `manifest.json`. A line is a document,
`{"text": ..., "source": "KIND/PACKAGE/PATH"}`. `--bytes` counts the UTF-8 of the texts alone; the lines around them
add about a twentieth. Nothing here is ever committed: the recipe is what the repository keeps.

Where it comes from. `RECIPE` lists Debian packages, by apt's own client and from the mirrors that this machine is
set up for: source packages, packages of documentation, and the descriptions of all packages in many languages. To them
come the Python and Rust sources that are installed here (`--packages-only` leaves those out, so that two machines with
the same mirror build the same text). A package that this Debian does not have is passed over and named in the manifest.

What it becomes. A file is one document, and its name says of which kind: `english` (documentation), `languages`
(documentation whose path names another language, and the translated strings of a .po file, one a line) or `code`.
HTML and XML lose their tags. Files with other names are ignored. Left out, and counted in the manifest, is a document
that is not UTF-8, is over 1 MB, is under 200 bytes, is an exact copy of one before it, or is noise. Noise is: a line of
more than 4,000 characters; more than 15 % ASCII digits; or plain ASCII with less than 4 % white space (base64, minified
scripts). Dictionaries and the like, which are many texts in one file, are cut into pieces of 32 kB at line ends.

How much of each. The kinds share the bytes as `SHARES` says. Packages are taken in the order of the recipe until
each kind has enough, where no package counts for more than a fifth of a kind; then the packages of a kind give equal
amounts, the small ones all they have. A package gives the documents with the lowest hashes, which is a sample. What
English and the other languages cannot fill, code fills; the manifest says what the shares became. On Debian 12 the
English was enough for 3.9 GB: at 5 GB it was 31 %, and code 44 %. Much of the English is reference drawn from the
comments of code, whose pages resemble each other; only exact copies are taken out.

The order is a function of what was read: the documents of a package keep its order, and packages take turns so that
each is spread evenly over all shards.

The cache holds the downloads and the text of each package, and a run that was cut off goes on from it; 5 GB need about
4.5 GB there. Needs `apt-get`, `dpkg-deb` and pyarrow.
"""

import argparse
import bisect
import gzip
import hashlib
import heapq
import html
import io
import json
import lzma
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import time
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import pyarrow

ENGLISH, LANGUAGES, CODE = "english", "languages", "code"
SHARES = {ENGLISH: 0.40, LANGUAGES: 0.25, CODE: 0.35}  # what falls short is made up by the last
# Raised when a change below makes other text of the same package, so that what lies in a cache is made anew.
EXTRACTION = 1
SHARD_BYTES = 100_000_000
LARGEST_DOCUMENT, SMALLEST_DOCUMENT = 1_000_000, 200
LARGEST_FILE = 32_000_000
PIECE_BYTES = 32_000
LONGEST_LINE = 4_000
MOST_DIGITS = 0.15
LEAST_SPACE = 0.04
MOST_OF_A_KIND = 0.2
SPARE_DISK = 1_000_000_000


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


class Entry(NamedTuple):
    """One line of the recipe. `names` are tried in turn; the first of `kinds` is what the package is fetched for."""

    how: str  # source, binary, descriptions, python, rust
    names: str
    kinds: str = f"{ENGLISH} {LANGUAGES}"
    files: str = r"(?<!\.debian)\.tar\."  # of a source package, the archives wanted


def entries(how: str, kinds: str, names: str) -> list[Entry]:
    """Entries that differ in nothing but the name. A bar separates the names that a package has had over time."""
    return [Entry(how, name, kinds) for name in names.split()]


RECIPE = [
    # Code in many languages, and the documentation and translations that lie beside it.
    Entry("python", "python", CODE),
    Entry("rust", "rust", f"{CODE} {ENGLISH}"),
    *entries(
        "source",
        f"{CODE} {ENGLISH} {LANGUAGES}",
        """python3.11|python3.13 git postgresql-15|postgresql-17 golang-1.19|golang-1.24 php8.2|php8.4
        ruby3.1|ruby3.3 ocaml perl openssl vim ghc r-base erlang emacs sqlite3 cmake kotlin scala sbcl racket fpc
        guile-3.0 lua5.4 tcl8.6 swi-prolog elixir-lang crystal openjdk-17|openjdk-21 nodejs rustc wordpress
        mediawiki linux gcc-12|gcc-14 llvm-toolchain-15|llvm-toolchain-19 qemu samba ansible kubernetes glibc
        binutils gdb systemd ffmpeg octave scipy pandas matplotlib sympy python-django lazarus mono ghdl yosys
        coq maxima gimp wireshark cataclysm-dda endless-sky ceph boost1.81|boost1.83 zabbix sagemath""",
    ),
    # Other languages.
    Entry("descriptions", "descriptions"),
    *entries(
        "binary",
        LANGUAGES,
        """libreoffice-help-de libreoffice-help-ja libreoffice-help-ru libreoffice-help-fr libreoffice-help-zh-cn
        libreoffice-help-es libreoffice-help-el libreoffice-help-hi libreoffice-help-ko libreoffice-help-pt-br
        libreoffice-help-it libreoffice-help-tr libreoffice-help-pl libreoffice-help-hu libreoffice-help-fi
        libreoffice-help-vi libreoffice-help-km libreoffice-help-nl libreoffice-help-cs libreoffice-help-sv
        libreoffice-help-zh-tw libreoffice-help-ca libreoffice-help-eu libreoffice-help-da libreoffice-help-dz
        libreoffice-help-sl libreoffice-help-et manpages-de manpages-fr manpages-fr-dev manpages-ja
        manpages-ja-dev manpages-zh manpages-ru-dev manpages-es manpages-pl manpages-uk manpages-tr manpages-it
        manpages-pt-br debian-reference-ja debian-reference-de debian-reference-zh-cn debian-reference-fr
        debian-reference-es lilypond-doc-html-ja lilypond-doc-html-fr lilypond-doc-html-es lilypond-doc-html-de
        lilypond-doc-html-it dict-freedict-eng-hin dict-freedict-jpn-eng dict-freedict-deu-eng
        dict-freedict-eng-deu dict-freedict-hun-eng dict-freedict-jpn-deu dict-freedict-epo-eng
        dict-freedict-eng-fin dict-freedict-deu-fra dict-freedict-deu-spa dict-freedict-eng-bul
        dict-freedict-eng-ara dict-freedict-eng-jpn dict-freedict-eng-tur dict-freedict-pol-rus
        dict-freedict-fra-ita dict-freedict-deu-rus dict-freedict-hrv-eng dict-freedict-pol-eng
        dict-freedict-fra-spa""",
    ),
    Entry("source", "libreoffice", LANGUAGES, r"orig-translations"),
    *entries(
        "source",
        LANGUAGES,
        """gnome-user-docs installation-guide manpages-l10n calibre gramps gnucash kodi freeciv inkscape vlc
        plasma-desktop plasma-workspace kdenlive kate okular debian-edu-doc iso-codes gtk4 evolution
        gnome-devel-docs wxmaxima audacity digikam gimp-help""",
    ),
    # English: first what people wrote, then what was drawn from the comments of code.
    *entries(
        "binary",
        f"{ENGLISH} {LANGUAGES}",
        """python3.11-doc|python3.13-doc postgresql-doc-15|postgresql-doc-17 anarchism perl-doc
        linux-doc-6.1|linux-doc dict-wn dict-foldoc dict-jargon manpages manpages-dev libreoffice-help-en-us
        debian-handbook debian-faq debian-history developers-reference debian-policy doc-debian fortunes
        installation-guide-amd64 gnome-devel-docs git-doc vim-doc sqlite3-doc apache2-doc cmake-doc
        imagemagick-6-doc|imagemagick-7-doc python-django-doc python-sqlalchemy-doc racket-doc erlang-doc
        lilypond-doc-html sagemath-doc gap-doc octave-doc maxima-doc python-sympy-doc python-scipy-doc
        python-pandas-doc python-statsmodels-doc python-sklearn-doc python-astropy-doc python-skimage-doc
        python-matplotlib-doc python-numpy-doc python-dask-doc twisted-doc libboost1.81-doc|libboost1.83-doc
        cppreference-doc-en-html llvm-15-doc|llvm-19-doc libstdc++-12-doc|libstdc++-14-doc
        ada-reference-manual-2012 ada-reference-manual-2020 qtbase5-doc-html qtdeclarative5-doc-html nova-doc
        neutron-doc cinder-doc keystone-doc ironic-doc heat-doc octavia-doc dpdk-doc ns3-doc gnuradio-doc
        csound-doc grass-doc singular-doc petsc3.18-doc|petsc3.22-doc ghc-doc rust-doc cargo-doc wx3.2-doc
        icu-doc derby-doc fp-docs-3.2.2 lazarus-doc-2.2|lazarus-doc-3.0 pike8.0-doc crystal-doc groovy-doc
        gnucash-docs renpy-doc python-taurus-doc python-qutip-doc python-sfepy-doc python-ase-doc
        python-pymatgen-doc python-escript-doc python-silx-doc lammps-doc gsoap-doc ffmpeg-doc
        ruby3.1-doc|ruby3.3-doc nim-doc pylint-doc nodejs-doc weechat-doc krb5-doc kea-doc netcdf-doc gnutls-doc
        lemonldap-ng-doc buildbot-doc python-celery-doc python-xarray-doc python-rdflib-doc python-pydicom-doc
        python-mdanalysis-doc python-nipype-doc python-nibabel-doc python-distributed-doc python-tables-doc
        python-brian-doc python-openstackclient-doc glance-doc manila-doc swift-doc emscripten-doc
        fontforge-doc gnuplot-doc openafs-doc translate-toolkit-doc ant-doc db5.3-doc python-fonttools-doc
        qt3d5-doc-html qtmultimedia5-doc-html qtcharts5-doc-html rdkit-doc dolfin-doc giac-doc phcpack-doc
        uima-doc agda-stdlib-doc efl-doc openscenegraph-doc elastix-doc dcmtk-doc seqan3-doc libsdl2-doc
        groonga-doc dar-docs asl-doc openscap-doc libgtk-4-doc libgtkmm-3.0-doc libglibmm-2.68-doc
        openjdk-17-doc|openjdk-21-doc libeigen3-doc ogre-1.12-doc""",
    ),
]

CODE_SUFFIXES = words(
    """.ada .adb .ads .asm .awk .bash .c .cc .cl .clj .cljs .cmake .coffee .cpp .cr .cs .css .cu .cxx .d .dart .dts
    .dtsi .el .elm .erl .ex .exs .f .f90 .for .fs .fsx .glsl .go .gradle .groovy .h .hh .hpp .hrl .hs .hxx .inc .java
    .jl .js .jsx .kt .kts .l .lhs .lisp .lpr .lsp .lua .m .m4 .mjs .mk .ml .mli .mm .nim .p6 .pas .php .pl .pm .pp
    .proto .ps1 .py .pyi .pyx .qml .r .rake .rb .rkt .rs .s .scala .scm .scss .sh .sql .sv .swift .t .tcl .td .toml
    .ts .tsx .v .vb .vala .vhd .vhdl .vue .y .yaml .yml .zig"""
)
CODE_NAMES = words("makefile cmakelists.txt kconfig dockerfile meson.build rakefile kbuild")
MARKUP_SUFFIXES = words(".html .htm .xhtml .docbook .dbk .page .xhp .sgml")
PROSE_SUFFIXES = words(
    """.txt .md .rst .texi .texinfo .pod .tex .dtx .adoc .asciidoc .org .rd .mdown .markdown .man .mdoc
    .1 .2 .3 .4 .5 .6 .7 .8"""
)
PROSE_NAMES = re.compile(
    r"(?i)(changelog|changes|news|readme|install|todo|faq|thanks|hacking|contributing)\b"
)
DOCUMENTATION_FOLDER = re.compile(r"(?i)(^|/)(docs?|documentation|help|manual|en|guide)(-[a-z]+)?/")
# Codes that are also common names of folders (is, no, to, io, my ...) are not here: their texts count as English.
LANGUAGE = re.compile(
    r"[/._-](af|ar|be|bg|bn|bs|ca|cs|da|de|dz|el|eo|es|et|eu|fa|fi|fr|gl|gu|he|hi|hr|hu|hy|it|ja|ka|kk|km|kn|ko|lt|lv|"
    r"ml|mr|nb|ne|nl|nn|pa|pl|pt|ro|ru|sk|sl|sq|sr|sv|ta|te|th|tr|uk|ur|uz|vi|zh)([_-][A-Za-z]{2,4})?(\.utf-?8)?"
    r"(?=/|\.[a-z0-9]{1,6}(\.gz)?$)"
)
HIDDEN_MARKUP = re.compile(
    r"(?is)<(script|style|nav|head|svg)\b.*?</\1\s*>|<!--.*?-->|<\?.*?\?>|<!\[?[A-Z].*?>"
)
TAG = re.compile(r"</?[A-Za-z][^<>]*>")
BLANK_LINES = re.compile(r"\n{3,}")
TRANSLATED = re.compile(r'^msgstr(?:\[\d\])? ("(?:[^"\\\n]|\\.)*"(?:\n"(?:[^"\\\n]|\\.)*")*)', re.MULTILINE)
ESCAPES = {"n": "\n", "t": "\t", "r": "", '"': '"', "\\": "\\"}
APT_LANGUAGES = "en,cs,da,de,es,fi,fr,hu,it,ja,ko,nl,pl,pt,pt_BR,ru,sk,sv,tr,uk,vi,zh_CN,zh_TW"


def say(message: str) -> None:
    """Says what is being done, and when."""
    print(f"{time.strftime('%H:%M:%S')} {message}", flush=True)


def megabytes(count: float) -> str:
    return f"{count / 1e6:,.1f} MB"


def require_disk(folder: Path, count: float, purpose: str) -> None:
    """Refuses to start what would fill the disk."""
    free = shutil.disk_usage(folder).free
    if free < count + SPARE_DISK:
        sys.exit(
            f"{folder}: {purpose} needs {megabytes(count + SPARE_DISK)} of free disk, there are {megabytes(free)}"
        )


# --- from a file to a document ---------------------------------------------------------------------------------------


class LeftOutError(Exception):
    """Why a file gives no document."""


def kind_of(path: str) -> tuple[str, str] | None:
    """The kind of a file and how its text is taken from it (plain, markup, translations, pieces), by its path alone."""
    path = path.removesuffix(".gz")
    folder, _, name = path.rpartition("/")
    stem, dot, last = name.rpartition(".")
    suffix = dot + last.lower() if stem else ""
    other = LANGUAGE.search("/" + path) is not None
    prose = LANGUAGES if other else ENGLISH
    if suffix == ".po":
        return None if stem.startswith("en") or "/en" in folder else (LANGUAGES, "translations")
    if name.endswith(".dict.dz"):
        return (LANGUAGES if "freedict" in name else ENGLISH), "pieces"
    if suffix in CODE_SUFFIXES or name.lower() in CODE_NAMES:
        return CODE, "plain"
    if suffix in MARKUP_SUFFIXES or (suffix == ".xml" and DOCUMENTATION_FOLDER.search(path)):
        return prose, "markup"
    if suffix in PROSE_SUFFIXES or PROSE_NAMES.match(name):
        return prose, "plain"
    if suffix == ".json" and other and "i18n" in path:
        return LANGUAGES, "plain"
    if "/games/fortunes/" in path and not suffix:
        return prose, "pieces"
    return None


def text_of(data: bytes, form: str) -> str:
    """The text of a file in one of the forms that `kind_of` names."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            raise LeftOutError("cannot be decompressed") from None
    if b"\0" in data[:4096]:
        raise LeftOutError("not UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LeftOutError("not UTF-8") from None
    if form == "markup":
        text = html.unescape(TAG.sub("", HIDDEN_MARKUP.sub("", text)))
        text = BLANK_LINES.sub("\n\n", "\n".join(map(str.rstrip, text.split("\n")))).strip() + "\n"
    elif form == "translations":
        found = (re.sub(r'"\n"', "", match[1])[1:-1] for match in TRANSLATED.finditer(text))
        lines = [re.sub(r"\\(.)", lambda one: ESCAPES.get(one[1], one[0]), each) for each in found if each]
        text = "\n".join(line for line in lines if not line.startswith("Project-Id-Version")) + "\n"
    return text


def pieces_of(text: str) -> Iterator[str]:
    """The text in pieces of about `PIECE_BYTES` that end where a line ends."""
    lines: list[str] = []
    length = 0
    for line in text.splitlines(keepends=True):
        lines.append(line)
        length += len(line)
        if length >= PIECE_BYTES:
            yield "".join(lines)
            lines, length = [], 0
    yield "".join(lines)


def encoded(text: str) -> bytes:
    """The text as UTF-8, if it is one that training wants."""
    try:
        data = text.encode()
    except UnicodeEncodeError:  # HTML can name halves of surrogate pairs
        raise LeftOutError("not UTF-8") from None
    if len(data) > LARGEST_DOCUMENT:
        raise LeftOutError("over 1 MB")
    if len(data) < SMALLEST_DOCUMENT:
        raise LeftOutError("under 200 bytes")
    digits = len(data) - len(data.translate(None, b"0123456789"))
    spaces = len(data) - len(data.translate(None, b" \t\n\r"))
    dense = spaces < LEAST_SPACE * len(data) and data.isascii()
    if dense or digits > MOST_DIGITS * len(data) or max(map(len, text.split("\n"))) > LONGEST_LINE:
        raise LeftOutError("noise")
    return data


# --- files of a package ----------------------------------------------------------------------------------------------


class File(NamedTuple):
    """A file of a package, not yet read."""

    path: str
    size: int
    content: IO[bytes]


def archived(archive: IO[bytes]) -> Iterator[File]:
    """The files of a tar archive, in its order; archives in it are opened in turn."""
    with tarfile.open(fileobj=archive, mode="r|*") as tar:
        for member in tar:
            cast("Any", tar).members = []  # a stream of 100,000 files need not be remembered
            content = tar.extractfile(member) if member.isreg() else None
            if content is None:
                continue
            if re.search(r"\.tar\.(xz|gz|bz2)$", member.name) and member.size > LARGEST_FILE / 2:
                yield from archived(content)
            else:
                yield File(member.name.removeprefix("./"), member.size, content)


def packaged(archives: list[Path]) -> Iterator[File]:
    """The files of downloaded packages."""
    for archive in archives:
        yield from unpacked(archive)


def unpacked(archive: Path) -> Iterator[File]:
    """The files of one source archive or binary package."""
    try:
        if archive.suffix == ".deb":
            with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as inner:
                yield from archived(cast("IO[bytes]", inner.stdout))
        else:
            with archive.open("rb") as stream:
                yield from archived(stream)
    except (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error) as error:
        sys.exit(f"{archive} cannot be unpacked; delete it and start again: {error}")


def installed(folders: Iterable[Path]) -> Iterator[File]:
    """The files below folders, in the order of their paths."""
    for folder in folders:
        for parent, inner, names in os.walk(folder):
            inner.sort()
            for name in sorted(names):
                path = Path(parent, name)
                if path.is_file() and not path.is_symlink():
                    with path.open("rb") as stream:
                        yield File(str(path.relative_to(folder.parent)), path.stat().st_size, stream)


def python_folders() -> list[Path]:
    """Where this Python keeps its library and what is installed for it, none inside another."""
    found = {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "purelib", "platlib")}
    return sorted(each for each in found if not found & set(each.parents))


def rust_folders() -> list[Path]:
    """The sources of the crates that cargo has fetched, each registry's in a folder of its own."""
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    return sorted(home.glob("registry/src/*/*/"), key=lambda folder: folder.name)


# --- apt -------------------------------------------------------------------------------------------------------------


class Apt:
    """apt-get with lists of its own in the cache, for this machine's mirrors and their source packages."""

    def __init__(self, cache: Path) -> None:
        self.root = cache / "apt"
        self.downloads = cache / "downloads"
        sources = self.root / "sources.list"
        self.options = [
            *("-o", f"Dir::Etc::SourceList={sources}", "-o", "Dir::Etc::SourceParts=-"),
            *("-o", f"Dir::State::Lists={self.root}/lists", "-o", f"Dir::Cache={self.root}"),
            # Images for containers switch these off, and apt then takes seconds to name an archive.
            *("-o", "Dir::Cache::pkgcache=pkgcache.bin", "-o", "Dir::Cache::srcpkgcache=srcpkgcache.bin"),
            *("-o", f"Acquire::Languages={APT_LANGUAGES}"),
        ]
        for folder in (self.root / "lists/partial", self.root / "archives/partial", self.downloads):
            folder.mkdir(parents=True, exist_ok=True)
        if not sources.exists():
            say("fetching the lists of packages")
            sources.write_text("".join(f"deb {mirror}\ndeb-src {mirror}\n" for mirror in self.mirrors()))
            if self.run("update") is None:
                sources.unlink()
                sys.exit("apt-get cannot fetch the lists of packages: is a Debian mirror within reach?")

    @staticmethod
    def mirrors() -> list[str]:
        """The mirrors, releases and components of Debian that this machine uses."""
        form = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
        command = ["apt-get", "indextargets", "--format", form, "Created-By: Packages", "Origin: Debian"]
        try:
            found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"this recipe needs a Debian machine with apt-get: {error}")
        if not found:
            sys.exit("apt knows no Debian mirror: run `apt-get update` first")
        # Point releases only: what their lists name stays on the mirrors, and changes a few times a year.
        return sorted({mirror for mirror in found if not re.search(r"-(security|updates|backports)", mirror)})

    def run(self, *arguments: str) -> str | None:
        """What apt-get prints, or None where it fails."""
        done = subprocess.run(
            ["apt-get", *self.options, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.downloads,
        )
        return None if done.returncode else done.stdout

    def archives(self, entry: Entry) -> tuple[str, list[Path]] | None:
        """Downloads the package and returns its name with its version and its archives, or None where there is none."""
        wanted = entry.files if entry.how == "source" else r"\.deb$"
        command = ["source", "--download-only"] if entry.how == "source" else ["download"]
        for name in entry.names.split("|"):
            printed = self.run(*command, "--print-uris", name) or ""
            listed = re.findall(r"^'(\S+)' (\S+) (\d+) (\S+)$", printed, re.MULTILINE)
            chosen = [each for each in listed if re.search(wanted, each[1]) and not each[1].endswith(".asc")]
            if chosen:
                version = re.sub(r"\.dsc$|_[a-z0-9]+\.deb$", "", listed[0][1]).replace("%3a", ":")
                paths = [self.download(*each) for each in chosen]
                return None if None in paths else (version, cast("list[Path]", paths))
        return None

    def download(self, address: str, name: str, size: str, checksum: str) -> Path | None:
        """Fetches one archive unless it is there; apt checks its sum. None if the mirror has it no more."""
        path = self.downloads / name
        if not path.exists():
            require_disk(self.downloads, int(size), name)
            say(f"  fetching {name}, {megabytes(int(size))}")
            partial = path.with_name(name + ".partial")
            command = ["/usr/lib/apt/apt-helper", "download-file", address, str(partial), checksum]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if re.search(r"\b404 +Not Found", done.stderr):
                say(
                    f"  the mirror lists {name} but does not have it (deleting {self.root} brings the lists up to date)"
                )
                return None
            if done.returncode:
                sys.exit(f"{name} cannot be fetched (start again to go on from here): {done.stderr.strip()}")
            partial.rename(path)
        return path

    def descriptions(self) -> Iterator[File]:
        """What packages are, in every language that it is told in: a file for each package and language."""
        for path in sorted(self.root.glob("lists/*_Translation-*")):
            language = re.sub(r"%5[Ff]", "_", path.name.rpartition("_Translation-")[2].partition(".")[0])
            command = ["/usr/lib/apt/apt-helper", *self.options, "cat-file", str(path)]
            listing = subprocess.run(command, capture_output=True, check=True).stdout
            for paragraph in listing.split(b"\n\n"):
                match = re.match(rb"Package: (\S+)\n.*?Description-(?!md5)\w+: (.*)", paragraph, re.DOTALL)
                if match:
                    text = match[2].replace(b"\n .\n", b"\n\n").replace(b"\n ", b"\n")
                    name = f"{match[1].decode()}/{language}.txt"
                    yield File(name, len(text), io.BytesIO(text))


# --- the text of a package, in the cache -----------------------------------------------------------------------------


class Document(NamedTuple):
    """What the index of a package keeps of a document; the line is at the same place in the package's lines."""

    digest: str
    kind: str
    size: int


@dataclass
class Package:
    """The documents of one entry of the recipe."""

    entry: Entry
    version: str
    lines: Path
    documents: list[Document]
    left_out: Counter[str] = field(default_factory=Counter)


def compressed(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", pyarrow.output_stream(str(path), compression="zstd"))


def extract(files: Iterable[File], entry: Entry, version: str, lines: Path) -> Package:
    """Writes the documents of a package into the cache, a line each."""
    package = Package(entry, version, lines, [])
    seen: set[str] = set()
    with compressed(lines) as output:
        for file in files:
            kind, form = kind_of(file.path) or ("", "")
            if kind not in entry.kinds.split():
                continue
            try:
                if file.size > (LARGEST_DOCUMENT if form == "plain" else LARGEST_FILE):
                    raise LeftOutError("over 1 MB")
                text = text_of(file.content.read(), form)
            except LeftOutError as reason:
                package.left_out[str(reason)] += 1
                continue
            source = f"{kind}/{version}/{file.path}".encode(errors="replace").decode()
            for part in pieces_of(text) if form == "pieces" else [text]:
                try:
                    data = encoded(part)
                    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
                    if digest in seen:
                        raise LeftOutError("duplicate")
                except LeftOutError as reason:
                    package.left_out[str(reason)] += 1
                    continue
                seen.add(digest)
                package.documents.append(Document(digest, kind, len(data)))
                line = json.dumps({"text": part, "source": source}, ensure_ascii=False)
                output.write(line.encode() + b"\n")
    return package


def opened(entry: Entry, apt: Apt) -> tuple[str, Iterator[File]] | None:
    """The version and the files of an entry, downloaded if need be."""
    if entry.how == "descriptions":
        return "descriptions", apt.descriptions()
    if entry.how == "python":
        return f"python_{platform.python_version()}", installed(python_folders())
    if entry.how == "rust":
        folders = rust_folders()
        return (f"rust_{len(folders)}-crates", installed(folders)) if folders else None
    found = apt.archives(entry)
    return (found[0], packaged(found[1])) if found else None


def read_package(entry: Entry, apt: Apt, folder: Path) -> Package | None:
    """The documents of an entry: from the cache, or extracted into it."""
    stem = f"{entry.how}-{entry.names.partition('|')[0]}"
    index, lines = folder / f"{stem}.json", folder / f"{stem}.jsonl.zst"
    recipe = [EXTRACTION, *entry]
    if index.exists():
        known: dict[str, Any] = json.loads(index.read_text())
        if known["recipe"] == recipe:
            documents = [Document(*each) for each in known["documents"]]
            return Package(entry, known["version"], lines, documents, Counter(known["left out"]))
    found = opened(entry, apt)
    if found is None:
        return None
    version, files = found
    index.unlink(missing_ok=True)
    package = extract(files, entry, version, lines)
    amounts = Counter[str]()
    for document in package.documents:
        amounts[document.kind] += document.size
    said = ", ".join(f"{kind} {megabytes(count)}" for kind, count in amounts.items())
    say(f"{version}: {said or 'nothing'}; left out {dict(package.left_out)}")
    partial = index.with_suffix(".partial")
    record = {
        "recipe": recipe,
        "version": version,
        "left out": package.left_out,
        "documents": package.documents,
    }
    partial.write_text(json.dumps(record))
    partial.rename(index)
    return package


# --- how much of each ------------------------------------------------------------------------------------------------


class Gathering:
    """Packages, taken in the order of the recipe until there is enough of each kind."""

    def __init__(self, recipe: list[Entry], apt: Apt, folder: Path) -> None:
        self.recipe, self.apt, self.folder = recipe, apt, folder
        self.packages: list[Package] = []
        self.missing: list[str] = []
        self.available: dict[str, dict[int, int]] = {kind: {} for kind in SHARES}  # bytes by package
        self.seen: set[str] = set()
        self.visited: set[int] = set()

    def enough(self, kind: str, need: float) -> bool:
        return sum(min(count, need * MOST_OF_A_KIND) for count in self.available[kind].values()) >= need

    def add(self, package: Package) -> None:
        """Counts the documents that no package before this one has."""
        documents = []
        for document in package.documents:
            if document.digest not in self.seen:
                self.seen.add(document.digest)
                counts = self.available[document.kind]
                counts[len(self.packages)] = counts.get(len(self.packages), 0) + document.size
                documents.append(document)
            else:
                documents.append(document._replace(kind=""))
                package.left_out["duplicate"] += 1
        package.documents = documents
        self.packages.append(package)

    def gather(self, needs: dict[str, float]) -> None:
        """Takes further packages for the kinds of which there is not enough."""
        for place, entry in enumerate(self.recipe):
            if place in self.visited or self.enough(entry.kinds.split()[0], needs[entry.kinds.split()[0]]):
                continue
            self.visited.add(place)
            package = read_package(entry, self.apt, self.folder)
            if package is None:
                say(f"{entry.names}: not to be had here, passed over")
                self.missing.append(entry.names)
            else:
                self.add(package)

    def totals(self) -> dict[str, int]:
        return {kind: sum(counts.values()) for kind, counts in self.available.items()}

    def needs(self, total: int) -> dict[str, float]:
        """The bytes of each kind: its share, or all there is, and code for the rest."""
        held = self.totals()
        needs = {kind: min(share * total, held[kind]) for kind, share in SHARES.items() if kind != CODE}
        return {**needs, CODE: total - sum(needs.values())}


def allotted(available: dict[int, int], need: float) -> dict[int, float]:
    """Equal amounts that add up to the need; what has less gives all."""
    amounts: dict[int, float] = {}
    by_size = sorted(available, key=lambda place: (available[place], place))
    for rank, place in enumerate(by_size):
        amounts[place] = min(available[place], need / (len(by_size) - rank))
        need -= amounts[place]
    return amounts


def chosen_places(package: Package, allotments: dict[str, float]) -> list[int]:
    """The places of the documents with the lowest hashes, as many of each kind as were allotted, in their order."""
    chosen: list[int] = []
    for kind, allotment in allotments.items():
        places = [place for place, document in enumerate(package.documents) if document.kind == kind]
        places.sort(key=lambda place: package.documents[place].digest)
        sums = [0]
        for place in places:
            sums.append(sums[-1] + package.documents[place].size)
        chosen += places[: bisect.bisect_left(sums, allotment)]
    return sorted(chosen)


# --- shards ----------------------------------------------------------------------------------------------------------


def chosen_lines(package: Package, places: list[int]) -> Iterator[tuple[bytes, int]]:
    """The lines of the chosen documents and the bytes of their texts."""
    with io.BufferedReader(pyarrow.input_stream(str(package.lines), compression="zstd"), 1 << 16) as lines:
        wanted = iter(places)
        following = next(wanted, None)
        for place, line in enumerate(lines):
            if place == following:
                yield line, package.documents[place].size
                following = next(wanted, None)
                if following is None:
                    return


def interleaved(packages: list[Package], chosen: list[list[int]]) -> Iterator[tuple[bytes, int]]:
    """All chosen lines; the next is always from the package of which the smallest part has been given."""
    totals = [
        sum(package.documents[place].size for place in places)
        for package, places in zip(packages, chosen, strict=True)
    ]
    streams = [chosen_lines(package, places) for package, places in zip(packages, chosen, strict=True)]
    given = [0] * len(packages)
    heap = [(0.0, number) for number, total in enumerate(totals) if total]
    while heap:
        _, number = heap[0]
        following = next(streams[number], None)
        if following is None:
            heapq.heappop(heap)
            continue
        given[number] += following[1]
        heapq.heapreplace(heap, (given[number] / totals[number], number))
        yield following


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def write_shards(lines: Iterator[tuple[bytes, int]], folder: Path, compress: bool) -> list[dict[str, Any]]:
    """Writes the lines into shards and returns the manifest's record of each."""
    records: list[dict[str, Any]] = []
    upcoming = next(lines, None)
    while upcoming is not None:
        path = folder / f"shard-{len(records):04}.jsonl{'.zst' if compress else ''}"
        written = documents = text_bytes = 0
        with compressed(path) if compress else path.open("wb") as output:
            while upcoming is not None and written < SHARD_BYTES:
                output.write(upcoming[0])
                written += len(upcoming[0])
                text_bytes += upcoming[1]
                documents += 1
                upcoming = next(lines, None)
        record = {"name": path.name, "documents": documents, "bytes": text_bytes, "sha256": sha256(path)}
        records.append(record)
        say(f"{path.name}: {documents} documents, {megabytes(text_bytes)}")
    return records


def counted(package: Package, places: Iterable[int]) -> dict[str, dict[str, int]]:
    """The documents and bytes at the places, by kind."""
    counts: dict[str, dict[str, int]] = {}
    for place in places:
        document = package.documents[place]
        of_kind = counts.setdefault(document.kind, {"documents": 0, "bytes": 0})
        of_kind["documents"] += 1
        of_kind["bytes"] += document.size
    return counts


def manifest_of(
    gathering: Gathering, chosen: list[list[int]], shards: list[dict[str, Any]]
) -> dict[str, Any]:
    """What was built, from what, and what was left out."""
    packages = [
        {
            "package": package.version,
            "how": package.entry.how,
            "kinds": counted(package, places),
            "left out": dict(sorted(package.left_out.items())),
        }
        for package, places in zip(gathering.packages, chosen, strict=True)
    ]
    kinds = {kind: {"documents": 0, "bytes": 0, "share wanted": share} for kind, share in SHARES.items()}
    for package in packages:
        for kind, counts in cast("dict[str, dict[str, int]]", package["kinds"]).items():
            for name, count in counts.items():
                kinds[kind][name] += count
    left_out = sum((package.left_out for package in gathering.packages), Counter[str]())
    return {
        "documents": sum(shard["documents"] for shard in shards),
        "bytes": sum(shard["bytes"] for shard in shards),
        "kinds": kinds,
        "left out": dict(sorted(left_out.items())),
        "not to be had": gathering.missing,
        "packages": packages,
        "shards": shards,
    }


# --- the command -----------------------------------------------------------------------------------------------------


def byte_count(text: str) -> int:
    """A count of bytes such as 100MB or 5GB."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kMG]?)B?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count of bytes such as 100MB or 5GB")
    return int(float(match[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[match[2]])


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder for the shards and the manifest")
    parser.add_argument(
        "--bytes", type=byte_count, required=True, help="UTF-8 bytes of text, such as 100MB or 5GB"
    )
    parser.add_argument(
        "--cache", type=Path, help="folder for downloads and extracted text; OUT/cache if not given"
    )
    parser.add_argument("--zst", action="store_true", help="compress the shards with zstd")
    parser.add_argument(
        "--packages-only", action="store_true", help="leave out what is installed on this machine"
    )
    return parser.parse_args()


def prepare(out: Path) -> None:
    """Makes the folder, or clears it of an earlier text; refuses one that holds something else."""
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(out.iterdir()):
        if re.fullmatch(r"shard-\d{4}\.jsonl(\.zst)?|manifest\.json", path.name):
            path.unlink()
        elif path.name != "cache":
            sys.exit(f"{out} holds {path.name}, which is not of this recipe's making: name an empty folder")


def main() -> None:
    arguments = parsed_arguments()
    out: Path = arguments.out
    cache: Path = (arguments.cache or out / "cache").resolve()
    total: int = arguments.bytes
    prepare(out)
    (cache / "text").mkdir(parents=True, exist_ok=True)
    require_disk(out, 1.1 * total * (0.4 if arguments.zst else 1), "the text")
    recipe = [entry for entry in RECIPE if not (arguments.packages_only and entry.how in ("python", "rust"))]
    gathering = Gathering(recipe, Apt(cache), cache / "text")
    gathering.gather({kind: share * total for kind, share in SHARES.items()})
    gathering.gather({**dict.fromkeys(SHARES, 0.0), **gathering.needs(total)})
    needs = gathering.needs(total)
    held = gathering.totals()
    say("held: " + ", ".join(f"{kind} {megabytes(count)}" for kind, count in held.items()))
    if held[CODE] < needs[CODE]:
        sys.exit(
            f"the recipe has no more than {megabytes(total - needs[CODE] + held[CODE])} of text on this machine"
        )
    amounts = {kind: allotted(gathering.available[kind], need) for kind, need in needs.items()}
    chosen = [
        chosen_places(package, {kind: amounts[kind].get(number, 0) for kind in SHARES})
        for number, package in enumerate(gathering.packages)
    ]
    shards = write_shards(interleaved(gathering.packages, chosen), out, arguments.zst)
    manifest = manifest_of(gathering, chosen, shards)
    (out / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    for kind, counts in manifest["kinds"].items():
        say(f"{kind}: {counts['documents']} documents, {megabytes(counts['bytes'])}")
    say(f"{out}: {manifest['documents']} documents, {megabytes(manifest['bytes'])} in {len(shards)} shards")


if __name__ == "__main__":
    main()
