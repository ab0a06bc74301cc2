# Two commands matter: `make demo` and `make test`. The rest is for those who work on Mavis.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
ONCE ?=
CLOUD ?= simulator

# Services and people of an appliance that is started as root are Unix users of their own and must
# be able to read the virtual environment. Where the clone lies behind a closed folder (below
# /root, say), it goes to /opt, with a copy of the packages instead of links to them.
CLOSED := $(shell [ "$$(id -u)" = 0 ] || exit 0; d="$(CURDIR)"; while [ "$$d" != / ]; do \
  case "$$(stat -c %A "$$d")" in (*[xt]) ;; (*) echo closed; break;; esac; d="$$(dirname "$$d")"; done)
VENV ?= $(if $(CLOSED),/opt/mavis/venv,$(CURDIR)/.venv)
BOOT := $(CURDIR)/.boot
BIN := $(VENV)/bin
UV := VIRTUAL_ENV=$(VENV) UV_SYSTEM_CERTS=true $(BOOT)/bin/uv
SOURCES := $(shell find hub extensions flows mavis_kernel \( -name node_modules -o -name static \) -prune -o \
  \( -name '*.py' -o -name '*.json' -o -name '*.js' -o -name '*.ts' -o -name '*.css' -o -name '*.html' \
  -o -name py.typed \) -print)

# What pages load from npm, with the node of the virtual environment: no package's script runs.
NPM := NODE_USE_SYSTEM_CA=1 PATH="$(BIN):$$PATH" $(BIN)/npm
STATIC := extensions/mavis_ext/static
SWAGGER_UI := $(STATIC)/swagger-ui/swagger-ui-bundle.js
FETCHED := extensions/assets/node_modules/.package-lock.json
SWAGGER := extensions/assets/node_modules/swagger-ui-dist
JS := mavis_kernel/js
WIDGETS := mavis_kernel/mavis_kernel/static/widgets.css
REMOTE := $(STATIC)/remote/terminal.js
ASSETS := $(SWAGGER_UI) $(REMOTE) $(WIDGETS)
BUNDLER := $(JS)/node_modules/.package-lock.json
# Notebook 7 lies beside the virtual environment: there it would switch itself on in every server.
NOTEBOOK7 := build/notebook7
LINTERS := tests/js/node_modules/.package-lock.json
UNREACHED = { echo "npm could not install what $(<D) names; what it said is above. Where it did not" \
  "reach its registry: look at the network and at npm's settings, then try again." >&2; exit 1; }

# The tests that take the guide's pictures.
PICTURED := tests/integration/pages/test_in_a_browser.py tests/integration/widgets/test_in_lab.py \
  tests/e2e/test_browser.py tests/e2e/test_first_days.py

.PHONY: help demo up down check test test-slow bench assets lock npm-lock openapi guide docs pictures client \
  format venv tools debian clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: venv ## Start the appliance, run the main job, stay up (ONCE=1: stop after it)
	@PYTHONPATH=tests $(BIN)/python demo/demo.py --cloud "$(CLOUD)" $(if $(ONCE),--once)

up: venv ## Start the appliance
	@$(BIN)/mavisctl up

down: venv ## Stop the appliance
	@$(BIN)/mavisctl down

check: venv ## Lint, types, imports and unit tests, for every commit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q -n 2 -p no:schemathesis -m "not slow" tests/unit tests/architecture

test: debian check $(LINTERS) $(NOTEBOOK7) ## Everything but what is long
	$(BIN)/pytest -q -m "not slow" --durations=5 tests/conformance tests/integration
	$(BIN)/pytest -q -m "not slow" --durations=5 tests/e2e

test-slow: debian venv $(LINTERS) $(NOTEBOOK7) ## What is long
	$(BIN)/pytest -q -m slow

bench: venv ## Measure, each claim beside what one would take instead
	@for each in benchmarks/*.py; do echo "== $$each"; $(BIN)/python "$$each" || exit 1; done

format: venv ## Put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

openapi: venv ## Write the description of the API anew; BREAK=1 where callers shall break
	@PYTHONPATH=extensions:hub $(BIN)/python -m mavis_ext.writing $(if $(BREAK),--break)
	@$(MAKE) --no-print-directory guide client

guide: venv ## Write the tables of the documents anew that follow from the code
	@PYTHONPATH=extensions:hub:mavis_kernel:tools $(BIN)/python -m guide_making

docs: venv ## Build the guide as a site, without any network: build/docs/index.html
	@umask 022; $(BIN)/python -m sphinx --fresh-env --write-all --fail-on-warning --keep-going -q -b html docs build/docs
	@echo "build/docs/index.html"

pictures: venv $(LINTERS) ## Take the guide's pictures anew, where the tests take them
	@rm -rf build/pictures
	@MAVIS_SCREENSHOTS=$(CURDIR)/build/pictures $(BIN)/pytest -q $(PICTURED)
	@for each in docs/images/*.png; do cp "build/pictures/$${each##*/}" "$$each"; done

client: venv ## Make the parts of the client anew that follow from something else
	@PYTHONPATH=tools:mavis_kernel $(BIN)/python -m client_making

assets: $(ASSETS) ## Fetch and bundle what pages and widgets load

lock: $(BOOT)/bin/uv ## Let requirements.lock follow pyproject.toml (UPGRADE=1: with what is new)
	$(UV) pip compile -q $(if $(UPGRADE),--upgrade) --python-version 3.11.2 --generate-hashes \
	  --no-annotate --no-header --extra appliance --group build --group dev --group docs pyproject.toml \
	  -o requirements.lock

