# The two commands of the README, each doing all of its own set-up in a fresh clone:
#   make demo   four simulated people teach each other a gesture (installs into .venv only)
#   make test   every check that CI runs (as root or with sudo it also installs Debian packages)
# and make firmware, which builds the boards' programs offline over Debian's compiler.
PYTHON ?= python3
BIN := .venv/bin
DEBIAN_PACKAGES := mosquitto openssl gcc libc6-dev pkg-config \
	gcc-avr binutils-avr avr-libc arduino-core-avr libsimavr-dev libelf-dev gcc-arm-none-eabi openocd
BOARDS := uno nano mega2560 leonardo da14580
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# PlatformIO would ask the internet for the age of its packages and wait for the answer.
export PLATFORMIO_SETTING_ENABLE_TELEMETRY := no
export PLATFORMIO_DISABLE_UPGRADE_CHECK := true

# TensorFlow builds the training graphs and is needed for nothing else; another version builds other bytes.
TENSORFLOW := tensorflow-cpu==2.21.0
# The older TFLite runtime has wheels up to this Python.
OLD_PYTHON ?= python3.11

.PHONY: demo test coverage test-firmware test-tflite-old packages lint firmware images arduino-library graphs check-graphs \
	benchmark clean

demo: .venv/.installed-demo
	$(BIN)/fedmotion demo $(ARGS)

# Four workers for two cores: half of the tests wait for a broker. Four emulated boards want both to themselves.
test: .venv/.installed-dev packages lint
	@if command -v avr-gcc >/dev/null || [ "$$CI" = true ]; then $(MAKE) --no-print-directory test-firmware; \
	else echo "no avr-gcc: the firmware is not built, and tests that need it are skipped"; fi
	$(BIN)/pytest -n 4 --dist loadscope --ignore tests/system/test_demo_on_emulated_boards.py $(ARGS)

# Which lines no test reaches; every process that the tests start is looked at, which takes half as long again.
coverage: .venv/.installed-dev packages
	$(BIN)/coverage erase
	$(BIN)/pytest -n 4 --dist loadscope --cov --cov-report=term --ignore tests/system/test_demo_on_emulated_boards.py $(ARGS)

lint: .venv/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/clang-format --dry-run -Werror $(wildcard firmware/lib/*/*.[ch] firmware/ports/*/*.[ch] \
		firmware/ports/*/*.cpp firmware/src/* firmware/arduino_library/*.h firmware/arduino_library/*.cpp \
		tests/boards/probe_da14580/*.c tests/firmware/*.[ch] tests/firmware/native/*/*.c)
	$(BIN)/mypy
	$(BIN)/lint-imports

test-firmware: firmware
	$(BIN)/pio test --project-conf platformio.ci.ini --environment native
	$(BIN)/pytest --timeout 500 tests/system/test_demo_on_emulated_boards.py

firmware: .venv/.installed-dev packages
	$(BIN)/python firmware/platforms/offline_core.py .pio/core
	$(BIN)/pio run --silent --project-conf platformio.ci.ini $(BOARDS:%=-e %)
	$(BIN)/python firmware/platforms/size_table.py .pio/build $(BOARDS)

# What the package ships of it, for `fedmotion flash`; to be committed with the firmware's change.
images: firmware
	$(BIN)/python firmware/platforms/keep_images.py .pio/build firmware/fedmotion/boards/images

# The node for any board with an Arduino core: docs/porting.md.
arduino-library:
	$(PYTHON) firmware/platforms/arduino_library.py fedmotion-node.zip

# The networks' training graphs; to be committed with a change of models/fedmotion/models/networks.py.
graphs: .venv-graphs/.installed
	PYTHONPATH=models .venv-graphs/bin/python models/build_graphs.py models/fedmotion/models/artifacts

# That the committed graphs are what their source builds, to the bit.
check-graphs: .venv-graphs/.installed
	rm -rf build/graphs
	PYTHONPATH=models .venv-graphs/bin/python models/build_graphs.py build/graphs
	diff -r build/graphs models/fedmotion/models/artifacts

# The networks on the older runtime, which goes with numpy below 2.
test-tflite-old: .venv-tflite-old/.installed
	.venv-tflite-old/bin/pytest -p no:cacheprovider -W default tests/models/test_tflite_door.py \
		tests/models/test_training_graphs.py tests/models/test_family_conformance.py \
		tests/models/test_family_federated.py -q -k "mlp or cnn or door"

# Each prints what it measures beside the peer or limit that it is compared with.
benchmark: .venv/.installed-dev
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

packages:
	@PATH="$$PATH:/usr/sbin"; \
	if command -v dpkg-query >/dev/null && dpkg-query -W $(DEBIAN_PACKAGES) >/dev/null 2>&1; then :; \
	elif ! command -v apt-get >/dev/null; then \
		echo "no apt-get: tests that need $(DEBIAN_PACKAGES) are skipped"; \
	elif [ "$$(id -u)" = 0 ]; then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(DEBIAN_PACKAGES); \
	elif sudo -n true 2>/dev/null; then sudo apt-get update -qq && sudo apt-get install -y -qq $(DEBIAN_PACKAGES); \
	else echo "neither root nor sudo: tests that need $(DEBIAN_PACKAGES) are skipped"; fi

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"fedmotion needs Python 3.11 or later, {sys.executable} is {sys.version.split()[0]}: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip

.venv/.installed-demo: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[demo]'
	@touch $@

.venv/.installed-dev: .venv/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[demo,web,emulator,export]' --group dev
	@touch $@ .venv/.installed-demo

.venv-graphs/.installed: Makefile
	$(PYTHON) -m venv .venv-graphs
	.venv-graphs/bin/pip install --quiet $(TENSORFLOW)
	@touch $@

.venv-tflite-old/.installed: pyproject.toml
	$(OLD_PYTHON) -m venv .venv-tflite-old
	.venv-tflite-old/bin/pip install --quiet --editable '.[tflite-old]' pytest pytest-timeout
	@touch $@

clean:
	rm -rf .venv .venv-graphs .venv-tflite-old .pio build dist fedmotion-node.zip .coverage .coverage.* .mypy_cache \
		.pytest_cache .ruff_cache .import_linter_cache
