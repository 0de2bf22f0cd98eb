# `make` alone lists the targets. Nothing here needs more than Python 3.11 with venv.

# The first Python that is new enough: a name may be there without a Python behind it.
PYTHON = $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
PYTEST := $(BIN)/pytest -q -n 3 --dist loadfile --no-loadscope-reorder
N ?= 2000
SEED ?= 1
SECONDS ?= 60
MINUTES ?= 60
COUNT ?= 4000
PACKAGES ?= var/packages
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' schemas/pyproject.toml)
# What decides is covered to its last branch.
PURE := */domain/*,*/core/[bfotu]*,*/core/signed_record.py
# Names of package registries and folders of a developer's own machine: neither belongs into a file.
FOREIGN := pyp[i]\.|pythonh[o]sted|de[b]\.debian|np[m]js\.|repo1?\.m[a]ven|ma[v]en\.apache|proxy\.g[o]lang|crat[e]s\.io|/hom[e]/|/roo[t]/|/User[s]/|/wor[k]/

.DEFAULT_GOAL := help
.PHONY: help setup demo up portal gallery test test-long chaos alarms soak compose-test pin-images fuzz bench bench-peers chart man packages specimens check format lock sbom clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.ready ## install everything into .venv; leaves .venv/bin/servicecert

.venv/.ready: requirements.lock pyproject.toml schemas/pyproject.toml deploy/bootstrap.py
	@python='$(PYTHON)'; test -n "$$python" || { echo "setup: Python 3.11 or newer is needed; install one." >&2; exit 1; }; \
	$$python deploy/bootstrap.py

demo: setup ## four applications all the way to certificates, told as it happens; leaves var/demo/
	@$(BIN)/servicecert demo

up: setup ## everything running until Ctrl-C, with a live board
	@$(BIN)/servicecert up

EXAMPLE := examples/e_service
portal: setup $(EXAMPLE)/.venv/.ready ## the same, and an example of the e-service to try in a browser
	@$(EXAMPLE)/.venv/bin/python $(EXAMPLE)/start.py $(BIN)/servicecert up

# The example is another team's: it has packages of its own, and of ours only that of the events.
$(EXAMPLE)/.venv/.ready: $(EXAMPLE)/requirements.lock deploy/build-requirements.lock
	@$(BIN)/python -m venv $(EXAMPLE)/.venv
	@$(EXAMPLE)/.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes $(foreach lock,$^,-r $(lock))
	@$(EXAMPLE)/.venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e schemas
	@touch $@

gallery: $(EXAMPLE)/.venv/.browser ## a picture of each page of that e-service in each state and language: var/gallery/index.html; needs Chromium
	@cd $(EXAMPLE) && PYTHONPATH=.:$(BROWSER)/../web:$(BROWSER) .venv/bin/python -m gallery ../../var/gallery ../../docs/e-service.png

# Playwright drives the machine's Chromium, axe judges its pages: only tests and the gallery need them.
BROWSER := $(CURDIR)/tests/e_service/browser
$(EXAMPLE)/.venv/.browser: $(EXAMPLE)/.venv/.ready $(BROWSER)/requirements.lock $(BROWSER)/package-lock.json
	@$(EXAMPLE)/.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $(BROWSER)/requirements.lock
	@cp $(BROWSER)/package*.json $(EXAMPLE)/.venv/ && cd $(EXAMPLE)/.venv && npm ci --silent --ignore-scripts
	@touch $@

# The tests start hundreds of processes: none of them is to compile all modules anew.
test: export PYTHONDONTWRITEBYTECODE =
test: setup ## the tests, on real Kafka and PostgreSQL; GATES=1 measures their coverage too
ifdef GATES
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && export COVERAGE_FILE="$$folder/coverage" && \
	$(PYTEST) -m 'not long' --cov --cov-report= && \
	$(BIN)/coverage report --skip-covered --show-missing --fail-under=90 && \
	$(BIN)/coverage report --skip-covered --show-missing --fail-under=100 --include='$(PURE)'
else
	@$(PYTEST) -m 'not long'
endif

