# `make demo`, `make test`, `make lint` and `make bench` work on a machine with python3, g++, make and git alone:
# each sets up .venv by itself; a second run finds it there.

PYTHON ?= python3
DEMO_OUT ?= demo
PRESETS ?= default asan tsan

BIN := .venv/bin
INSTALL := PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check
BUILT_FROM := pyproject.toml constraints.txt CMakeLists.txt $(shell find cpp -path cpp/tests -prune -o -type f -print)

.PHONY: archives bench clean demo docs faults fuzz links lint notebooks science screenshots soak test test-busy test-cpp test-integrations test-python test-swift test-web test-windows wasm
.DEFAULT_GOAL := demo

# cmake calls ninja, and both may be those of .venv
lint test-cpp test-windows wasm: private export PATH := $(CURDIR)/$(BIN):$(PATH)

demo: .venv/run-installed  ## simulate, train, export, stream, and draw the latent maps beside the truth
	$(BIN)/shiftvae demo -o $(DEMO_OUT) --force

test: test-cpp test-python  ## C++ tests, plain and under the sanitizers, then the Python tests

test-cpp: .venv/dev-installed
	for preset in $(PRESETS); do \
	  cmake --preset $$preset -G Ninja && cmake --build --preset $$preset && ctest --preset $$preset || exit 1; \
	done

# Tests with a clock in them run alone, the others two at a time.
test-python: .venv/dev-installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not clock" -n 2 --dist loadfile
	$(BIN)/python -m pytest -m clock

test-windows: .venv/dev-installed  ## the C++ tests and the C library of Windows, under wine
	@for need in x86_64-w64-mingw32-g++-posix wine; do command -v $$need >/dev/null || \
	  { echo "skipped: no $$need here; on Debian: apt-get install g++-mingw-w64-x86-64-posix wine wine64"; exit 0; }; done; \
	export WINEDEBUG=-all WINEPREFIX=$(CURDIR)/build/wine; \
	cmake --preset windows -G Ninja && cmake --build --preset windows && ctest --preset windows && \
	$(BIN)/python -m pytest -rs tests/capi/test_c_library_windows.py

# Zig's clang is a wheel of 80 MB, and lives in an environment of its own.
ZIG := ziglang==0.15.2
build/zig/installed:
	$(PYTHON) -m venv build/zig
	build/zig/bin/python -m pip install --quiet --disable-pip-version-check $(ZIG)
	touch $@

wasm: .venv/dev-installed  ## the page that maps a scan in a browser, one file: web/dist/shiftvae.html
	@if $(MAKE) --silent build/zig/installed; then \
	  zig=$$(build/zig/bin/python -c "import pathlib, ziglang; print(pathlib.Path(ziglang.__file__).with_name('zig'))") && \
	  cmake --preset wasm -G Ninja -DSHIFTVAE_ZIG=$$zig && cmake --build --preset wasm && $(BIN)/python web/bundle.py; \
	else echo "wasm: SKIPPED, because $(ZIG) could not be installed: is there a network?"; fi

test-web: wasm  ## the page in a browser against LatentMapper
	$(BIN)/python -m pytest -rs -s tests/web

lint: .venv/dev-installed  ## style, types, import contracts, the stub of the compiled module, and the C++ sources
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --platform win32
	$(BIN)/lint-imports
	$(BIN)/python -m mypy.stubtest --mypy-config-file pyproject.toml shiftvae_rt._core
	$(BIN)/clang-format --dry-run --Werror $(shell git ls-files 'cpp/*.cpp' 'cpp/*.hpp' 'cpp/*.h')
	cmake --preset default -G Ninja
	$(BIN)/clang-tidy -p build/default --quiet $$(sed -En \
	  's|.*"file": "(.*/cpp/(src\|common\|capi\|client)/[a-z0-9_]+\.cpp)".*|\1|p' build/default/compile_commands.json | sort -u)

docs: .venv/dev-installed  ## the book, into build/docs: a warning is an error, every link and anchor within it is checked
	$(BIN)/python -m sphinx -q -E -W --keep-going -d build/doctrees docs build/docs
	$(BIN)/python docs/check_links.py build/docs

