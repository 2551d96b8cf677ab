# The verbs of this project, the same here, in CI and in CONTRIBUTING.md. `make help` lists them.
#
# Each sets up what it needs, from nothing, in .venv; a second run does only what has changed since. A machine needs
# Rust with a C linker, and CPython. Choose another interpreter with `make PYTHON=/path/to/python test`.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo build loaders test test-corpus test-full fuzz miri sanitize lint bench instructions docs clean

VENV ?= .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

# CI builds exactly what Cargo.lock says; elsewhere cargo may bring it up to date.
LOCKED := $(if $(CI),--locked)
EXTENSION_SOURCES := pyproject.toml Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name Cargo.toml)

# ── what the machine must have ───────────────────────────────────────────────────────────────────────────────────

# An interpreter counts only if it runs (a pyenv shim may not), is new enough, and can make an environment.
PYTHON_WORKS := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))
ifndef PYTHON
PYTHON = $(shell for python in python3.13 python3.12 python3.11 python3.10 python3 python; do \
	"$$python" -c '$(PYTHON_WORKS)' >/dev/null 2>&1 && { echo "$$python"; break; }; done)
endif
require_python = $(if $(shell "$(PYTHON)" -c '$(PYTHON_WORKS)' >/dev/null 2>&1 && echo yes),,$(error \
	no CPython 3.10 or newer with venv $(if $(PYTHON),at $(PYTHON),on the PATH): install one (on Debian \
	`apt install python3 python3-venv`), or name it with `make PYTHON=/path/to/python`))

