# Every way to build, try and check mvd. `make` alone lists them.

PYTHON ?= python3
WORKERS ?= auto
OBSERVER ?= $(shell id -un)
SHARED ?= ../shared/data

BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo review test check plain lint format samples model benchmark-accuracy benchmark-real benchmark-speed benchmark-hotspots clean distclean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 22
	@echo "Variables: PYTHON=$(PYTHON) (the interpreter that .venv is made from), WORKERS=$(WORKERS) (test processes), OBSERVER=$(OBSERVER) (who reviews), SHARED=$(SHARED) (real pictures, where there are any)"

demo: .venv/installed  ## measure the sample specimens into out/demo, and compare before with after treatment
	$(BIN)/mvd run sample_images --out out/demo
	$(BIN)/mvd compare sample_images --results out/demo --out out/demo/report

review: .venv/installed-napari out/review/study.toml  ## measure the sample study in out/review, and review it in napari
	$(BIN)/mvd run out/review
	NAPARI_CONFIG=out/review/napari.yaml $(BIN)/mvd review out/review --observer "$(OBSERVER)"

# A copy, for reviews are kept in their study. `make clean` leaves it: it holds what somebody decided.
out/review/study.toml:
	@! test -e out/review || { echo "out/review holds no study; move it away first" >&2; exit 1; }
	rm -rf out/review.new
	mkdir -p out/review.new
	cp sample_images/*.toml sample_images/*.csv sample_images/*.tif sample_images/*.geojson out/review.new
	mv out/review.new out/review

# The tests of the desk open windows. Where there is no screen, they get one that nobody sees.
ON_SCREEN := $(if $(DISPLAY)$(WAYLAND_DISPLAY),,$(if $(shell command -v xvfb-run),xvfb-run -a -s "-screen 0 1600x1000x24"))

test: .venv/installed-dev  ## run every test, warnings as errors
	$(ON_SCREEN) $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

check: lint  ## what to run before a commit: lint, then the quick tests (all but those marked slow)
	$(ON_SCREEN) $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "not slow"

PLAIN_TESTS := tests/test_cli.py tests/test_package.py tests/test_review.py tests/test_without_gui.py
plain:  ## install mvd without extras into out/plain, and test there that it needs neither napari nor Qt
	rm -rf out/plain
	mkdir -p out
	$(PYTHON) -m venv out/plain
	out/plain/bin/python -m pip install --quiet . "pytest>=8.3" "pytest-timeout>=2.3" "hypothesis>=6.115" "hatchling>=1.27"
	! out/plain/bin/python -c "import napari" 2>/dev/null
	! out/plain/bin/python -c "import qtpy" 2>/dev/null
	out/plain/bin/mvd --version
	out/plain/bin/pytest -rs tests/napari
	out/plain/bin/pytest -m "not slow" $(PLAIN_TESTS)

lint: .venv/installed-dev  ## formatting, lint, types and layers, without tests
	@failed=0; for tool in "ruff format --check ." "ruff check ." "mypy --strict" "lint-imports"; do \
		echo "$(BIN)/$$tool"; $(BIN)/$$tool || failed=1; \
	done; exit $$failed

format: .venv/installed-dev  ## format the code and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

samples: .venv/installed  ## make sample_images again with the phantom
	$(BIN)/python -m mvd.phantom sample_images

# Composites are kept in out/composites: making them takes a third of the time.
REAL ?= $(SHARED)
model: .venv/installed-dev  ## learn models/vessel_score, mvd/vessels/learned.py and benchmarks/left_out again from REAL (half an hour)
	$(BIN)/python -m pip install --quiet -e ".[model]"
	$(BIN)/python -m mvd.training $(REAL)

benchmark-accuracy: .venv/installed  ## find vessels on 36 new simulated sections, beside a generic baseline (minutes)
	$(BIN)/python benchmarks/accuracy.py

benchmark-real: .venv/installed  ## find vessels in real pixels, beside a naive threshold, where SHARED holds the pictures (minutes)
	$(BIN)/python benchmarks/real_pixels.py --shared $(SHARED)

benchmark-hotspots: .venv/installed  ## how often hot spots are found where there is none, and where there is one (minutes)
	$(BIN)/python benchmarks/hotspots.py

# HistomicsTK pins other versions than ours: it gets an environment of its own, and without one it is left out.
HISTOMICSTK ?= $(wildcard out/histomicstk/bin/python)
benchmark-speed: .venv/installed  ## time whole-slide finding beside decoding alone and others, into docs/speed.md (half an hour)
	$(BIN)/python benchmarks/speed.py $(if $(HISTOMICSTK),--histomicstk $(HISTOMICSTK)) --write docs/speed.md

# Without what it needs only for other slides and other tasks (GDAL must be compiled).
out/histomicstk/bin/python:  # HistomicsTK in out/histomicstk, for benchmark-speed
	$(PYTHON) -m venv out/histomicstk
	$@ -m pip install --quiet --no-deps histomicstk==1.3.14
	$@ -m pip install --quiet large-image large-image-source-openslide openslide-bin dask pandas scipy scikit-image \
		shapely sqlalchemy nimfa opencv-python-headless ctk-cli girder-slicer-cli-web

clean:  ## remove the demo's results, caches and build products
	rm -rf out/demo build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./.venv -prune -o -type d -name __pycache__ -exec rm -rf {} +

distclean: clean  ## clean, and remove .venv too
	rm -rf .venv

# A stamp is a copy of the pyproject.toml that was installed: nothing is installed again, and no network is needed,
# until the file really changes. Where flock exists, a second make in the same tree waits for the first.
define install
@set -e; exec 9<Makefile; flock 9 2>/dev/null || true; \
if cmp -s pyproject.toml $@; then touch $@; exit 0; fi; \
fail() { echo "$$1" >&2; exit 1; }; \
if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	command -v $(PYTHON) >/dev/null || fail "mvd needs Python 3.11 or newer, and there is no $(PYTHON) here: install it (Debian: apt-get install python3 python3-venv) or name another with make PYTHON=..."; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "mvd needs Python 3.11 or newer, and $(PYTHON) is older: name another with make PYTHON=..."; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || fail "$(PYTHON) cannot make virtual environments: install its venv module (Debian: apt-get install python3-venv)"; \
	$(PYTHON) -m venv --clear .venv; \
fi; \
echo "Installing mvd$(1) into .venv (once; about a minute)"; \
$(BIN)/python -m pip install --quiet --editable '.$(1)'; \
for stamp in $(2); do cp pyproject.toml $$stamp.new; mv $$stamp.new $$stamp; done
endef

.venv/installed: pyproject.toml
	$(call install,,$@)

.venv/installed-napari: pyproject.toml
	$(call install,[napari],.venv/installed $@)

comma := ,
.venv/installed-dev: pyproject.toml
	$(call install,[dev$(comma)napari-test],.venv/installed .venv/installed-napari $@)