notebooks: .venv/dev-installed  ## run the notebooks of the book, and store what they show
	$(BIN)/python docs/run_notebooks.py

links: .venv/dev-installed  ## the links of the book that lead elsewhere: asks their servers
	$(BIN)/python -m sphinx -q -b linkcheck -d build/doctrees docs build/links

screenshots: .venv/dev-installed  ## the pictures of the live page in the book; needs a Chromium
	$(BIN)/python benchmarks/screenshots.py

bench: .venv/dev-installed  ## every figure of speed that we claim
	$(BIN)/python benchmarks/run.py

archives: .venv/dev-installed  ## movies of 2,000 and 20,000 frames in every format of stacks, and what Dask costs: half an hour
	$(BIN)/python benchmarks/speed/archives.py

science: .venv/dev-installed  ## every score that we claim: hours on one core
	$(BIN)/python benchmarks/science/run.py

# The long forms of the service's tests; their figures are in docs/reference/reliability.md.
faults: .venv/dev-installed  ## 1,000,000 frames and 500 kills, 100 stops, strangers that flood, 10,000 tries without a key
	SHIFTVAE_LONG=1 SHIFTVAE_TRIES=10000 $(BIN)/python -m pytest tests/stream/faults/test_kills.py \
	  tests/stream/faults/test_stops.py tests/stream/faults/test_strangers.py tests/stream/faults/test_pace.py \
	  tests/stream/transport/test_keys.py -s

fuzz: .venv/dev-installed  ## parsers 100,000,000 times (an hour), kernels for ten minutes each and in 1,000,000 cases beside NumPy
	$(BIN)/python -m pip install --quiet atheris
	SHIFTVAE_LONG=1 $(BIN)/python -m pytest tests/stream/faults/test_fuzz.py tests/runtime/kernels/test_differential.py \
	  tests/runtime/model/test_model_file.py -s

test-busy: .venv/dev-installed  ## every test with a clock in it, ten times beside four busy loops
	$(BIN)/python tests/busy.py --rounds 10 --loops 4

# Swift has the GPL and pins its own packages, so it lives in an environment of its own; the service runs in .venv.
test-swift: .venv/run-installed  ## the plug-in in Nion Swift, headless, with its simulated microscope: two minutes
	$(PYTHON) -m venv build/swift
	if build/swift/bin/python -m pip install --quiet --disable-pip-version-check pytest nionswift-usim \
	  ./client ./integrations/nionswift; then \
	  cd integrations/nionswift && $(CURDIR)/build/swift/bin/python -m pytest -s -p no:cacheprovider; \
	else echo "test-swift: SKIPPED, because Nion Swift could not be installed: is there a network?"; fi

# Each bridge needs the packages of its program: what cannot be installed is left out, and its test says so.
test-integrations: .venv/run-installed  ## the bridges against the simulators of their programs
	$(PYTHON) -m venv build/bridges
	for packages in pytest ./client "$(CURDIR)[cpu]" libertem "npe2 ./integrations/napari" \
	  "pymmcore-plus mm-test-adapters" pvapy pytango; do \
	  build/bridges/bin/python -m pip install --quiet --disable-pip-version-check $$packages || \
	    echo "test-integrations: cannot install $$packages"; \
	done
	cd integrations/tests && $(CURDIR)/build/bridges/bin/python -m pytest -rs -s -W ignore -c /dev/null --rootdir . -p no:cacheprovider .

soak: .venv/dev-installed  ## memory over 1,000,000 frames
	SHIFTVAE_LONG=1 $(BIN)/python -m pytest tests/stream/faults/test_soak.py -s

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/created:
	$(PYTHON) -m venv .venv
	touch $@

.venv/run-installed: .venv/created $(BUILT_FROM)
	$(INSTALL) -e '.[cpu,train,io]'
	touch $@

.venv/dev-installed: .venv/created $(BUILT_FROM)
	$(INSTALL) -e '.[cpu,train,io,scale,signed,test,dev,docs]'
	touch .venv/run-installed $@
