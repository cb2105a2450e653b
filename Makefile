# Runstone. `make` lists the targets; CI runs `make test` and `make test-peers`.
# No target downloads anything but pinned modules, Python and npm packages.

GO        ?= go
PYTHON    ?= python3
FUZZTIME  ?= 10s
BENCH     ?= .
POINTS    ?= 10000000
RUNS      ?= 1000000
N         ?= 25000000
SEED      ?= 1
PORT      ?= 5000

TOOL      := $(GO) tool -modfile=tools/go.mod
CLIENTS   := clients/python
CACHE     := .cache
PACKAGES  := ./...

.DEFAULT_GOAL := help
.PHONY: help ui build run check lint test test-go test-clients test-client-mlflow3 test-client-mlflow2 \
        test-client-mlflow29 test-client-skinny test-client-deep test-client-java test-client-tensorboard test-ui test-ui-mlflow compare-mlflow bigfile \
        race fuzz fuzz-search torture bench bench-check bench-trend peers peers-servers test-peers clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Without git, or from an archive, the binary tells what Go recorded of the build.
VERSION = $(if $(wildcard .git),$(shell git describe --tags --match 'v[0-9]*' 2>/dev/null))
COMMIT  = $(if $(wildcard .git),$(shell git describe --always --abbrev=12 --exclude '*' --dirty=+changes 2>/dev/null))

# The web UI is built from server/ui into server/ui/dist, which the binary embeds.
# Without Node.js the binary is built without it, and its front page says so.
UI        := server/ui
UISOURCES := $(shell find $(UI)/src -type f 2>/dev/null) $(addprefix $(UI)/,index.html package-lock.json package.json svelte.config.js tsconfig.json vite.config.ts)

ui: $(UI)/dist/index.html ## build the web UI (needs Node.js 20.19 or later)

$(UI)/node_modules/.package-lock.json: $(UI)/package-lock.json
	cd $(UI) && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

$(UI)/dist/index.html: $(UI)/node_modules/.package-lock.json $(UISOURCES)
	cd $(UI) && npm run --silent build

build: $(if $(shell command -v npm),ui) ## compile bin/runstone, with the web UI where there is Node.js
	@command -v npm >/dev/null || echo "there is no npm: the binary will be without the web UI"
	@echo "building; the first build takes a few minutes"
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X main.version=$(VERSION) -X main.commit=$(COMMIT)" -o bin/runstone ./cmd/runstone

run: build ## build and serve ./data on 127.0.0.1:5000 (PORT=… for another port)
	bin/runstone server --host 127.0.0.1 --port $(PORT) --data-dir data

lint: ## gofmt, go vet, staticcheck, golangci-lint
	@unformatted=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt wants changes in:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet $(PACKAGES)
	$(TOOL) staticcheck $(PACKAGES)
	$(TOOL) golangci-lint run $(PACKAGES)

check: lint ## lint, the table of allowed imports, the short Go tests
	$(GO) test -run 'Arrows' .
	$(GO) test -short $(PACKAGES)

test: lint build test-go test-clients test-ui test-ui-mlflow ## lint and all tests

test-go: ## all Go tests, with the short torture
	@if [ -z "$$RUNSTONE_CORPUS" ]; then echo "RUNSTONE_CORPUS names no folder of real curves: tests that replay them are skipped, generated curves of the same kinds run"; fi
	$(GO) test -timeout 20m $(PACKAGES)

test-clients: test-client-mlflow3 test-client-mlflow2 test-client-mlflow29 test-client-skinny test-client-tensorboard ## the real MLflow clients against bin/runstone

test-client-mlflow3: build $(CACHE)/venv-mlflow3/stamp
	$(CACHE)/venv-mlflow3/bin/python -m pytest -q $(CLIENTS)

test-client-mlflow2: build $(CACHE)/venv-mlflow2/stamp
	$(CACHE)/venv-mlflow2/bin/python -m pytest -q $(CLIENTS)

bigfile: build $(CACHE)/venv-mlflow3/stamp ## a file of 4 GiB up, down and in parts, the server's memory below 64 MiB
	BIGFILE_MIB=4096 $(CACHE)/venv-mlflow3/bin/python -m pytest -q -s $(CLIENTS)/test_transfer.py -k big_file

test-ui-mlflow: build $(CACHE)/venv-mlflow3/stamp $(CACHE)/venv-ui/stamp ## MLflow's own web UI on bin/runstone, in headless Chromium (needs chromium)
	$(CACHE)/venv-ui/bin/python -m pytest -q clients/ui

$(CACHE)/venv-ui/stamp: clients/ui/requirements.txt
	rm -rf $(CACHE)/venv-ui
	$(PYTHON) -m venv $(CACHE)/venv-ui
	$(CACHE)/venv-ui/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

test-client-tensorboard: build $(CACHE)/venv-tensorboard/stamp
	$(CACHE)/venv-tensorboard/bin/python -m pytest -q clients/tensorboard

# The oldest version that is tested, and the package without numpy, pandas and scikit-learn: less to show.
test-client-mlflow29: build $(CACHE)/venv-mlflow29/stamp
	cd $(CLIENTS) && $(CURDIR)/$(CACHE)/venv-mlflow29/bin/python -m pytest -q test_lab.py test_tour.py test_registry.py test_cli.py