test-long: export PYTHONDONTWRITEBYTECODE =
test-long: setup ## the tests that are long by nature: the demo, kills at every step, three brokers, a small chaos run, docs/ tried out; LONG=… takes some files
	@$(PYTEST) -m long $(LONG)

chaos: setup ## N=… applications while everything is killed at random, drawn from SEED=…; FAULTS=… says how often; TOKEN=1 keeps the CA keys in SoftHSM2
	@PYTHONPATH=tests $(BIN)/python -m chaos --applications $(N) --seed $(SEED) $(if $(FAULTS),--faults $(FAULTS)) $(if $(TOKEN),--token)

alarms: setup ## faults in a running system that a real Prometheus watches: what fires, when; 50 minutes; ONLY=… takes one fault
	@PYTHONPATH=tests $(BIN)/python -m alarms $(if $(ONLY),--only '$(ONLY)')

soak: setup ## MINUTES=… of constant load with faults, outages, rolling restarts and upgrades, watched by a real Prometheus
	@PYTHONPATH=tests $(BIN)/python -m soak --minutes $(MINUTES) --seed $(SEED)

compose-test: setup ## docker-compose.yml as it is, run on podman without a Docker engine, with kills and restarts
	@PYTHONPATH=tests $(BIN)/python -m containers

pin-images: ## write the digests of the images of docker-compose.yml into .env; CHECK=1 names those without one
	@$(PYTHON) deploy/pin_images.py $(if $(CHECK),--check)

fuzz: setup ## SECONDS=… of inputs found by coverage, against the reader of requests and the decoders of events
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/pip install --quiet --require-hashes -r tests/fuzz/requirements.lock
	@PYTHONPATH=tests nice $(BIN)/python -m fuzz --seconds $(SECONDS)

bench: setup ## measure throughput, latency and memory; leaves var/bench/*.json; PART=… takes some parts
	@$(BIN)/python -m bench $(PART)

bench-peers: setup var/peers/.ready ## COUNT=… certificates by this system, django-ca, cfssl and step-ca
	@$(BIN)/python -m bench.peers --count $(COUNT)