npm-lock: $(VENV)/.packages ## Let the package-lock.json follow their package.json
	@for each in extensions/assets $(JS) tests/js; do (cd $$each && $(NPM) install --package-lock-only >/dev/null \
	  && $(BIN)/python -c 'import json; d = json.load(open("package-lock.json")); \
	  [each.pop("funding", None) for each in d["packages"].values()]; \
	  open("package-lock.json", "w").write(json.dumps(d, indent=1) + "\n")') || exit 1; done

clean: ## Remove what the build made; the state folder stays
	rm -rf .boot .venv build dist tests/artifacts $(STATIC) $(dir $(WIDGETS)) \
	  extensions/assets/node_modules $(JS)/node_modules tests/js/node_modules
	find . -name __pycache__ -prune -exec rm -rf {} +

venv: $(VENV)/.project

$(VENV)/.project: $(VENV)/.packages pyproject.toml $(ASSETS) $(if $(CLOSED),$(SOURCES))
	@$(UV) pip install -q --no-deps $(if $(CLOSED),--reinstall-package mavis-ops .,-e .)
	@touch $@

$(LINTERS): tests/js/package-lock.json tests/js/.npmrc | $(VENV)/.packages
	@echo "Fetching what the tests take from npm ..." >&2
	@cd $(<D) && $(NPM) ci --loglevel=error >/dev/null || $(UNREACHED)
	@touch $@

$(NOTEBOOK7): tests/notebook7.txt | $(VENV)/.packages
	@rm -rf $@ && umask 022 && $(UV) pip install -q --no-deps --require-hashes --target $@ -r $<
	@touch $@

$(FETCHED): extensions/assets/package-lock.json extensions/assets/.npmrc | $(VENV)/.packages
	@echo "Fetching what pages load ..." >&2
	@cd $(<D) && $(NPM) ci --loglevel=error >/dev/null || $(UNREACHED)
	@touch $@

$(SWAGGER_UI): $(FETCHED)
	@rm -rf $(@D) && umask 022 && mkdir -p $(@D)
	@cd $(SWAGGER) && cp LICENSE NOTICE swagger-ui-bundle.js.LICENSE.txt swagger-ui.css swagger-ui-bundle.js $(CURDIR)/$(@D)
	@cd $(@D) && gzip -9nk swagger-ui.css swagger-ui-bundle.js && touch swagger-ui-bundle.js

$(REMOTE): $(wildcard extensions/assets/src/*) $(FETCHED)
	@rm -rf $(@D) && umask 022 && mkdir -p $(@D)
	@cd extensions/assets && PATH="$(BIN):$$PATH" $(BIN)/node node_modules/esbuild/bin/esbuild src/terminal.ts \
	  src/player.ts src/terminal.css src/player.css --bundle --minify --format=iife --charset=utf8 \
	  --target=es2022,chrome118,firefox121,safari17.4 --log-level=warning --legal-comments=linked \
	  --outdir=$(CURDIR)/$(@D)
	@for each in @xterm/xterm asciinema-player; do \
	  cp extensions/assets/node_modules/$$each/LICENSE $(@D)/$${each##*/}.LICENSE; done

$(BUNDLER): $(JS)/package-lock.json $(JS)/.npmrc | $(VENV)/.packages
	@echo "Fetching what bundles the widgets ..." >&2
	@cd $(<D) && $(NPM) ci --loglevel=error >/dev/null || $(UNREACHED)
	@touch $@

# Each widget is one file, the same in Lab, Notebook 7 and Voila: it comes with the widget's state.
# Terminal and player are those of the pages: one source for both.
$(WIDGETS): $(wildcard $(JS)/src/*.ts $(JS)/src/*.css $(JS)/src/core/*.ts extensions/assets/src/*) $(FETCHED) $(BUNDLER)
	@rm -rf $(@D) && umask 022 && mkdir -p $(@D)
	@PATH="$(BIN):$$PATH" $(BIN)/node $(JS)/node_modules/esbuild/bin/esbuild $(wildcard $(JS)/src/*.ts) \
	  $(wildcard $(JS)/src/*.css) --bundle --minify --format=esm --target=es2022,chrome118,firefox121,safari17.4 \
	  --charset=utf8 --log-level=warning --legal-comments=linked --outdir=$(@D)
	@for each in @xterm/xterm asciinema-player; do \
	  cp extensions/assets/node_modules/$$each/LICENSE $(@D)/$${each##*/}.LICENSE; done

$(VENV)/.packages: requirements.lock $(BOOT)/bin/uv
	@echo "Installing packages into $(VENV) ..." >&2
	@mkdir -p $(dir $(VENV)) && chmod a+rx $(dir $(VENV))
	@umask 022; [ -x $(BIN)/python ] || $(UV) venv -q --python $(PYTHON) $(VENV)
	@umask 022; $(UV) pip sync -q --require-hashes --compile-bytecode requirements.lock
	@touch $@

$(BOOT)/bin/uv: | tools
	@$(PYTHON) -m venv $(BOOT)
	@$(BOOT)/bin/python -m pip install -q --disable-pip-version-check 'uv>=0.13,<0.14'

tools:
	@command -v git >/dev/null || { echo "git is missing; install it: apt-get install git" >&2; exit 1; }
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing; install it: apt-get install python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11; name another: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "python3-venv is missing; install it: apt-get install python3-venv" >&2; exit 1; }

debian:
	@missing=$$(for each in $$(cat tests/debian-packages.txt); do \
	  dpkg-query -W -f '$${Status}' $$each 2>/dev/null | grep -q 'ok installed' || echo $$each; done | xargs); \
	[ -z "$$missing" ] || if [ "$$(id -u)" = 0 ]; then \
	  echo "Installing $$missing ..." >&2; apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else echo "The tests need Debian packages; as root: apt-get install $$missing" >&2; exit 1; fi
