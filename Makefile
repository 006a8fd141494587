# Every way to work on the project. `make check` is exactly what CI runs.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
# Where cargo-deny and the clients of `make interop` are kept; CI keeps them outside of the checkout.
TOOLS ?= .tools
CARGO_DENY := $(TOOLS)/bin/cargo-deny
CARGO_DENY_VERSION := 0.20.2
# Where cargo puts what it builds.
TARGET = $(or $(CARGO_TARGET_DIR),target)
# The SAM CLI neither reports home nor asks for a region.
SAM := SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=us-east-1 .venv/bin/sam

.PHONY: help
help: ## Say what there is (this)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Serve the sample data on http://127.0.0.1:5000
	$(CARGO) run --locked -- serve --source sample-data

.PHONY: test
test: .venv/installed .venv-aws/installed ## Run all tests: the core by itself, then everything
	@tools/step "tests of the core" $(CARGO) test --locked --no-default-features --lib
	@tools/step tests $(CARGO) test --locked --features failpoints
	@tools/step interleavings $(CARGO) test --locked --no-default-features --features interleavings --lib interleavings

.PHONY: lint
lint: .venv/installed $(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION) ## Check format, lints, licences and the template
	@tools/step format $(CARGO) fmt --check
	@tools/step lints $(CARGO) clippy --locked --all-targets --features interleavings -- -D warnings
	@tools/step "lints of the core" $(CARGO) clippy --locked --no-default-features --lib --bins -- -D warnings
	@tools/step licences $(CARGO_DENY) --log-level error --locked check licenses bans sources
	@tools/step template env $(SAM) validate --lint --template template.yaml
	@tools/step "translated template" .venv/bin/python tools/template.py lint

.PHONY: check
check: lint test interop-check ## Lint, test, and have other clients ask, as CI does

# How long `make torture` is: some ten minutes for the first, an hour for the second.
STEPS ?= 1000000
KILLS ?= 10000
# Of each history that has too many orders for all of them to be tried.
ORDERS ?= 100000

.PHONY: torture
torture: ## The long form of the random tests, and a table: make torture STEPS=… KILLS=… ORDERS=…
	@tools/step "building the tests" $(CARGO) test --locked --features failpoints --lib --test integration --no-run
	@TORTURE_STEPS=$(STEPS) TORTURE_KILLS=$(KILLS) TORTURE_ORDERS=$(ORDERS) tools/torture $(CARGO)

# Not part of `check`: each guard is a build.
NAMES ?=
.PHONY: mutants
mutants: ## Take the guards out of the source, one at a time, and see that a test fails: make mutants NAMES='floor grace'
	@CARGO="$(CARGO)" python3 tools/mutants.py $(NAMES)

# Optimised as what is deployed, but without polars, which takes most of the time and does not touch a plain answer.
BENCH = $(CARGO) bench --locked --profile deploy --no-default-features --features aws
# What is measured of benches/speed, by the names that its main.rs has; everything, and what memory keeps, where none is named.
PARTS ?=
.PHONY: bench
bench: .venv/installed ## Measure what answers cost and what memory keeps, as docs/PERFORMANCE.md has it: make bench PARTS='http cold'
	@$(BENCH) --bench speed -- $(PARTS)
	$(if $(PARTS),,@$(BENCH) --bench policies)

# With polars and Python: one build for both programs.
BENCH_FRAMES = $(CARGO) bench --locked --profile deploy --no-default-features --features aws,python
.PHONY: bench-frames
bench-frames: .venv/installed ## Measure what tables, queries and functions cost; builds polars, optimised, first
	@$(BENCH_FRAMES) --bench frames -- --python "$(CURDIR)/.venv/bin/python"
	@$(BENCH_FRAMES) --bench speed -- python functions pool resident

# How many keys; a million takes 12 GB and 5 million inodes of TMPDIR for a while.
SCALE ?= 10000 100000
.PHONY: bench-scale
bench-scale: ## Measure what a directory of many keys costs: make bench-scale SCALE=1000000
	@$(BENCH) --bench scale -- $(SCALE)

# Not part of `check`: it needs root and packages, and takes a quarter of an hour.
TRIALS ?= 1000
.PHONY: nfs
nfs: ## Try processes on real NFSv4.1 clients, as docs/NFS.md has it; needs root: make nfs TRIALS=1000
	@tools/nfs/run --check
	@$(CARGO) build --locked --no-default-features --bin cache-api
	@tools/nfs/run "$(TARGET)/debug/cache-api" "$(TARGET)/nfs" --trials="$(TRIALS)"

INTEROP := $(TOOLS)/interop
AXIOS_VERSION := 1.21.1
# The server that the tests have built: `cargo build` alone would build the dependencies once more, without the tests' features.
INTEROP_BUILD = tools/step "building the server" $(CARGO) test --locked --features failpoints --test integration --no-run
INTEROP_RUN = $(INTEROP)/bin/python tools/interop/run.py "$(TARGET)/debug/cache-api" build/interop

# Not part of `check`: a quarter of an hour.
.PHONY: interop
interop: $(INTEROP)/installed ## Have other people's clients and checkers ask a real server, at length, and write down what they got
	@$(INTEROP_BUILD)
	@tools/step "clients, REDbot, Chromium, schemathesis" $(INTEROP_RUN) --write --examples 200