# Without Go only django-ca is installed. Without C its programs need no libraries of smart cards or SQLite.
CFSSL := github.com/cloudflare/cfssl
var/peers/.ready: bench/peers/requirements.lock
	@$(BIN)/python -m venv var/peers/django-ca && mkdir -p var/peers/cfssl
	@var/peers/django-ca/bin/pip install --quiet --require-hashes --only-binary :all: -r $<
	@! command -v go >/dev/null || { export GOBIN="$$PWD/var/peers/bin" CGO_ENABLED=0; \
	go install $(CFSSL)/cmd/cfssl@v1.6.5 && go install github.com/smallstep/certificates/cmd/step-ca@v0.30.2 && \
	cp "$$(go env GOMODCACHE)"/$(CFSSL)@v1.6.5/certdb/pg/migrations/*.sql var/peers/cfssl/; }
	@touch $@

packages: ## what the e-service needs without Python, as npm package, jar and zip in PACKAGES=var/packages; with npm, a JDK and Maven
	@rm -rf '$(PACKAGES)' && mkdir -p '$(PACKAGES)'
	@cp -r schemas/servicecert_schemas/exported '$(PACKAGES)/servicecert-schemas'
	@cp schemas/packages/* docs/reference/codes.md docs/reference/form.md '$(PACKAGES)/servicecert-schemas'
	@cp -r tests/schemas/generated '$(PACKAGES)/tools' && cd '$(PACKAGES)/tools' && npm ci --silent --ignore-scripts && \
	node generate.mjs ../servicecert-schemas "$$PWD" && for file in typescript/*.ts; do mv $$file $${file%.ts}.d.ts; done && \
	mv typescript java ../servicecert-schemas && javac -d ../maven/classes ../servicecert-schemas/java/servicecert/*.java
	@cd '$(PACKAGES)/servicecert-schemas' && sed -i 's/0\.0\.0/$(VERSION)/' package.json pom.xml && \
	npm pack --silent --pack-destination .. >/dev/null && \
	mvn -B -q resources:resources jar:jar && cp pom.xml ../servicecert-schemas-$(VERSION).pom
	@cd '$(PACKAGES)' && mv maven/*.jar . && $(PYTHON) -m zipfile -c servicecert-schemas-$(VERSION).zip servicecert-schemas
	@rm -r '$(PACKAGES)/maven' '$(PACKAGES)/tools' '$(PACKAGES)/servicecert-schemas'
	@echo 'Made, with a README in each:' && ls '$(PACKAGES)'/*

chart: setup ## the Helm chart of deploy/kubernetes/overlays/production, in var/chart/servicecert; with kubectl
	@kubectl kustomize deploy/kubernetes/overlays/production | $(BIN)/python deploy/chart.py var/chart/servicecert

man: setup ## a man page of each command, in var/man/man1: `man -M var/man servicecert-doctor`
	@$(BIN)/python deploy/man_pages.py var/man/man1

specimens: setup ## a certificate of each type and key, with chains and CRLs, into var/specimens/
	@PYTHONPATH=tests $(BIN)/python -m specimens

check: setup $(EXAMPLE)/.venv/.ready ## lint, format, types, import contracts, foreign names
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --num-workers 2 schemas worker pki services cli launcher monitoring deploy tests $(wildcard bench/*.py bench/peers/*.py)
	@cd $(EXAMPLE) && ../../$(BIN)/mypy --python-executable .venv/bin/python portal provider start.py
	@$(BIN)/lint-imports
	@! git -c safe.directory='*' grep -nIE '$(FOREIGN)' -- . || { echo "check: these lines name a registry or a folder of one machine." >&2; exit 1; }

format: setup ## format the code, mend what the linter can mend, write the tables of docs/, dashboards and made manifests anew
	@$(BIN)/ruff format --quiet
	@$(BIN)/ruff check --fix --quiet
	@$(BIN)/python tests/docs/tables.py
	@$(BIN)/python -m servicecert_monitoring
	@$(BIN)/python deploy/kubernetes_manifests.py

LOCK = $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --quiet --no-header \
	--no-emit-index-url --no-strip-extras --no-emit-package servicecert-schemas

lock: setup ## pin the newest versions that pyproject.toml allows, with hashes
	@$(LOCK) --extra embedded --extra dev --upgrade -o requirements.lock
	@$(LOCK) --constraint requirements.lock --no-annotate -o deploy/requirements.lock
	@echo hatchling | $(BIN)/uv pip compile - --universal --python-version 3.11 --generate-hashes --quiet --no-header --no-emit-index-url --constraint requirements.lock --no-annotate -o deploy/build-requirements.lock
	@$(BIN)/uv pip compile $(EXAMPLE)/pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --quiet --no-header --no-emit-index-url --no-strip-extras --no-emit-package servicecert-schemas --constraint deploy/build-requirements.lock --no-annotate --upgrade -o $(EXAMPLE)/requirements.lock
	@$(BIN)/uv pip compile tests/e_service/browser/requirements.in --universal --python-version 3.11 --generate-hashes --quiet --no-header --no-emit-index-url --constraint $(EXAMPLE)/requirements.lock --no-annotate --upgrade -o tests/e_service/browser/requirements.lock
	@$(BIN)/uv pip compile bench/peers/requirements.in --universal --python-version 3.11 --generate-hashes --quiet --no-header --no-emit-index-url --no-annotate --upgrade -o bench/peers/requirements.lock
	@$(BIN)/uv pip compile tests/fuzz/requirements.in --universal --python-version 3.11 --generate-hashes --quiet --no-header --no-emit-index-url --no-annotate --upgrade -o tests/fuzz/requirements.lock

# Its tool is fetched by itself: nothing else needs its packages.
sbom: setup ## what the image's environment consists of, as CycloneDX: var/sbom.json
	@rm -rf var/sbom && $(BIN)/uv venv --quiet var/sbom/venv
	@$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir var/sbom ./schemas .
	@$(BIN)/uv pip install --quiet --python var/sbom/venv --require-hashes -r deploy/requirements.lock
	@$(BIN)/uv pip install --quiet --python var/sbom/venv --no-deps var/sbom/*.whl
	@$(BIN)/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py environment var/sbom/venv --of JSON -o var/sbom.json

clean: ## remove what was made, the environment and Kafka's jars included
	@rm -rf .venv $(EXAMPLE)/.venv var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