test-client-skinny: build $(CACHE)/venv-skinny/stamp
	cd $(CLIENTS) && $(CURDIR)/$(CACHE)/venv-skinny/bin/python -m pytest -q test_tour.py test_registry.py test_cli.py -k 'not figure'

test-client-deep: build $(CACHE)/venv-deep/stamp ## autologging of PyTorch Lightning and Keras (downloads gigabytes)
	cd $(CLIENTS) && $(CURDIR)/$(CACHE)/venv-deep/bin/python -m pytest -q test_deep.py

test-client-java: build $(CACHE)/venv-mlflow3/stamp ## MLflow's Java client against bin/runstone (needs a JDK and Maven)
	clients/java/run $(CURDIR)/bin/runstone $(CURDIR)/$(CACHE)/venv-mlflow3/bin

compare-mlflow: build $(CACHE)/venv-mlflow3/stamp ## the same requests to MLflow's own server and to bin/runstone
	$(CACHE)/venv-mlflow3/bin/python -m pytest -q $(CLIENTS)/test_compare.py

# One environment per client version, made again only when its pinned list changes.
# --no-deps: the lists are complete (requirements-mlflow3.txt says why a resolver would refuse them).
$(CACHE)/venv-%/stamp: $(CLIENTS)/requirements-%.txt
	rm -rf $(CACHE)/venv-$*
	$(PYTHON) -m venv $(CACHE)/venv-$*
	$(CACHE)/venv-$*/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

# Debian's chromium, or another that CHROMIUM names.
test-ui: build ui $(CACHE)/venv-mlflow3/stamp ## the web UI's types, and its pages in headless Chromium
	cd $(UI) && npm run --silent check && npm test

race: ## the Go tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race -short -timeout 40m $(PACKAGES)

# go test -fuzz takes one target of one package at a time.
fuzz: ## every fuzz target for FUZZTIME (10s)
	@set -e; for pkg in $$($(GO) list $(PACKAGES)); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

fuzz-search: ## N (25000000) mutated queries through parser and planner, none slow or large (SEED=…)
	RUNSTONE_FUZZ_SEARCH=$(N) RUNSTONE_FUZZ_SEED=$(SEED) $(GO) test -run '^TestCampaign$$' -count 1 -v -timeout 0 ./query/plan

torture: ## long crash, fault and model campaigns (hours)
	RUNSTONE_TORTURE=1 $(GO) test -run Torture -count 1 -timeout 2h $(PACKAGES)

# Benchmarks are kept with Runstone itself: texts in a folder of the repository,
# and a database that can be made from them at any time.
HISTORY   := bench/results/history
BENCHDB   ?= $(CACHE)/bench

bench: build ## Go benchmarks, ten counts, kept in bench/results/history (BENCH=… picks some)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count 10 -timeout 2h $(PACKAGES) | bin/runstone bench log -d $(BENCHDB) --echo --save $(HISTORY)

bench-check: build ## compare the two newest of the kept benchmarks; fails when one regressed by more than 5 %
	bin/runstone bench log -q -d $(BENCHDB) $(HISTORY)/*.txt >/dev/null
	bin/runstone bench check -d $(BENCHDB) --max-regress 5%

bench-trend: build ## where the kept benchmarks changed
	bin/runstone bench log -q -d $(BENCHDB) $(HISTORY)/*.txt >/dev/null
	bin/runstone bench trend -d $(BENCHDB)

# Servers beside Runstone's: MLflow's of the test environment, FastTrackML's and
# what MLflow needs to speak to PostgreSQL, which must be installed.
SERVERS   := $(CACHE)/servers
POSTGRES  ?= $(lastword $(sort $(wildcard /usr/lib/postgresql/*/bin)))
SERVING   ?= 3s
SERVED    ?= 2026-11-24-amd-epyc-servers.txt

$(SERVERS)/stamp: bench/peers/requirements.txt
	rm -rf $(SERVERS)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --target $(SERVERS) -r $<
	touch $@

peers-servers: build $(CACHE)/venv-mlflow3/stamp $(SERVERS)/stamp ## mlflow server and FastTrackML beside bin/runstone, into bench/results/SERVED (ten minutes; stores are kept)
	mkdir -p $(CACHE)/stores
	cd bench/peers && CGO_ENABLED=1 $(GO) run . -tables servers -writing $(SERVING) -out ../results/$(SERVED) -stores ../../$(CACHE)/stores \
		-runstone ../../bin/runstone -fml ../../$(SERVERS)/bin/fml -mlflow ../../$(CACHE)/venv-mlflow3/bin/mlflow \
		-python ../../$(SERVERS) -postgres "$(POSTGRES)"

# The first build takes minutes: DuckDB comes as a library of hundreds of MB.
peers: ## Runstone beside other databases: 10 million points (POINTS), a million runs (RUNS) (needs a C compiler; an hour)
	cd bench/peers && CGO_ENABLED=1 $(GO) run . -points $(POINTS) -runs $(RUNS)

test-peers: build $(CACHE)/venv-mlflow3/stamp $(SERVERS)/stamp ## the tests of that program: each database keeps every point, searches and servers give the same answers
	cd bench/peers && CGO_ENABLED=1 $(GO) test .

clean: ## remove what was built; data and environments stay
	rm -rf bin $(UI)/dist/assets $(UI)/dist/index.html
	$(GO) clean -testcache