.PHONY: interop-check
interop-check: $(INTEROP)/installed ## The same in short, comparing with what is written down
	@$(INTEROP_BUILD)
	@tools/step "clients, REDbot, Chromium, schemathesis" $(INTEROP_RUN) --examples 20

# What the zip is built for, as template.yaml's Architecture has it.
ARCH ?= x86_64
RUST_TARGET = $(ARCH:arm64=aarch64)-unknown-linux-gnu

.PHONY: build
build: .venv-build/installed ## Make the zip that is deployed, build/cache-api.zip: make build ARCH=arm64
	$(if $(filter x86_64 arm64,$(ARCH)),,$(error ARCH is x86_64 or arm64))@tools/has-target $(RUST_TARGET)
	@# Without its check of the target, cargo-lambda leaves the toolchain as it is.
	PATH="$(CURDIR)/.venv-build/bin:$$PATH" $(CARGO) lambda build --locked --profile deploy --bin cache-api \
	  $(if $(filter arm64,$(ARCH)),--arm64,--x86-64) --skip-target-check --output-format zip --lambda-dir build/lambda
	@python3 tools/glibc.py build/lambda/cache-api/bootstrap.zip $(ARCH)
	@mv build/lambda/cache-api/bootstrap.zip build/cache-api.zip
	@awk -v bytes="$$(wc -c < build/cache-api.zip)" 'BEGIN { printf "build/cache-api.zip has %.1f MB\n", bytes / 1e6 }'
	@echo "deploy it with the parameter Architecture=$(ARCH)$(if $(filter x86_64,$(ARCH)), (the default))"

# What CloudFormation is told; a parameter that is not named keeps the value it had. Exported, so that no shell reads the globs.
STACK ?= cache-api
REGION ?= $(or $(AWS_REGION),$(AWS_DEFAULT_REGION))
export PARAMETERS ?=

.PHONY: deploy
deploy: .venv/installed ## Deploy template.yaml: make deploy STACK=… REGION=… PARAMETERS='DataDir=… Tier=disk'
	@test -n "$(REGION)" || { echo "which region? make deploy REGION=eu-west-1, or set AWS_REGION"; exit 2; }
	@test -f build/cache-api.zip || { echo "there is no build/cache-api.zip yet: 40 minutes of make build"; $(MAKE) build; }
	SAM_CLI_TELEMETRY=0 .venv/bin/sam deploy --template template.yaml --stack-name "$(STACK)" --region "$(REGION)" \
	  --resolve-s3 --s3-prefix "$(STACK)" --capabilities CAPABILITY_IAM --no-confirm-changeset \
	  $${PARAMETERS:+--parameter-overrides "$$PARAMETERS"}

.PHONY: remove
remove: .venv/installed ## Remove what `make deploy` deployed, but for the bucket: make remove STACK=… REGION=…
	@test -n "$(REGION)" || { echo "which region? make remove REGION=eu-west-1, or set AWS_REGION"; exit 2; }
	SAM_CLI_TELEMETRY=0 .venv/bin/sam delete --stack-name "$(STACK)" --region "$(REGION)"

.PHONY: invoke
invoke: .venv/installed ## Send an event to the binary as Lambda would: make invoke EVENT=events/rest-read.json
	@test -n "$(EVENT)" || { echo "which event? make invoke EVENT=…, one of:" events/*.json; exit 2; }
	@$(CARGO) build --locked --quiet
	@.venv/bin/python tools/invoke.py "$(TARGET)/debug/cache-api" "$(EVENT)"

# Where the API is served here.
PORT ?= 3000

.PHONY: local-api
local-api: .venv/installed ## Serve the binary as API Gateway and Lambda do: make local-api PORT=3000
	@$(CARGO) build --locked --quiet
	@.venv/bin/python tools/local_api.py "$(TARGET)/debug/cache-api" "$(PORT)"

# Made once, and again when what it is made of changes.
.venv/installed: requirements-dev.txt
.venv-aws/installed: requirements-aws.txt
.venv-build/installed: requirements-build.txt
$(INTEROP)/installed: requirements-interop.txt
.venv/installed .venv-aws/installed .venv-build/installed $(INTEROP)/installed:
	@tools/step "installing $<" bash -c 'python3 -m venv $(@D) && $(@D)/bin/pip install --quiet --disable-pip-version-check -r $<'
	@$(if $(filter $(INTEROP)/installed,$@),if command -v npm > /dev/null; then \
	  tools/step "installing axios" npm install --silent --no-save --prefix $(@D) axios@$(AXIOS_VERSION); fi)
	@touch $@

# Built without optimisation: that takes a third of the time, and it runs for two seconds.
$(TOOLS)/cargo-deny-$(CARGO_DENY_VERSION):
	@tools/step "installing cargo-deny" env -u CARGO_TARGET_DIR CARGO_PROFILE_DEV_DEBUG=0 \
	  $(CARGO) install --quiet --locked --debug --root $(TOOLS) cargo-deny@$(CARGO_DENY_VERSION)
	@touch $@
