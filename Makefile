# What people run here. CI runs the same targets through .ci/run.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo simulate mutations backfill-test large-ledger bench instructions test test-rust check validate lint deny fmt build lambda clean
export UNOPTIMISED LAMBDA_GLIBC
.PHONY: release release-test reproducible types-test deploy-test invoke-test console-test webhooks-test examples-test sam-local-test deployable programs

# The pinned tools come first, so that SAM finds the cargo-lambda and the zig of the same installation.
WITH_TOOLS := tools/install && PATH="$$PWD/.tools/bin:$$PATH" SAM_CLI_TELEMETRY=0

# The GLIBC of Amazon Linux 2023, on which the runtime provided.al2023 runs.
LAMBDA_GLIBC := 2.34

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-15s %s\n", $$1, $$2 }' Makefile

# Every program of the workspace, with one set of features for all that it depends on: nothing is compiled twice.
programs:
	@cargo build --profile test --locked --quiet --workspace --bins

demo: ## Play a short day against a simulated shop and ERP, and compare the ledger with what was sent
	@cargo run --locked --quiet --package tilaussilta-sandbox -- demo

SEEDS ?= 2000
simulate: programs ## Play SEEDS simulated worlds (2,000) full of faults, and check that nothing is lost
	@target/debug/simulate --seeds $(SEEDS)

mutations: ## Break each rule of the poll in turn, and find the world that notices: docs/mutations.md
	@tests/mutations/run

backfill-test: ## Read 100,000 orders of a simulated shop, killed twice on the way
	@tests/backfill-100k.sh

bench: ## Measure against other ways of doing the same, and write bench/RESULTS.md
	@bench/run

large-ledger: ## Count what a look reads of a ledger of 1,000,000 revisions (docs/operator.md)
	@REVISIONS=1000000 cargo test --locked --quiet --package tilaussilta-tests --test integration -- --nocapture large_ledger

UPDATE ?=
instructions: ## Count the instructions of the hot paths, and compare; UPDATE=1 writes them down
	@bench/instructions $(if $(UPDATE),--update)

test: SEEDS := $(if $(filter environment command\ line,$(origin SEEDS)),$(SEEDS),500)
test: test-rust simulate ## Run every test, and 500 simulated worlds; needs Rust, a C compiler and make only

check: lint deny validate types-test invoke-test deploy-test console-test webhooks-test ## Check formatting, lints, dependencies, the template, the events' types, the deployment, the console

test-rust: ## Run the Rust tests only
	@if cargo nextest --version > /dev/null 2>&1; then \
	    cargo nextest run --workspace --locked; \
	    cargo test --workspace --locked --doc --quiet; \
	else \
	    cargo test --workspace --locked; \
	fi

deny: ## Check the dependencies: licences, sources, advisories
	@tools/deny

validate: ## Check template.yaml: SAM's own check, cfn-lint, checkov, the code's needs; and the workflows
	@$(WITH_TOOLS) AWS_DEFAULT_REGION=eu-north-1 AWS_EC2_METADATA_DISABLED=true sam validate --lint
	@$(WITH_TOOLS) cfn-lint template.yaml
	@$(WITH_TOOLS) python tools/check-policies.py
	@$(WITH_TOOLS) python tools/check-metrics.py
	@$(WITH_TOOLS) python tools/check-parameters.py
	@$(WITH_TOOLS) python tools/check-transformed.py
	@$(WITH_TOOLS) python tools/release/pack.py --check
	@tools/install policies && .tools/policies/bin/checkov --config-file .checkov.yaml --file template.yaml
	@.tools/policies/bin/zizmor --offline --quiet .github

lint: ## Check the formatting, and deny warnings of clippy and rustdoc
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets --locked -- --deny warnings
	@RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --locked

fmt: ## Format the code
	@cargo fmt --all

# All functions by one call of cargo: `sam build` asks for it once for each (functions/build.mk). UNOPTIMISED=1 takes a
# tenth of the time, and shows as much in a test of the deployment.
lambda:
	@$(if $(UNOPTIMISED),env CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16) \
	    cargo lambda build --release --locked --skip-target-check $(foreach function,$(notdir $(wildcard functions/*-*)),--package tilaussilta-$(function))

build: ## Build the functions for Lambda into .aws-sam
	@cargo metadata --locked --format-version 1 > /dev/null
	@$(WITH_TOOLS) sam build
	@tools/check-glibc $(LAMBDA_GLIBC) .aws-sam/build/*/bootstrap

ARCHITECTURES ?= x86_64
DIST ?= dist
release: ## Make a release in dist: archives to deploy, the program, the bill of materials, checksums (docs/release.md)
	@$(WITH_TOOLS) tools/release/make $(DIST) $(ARCHITECTURES)

FROM ?=
release-test: programs ## Deploy dist to an emulator without Rust, upgrade from the release in FROM, roll back, delete
	@tools/install emulator
	@.tools/bin/python tests/deploy/release.py $(DIST) $(if $(FROM),--from $(FROM))

reproducible: ## Build a release twice, in two folders, and compare the bytes
	@$(WITH_TOOLS) tools/check-reproducible

types-test: ## Compile the events' types in TypeScript and Python, and use them and the schemas on every example
	@tests/types/run

deploy-test: deployable ## Deploy template.yaml to an emulator of AWS, and use it as the outside world does
	@.tools/bin/python tests/deploy/deploy.py

invoke-test: deployable ## Play every event of events/ through the built functions, as Lambda runs them
	@.tools/bin/python tests/deploy/invoke.py

console-test: programs ## Play the console in a real browser; UPDATE=1 renews its screenshots
	@tests/browser/run

webhooks-test: ## Play signed requests to the receivers of docs/webhooks.md, in Node and Python
	@tests/webhooks/run

sam-local-test: deployable ## The same through `sam local invoke`, in containers
	@tests/deploy/sam-local

examples-test: ## Deploy the examples of consumers to an emulator, and send them events of the sandbox
	@tests/examples/run

# What the tests of a deployment need: the functions for Lambda, the emulator, and the simulated shop.
deployable: build programs
	@tools/install emulator

clean: ## Remove what was built and installed here
	@cargo clean
	@rm -rf .aws-sam .tools dist