RUST_NEEDED := $(shell sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
rust_found = $(shell cargo --version 2>/dev/null | sed -n 's/^cargo \([0-9.]*\).*/\1/p')
rust_oldest = $(shell printf '%s\n%s\n' "$(rust_found)" "$(RUST_NEEDED)" | sort -V | head -n 1)
require_rust = $(if $(rust_found),,$(error \
	cargo does not run: install Rust $(RUST_NEEDED) or newer from https://rustup.rs))$(if \
	$(filter $(RUST_NEEDED),$(rust_oldest)),,$(error \
	cargo $(rust_found) is older than $(RUST_NEEDED): run `rustup update stable`, or install Rust from \
	https://rustup.rs))$(if $(or $(filter Windows_NT,$(OS)),$(shell command -v cc)),,$(error \
	there is no C linker: install one (on Debian `apt install gcc libc6-dev`, on macOS `xcode-select --install`)))

# What looks below the language needs the nightly toolchain; rustup brings it where there is a network.
nightly_works = cargo +nightly $(1) --version >/dev/null 2>&1
require_nightly = @$(call nightly_works) || rustup toolchain install nightly --profile minimal || { echo \
	'this needs nightly Rust, and rustup could not install it: run `rustup toolchain install nightly`' >&2; exit 1; }
require_miri = @$(call nightly_works,miri) || rustup component add miri rust-src --toolchain nightly || { echo \
	'Miri is not installed, and rustup could not: run `rustup component add miri rust-src --toolchain nightly`' >&2; exit 1; }
require_cargo_fuzz = @test -x "$(BIN)/cargo-fuzz" || cargo install --quiet --locked cargo-fuzz --root "$(VENV)" || { echo \
	'cargo-fuzz is not installed, and cargo could not build it: it needs crates.io and a C++ compiler' >&2; exit 1; }

# ── set-up; each file under .venv says that a step is done ───────────────────────────────────────────────────────

$(VENV)/.created:
	$(require_python)$(require_rust)"$(PYTHON)" -m venv "$(VENV)"
	"$(BIN)/python" -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/.build-tools: $(VENV)/.created pyproject.toml
	"$(BIN)/python" -m pip install --quiet --group build
	@touch $@

$(VENV)/.lint-tools: $(VENV)/.created pyproject.toml
	"$(BIN)/python" -m pip install --quiet --group lint
	@touch $@

# The package, as an editable install with an optimised extension, and the packages of the extras named.
install = $(require_rust)VIRTUAL_ENV="$(abspath $(VENV))" "$(BIN)/maturin" develop --release $(LOCKED) --extras $(1)

$(VENV)/.with-report: $(VENV)/.build-tools $(EXTENSION_SOURCES)
	$(call install,report)
	@touch $@

$(VENV)/.with-test: $(VENV)/.build-tools $(EXTENSION_SOURCES)
	$(call install,report$(comma)test)
	@touch $@

# After the package, so that what it needs keeps the versions that its tests ask for.
$(VENV)/.with-loaders: pyproject.toml | $(VENV)/.with-test
	"$(BIN)/python" -m pip install --quiet --group loaders
	"$(BIN)/python" -m pip install --quiet --group loaders-alone --no-deps
	@touch $@

comma := ,

# ── the verbs ────────────────────────────────────────────────────────────────────────────────────────────────────

help: ## list the verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r verb text; do \
		printf '  make %-12s %s\n' "$$verb" "$$text"; done

demo: $(VENV)/.with-report ## the whole way on the bundled text: train, encode, pack, report
	"$(BIN)/portmanteau" demo

build: $(VENV)/.with-report ## build the extension and install the package into .venv

loaders: $(VENV)/.with-loaders ## install what tests of loaders and exports are held to: PyTorch and others, 6 GB

test: $(VENV)/.with-test ## Rust tests, docstring examples and Python tests
	cargo test --workspace $(LOCKED) --quiet
	"$(BIN)/python" -m pytest

test-corpus: $(VENV)/.with-test ## what takes longer: the whole corpus in ../shared, thousands of cases against the oracles
	HYPOTHESIS_PROFILE=slow "$(BIN)/python" -m pytest tests/test_training.py -k 'equals'
	PORTMANTEAU_TEST_FULL=1 "$(BIN)/python" -m pytest -m full tests

test-full: test test-corpus ## both

# Checks of addresses cost a third of the speed; comparisons traced one by one would cost most of it.
FUZZ_SECONDS ?= 60
# Whole tokenizers to begin with: the engine would take its time to come from nothing to a vocabulary.
FUZZ_SEEDS = "$(BIN)/python" -c 'import pathlib, random; folder = pathlib.Path("target/fuzz/corpus/encode"); \
	folder.mkdir(parents=True, exist_ok=True); \
	[(folder / f"seed-{n}").write_bytes(random.Random(n).randbytes(600)) for n in range(500)]'
fuzz: $(VENV)/.created ## look for texts and tokenizers that are encoded wrong, for FUZZ_SECONDS (60); nightly Rust
	$(require_nightly)
	$(require_cargo_fuzz)
	@$(FUZZ_SEEDS)
	RUSTUP_TOOLCHAIN=nightly CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
		"$(BIN)/cargo-fuzz" fuzz run --no-trace-compares \
		--features libfuzzer --target-dir target/fuzz encode target/fuzz/corpus/encode -- \
		-max_total_time=$(FUZZ_SECONDS) -max_len=800 -len_control=0 -print_final_stats=1

miri: ## the unsafe code under Miri, on the portable back end and on SSSE3; minutes; nightly Rust
	$(require_nightly)
	$(require_miri)
	MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test $(LOCKED) -p portmanteau-bpe --test unsafe_code
	RUSTFLAGS=-Ctarget-feature=+ssse3 MIRIFLAGS=-Zmiri-disable-isolation \
		cargo +nightly miri test $(LOCKED) -p portmanteau-bpe --test unsafe_code -- back_ends

HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
sanitize: ## the tests of the scanner and the encoder with every address checked; nightly Rust
	$(require_nightly)
	RUSTFLAGS=-Zsanitizer=address cargo +nightly test $(LOCKED) --target $(HOST) --target-dir target/sanitize -p portmanteau-bpe \
		--lib --test encode --test streaming --test unsafe_code -- --skip work_stops_soon # which is timed

lint: $(VENV)/.lint-tools docs ## formatting, clippy, rustdoc, ruff, mypy --strict, and cargo-deny where it is installed
	$(require_rust)cargo fmt --all --check
	cargo clippy --workspace --all-targets $(LOCKED) --quiet -- -D warnings
	"$(BIN)/ruff" check
	"$(BIN)/ruff" format --check
	"$(BIN)/mypy"
	@if command -v cargo-deny >/dev/null 2>&1; then cargo deny --all-features check; \
	else echo 'cargo-deny is not installed: licences and advisories of the dependencies were not checked'; fi

bench: $(VENV)/.with-test ## time encoding, training and packing against the peers that are installed
	"$(BIN)/portmanteau" bench encode --rounds 3
	"$(BIN)/python" benches/peers.py
	cargo bench $(LOCKED) -p portmanteau-bpe --bench pretokenize --bench encode -- --quick

instructions: $(VENV)/.created ## count instructions under Valgrind, compare with the newest record, write today's
	"$(BIN)/python" benches/instructions.py --out benches/record/$(shell date +%F)-instructions.json

docs: ## the Rust API documentation, in target/doc
	$(require_rust)RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps $(LOCKED)

clean: ## remove what the other verbs made
	rm -rf "$(VENV)" target dist demo .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find python tests tools -name __pycache__ -prune -exec rm -rf {} +
	rm -f python/portmanteau/_rust*.so python/portmanteau/_rust*.pyd
