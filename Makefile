# The verbs of this repository. `make` alone prints them.

.DEFAULT_GOAL := help
.PHONY: help dev stack dev-reset test fuzz dependencies lint bench bench-check rehearse simulate matrix build deploy stripe-setup storefront staff tokens ci

# The architecture of a release: arm64 as template.yaml has it by default, or x86_64.
ARCH ?= arm64
PROOF := cargo test --profile simulation --package tests
TEST_PACKAGES := $(sort $(notdir $(wildcard functions/*))) shared operator local tests

help: ## print the verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

dev: ## run everything on this machine, until Ctrl-C
	@echo "==> Building the local stack."
	@cargo run --package local -- dev

stack: ## run everything but the functions, for a `cargo lambda watch` of your own
	@echo "==> Building the local stack."
	@cargo run --package local -- stack

dev-reset: ## forget what earlier runs of `make dev` left behind
	@cargo run --quiet --package local -- reset

test: dependencies ## run the tests
	cargo test $(addprefix --package ,$(TEST_PACKAGES))

fuzz: ## have libFuzzer look for what makes a handler panic: FUZZ=60 seconds each, TARGET=cursor for one
	@scripts/fuzz $(or $(FUZZ),60) $(TARGET)

dependencies: ## check that no function has a dependency that makes its cold start slow
	@scripts/check-dependencies

lint: ## check the format, and the code and its documentation for warnings
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --workspace --no-deps --document-private-items

bench: ## measure size, cold start and cost of a request
	@cargo run --quiet --profile bench-runner --package bench -- $(FUNCTIONS)

bench-check: ## check sizes, instructions and numbers of calls against their limits
	@cargo run --quiet --package bench -- --check $(FUNCTIONS)

rehearse: ## deploy with SAM to an emulator of AWS on this machine, buy there, update, delete
	@scripts/rehearse/run $(REHEARSE)

# What the functions log goes into a file: it is megabytes.
simulate: ## buy, subscribe, refund, dispute and break things by chance, and compare the books (SEED=1 PURCHASES=300)
	@mkdir -p target
	SEED=$(SEED) PURCHASES=$(PURCHASES) $(PROOF) simulation -- --ignored --nocapture >target/simulation.log

matrix: ## break every call in every way, and look at the money (MATRIX_ONLY=Refund MATRIX_WAYS=few)
	@mkdir -p target
	MATRIX_ONLY=$(MATRIX_ONLY) MATRIX_WAYS=$(MATRIX_WAYS) $(PROOF) matrix -- --ignored --nocapture >target/matrix.log

build: ## build the functions for a release (ARCH=arm64 or x86_64)
	@scripts/build-release $(ARCH)

deploy: ## build with SAM and deploy, asking for the parameters; docs/operations.md has the rest
	sam build
	sam deploy --guided
	@scripts/upload-storefront

stripe-setup: ## register a stack's webhook endpoints at Stripe (STACK=…, or the one in samconfig.toml)
	@scripts/stripe-setup $(STACK)

storefront: ## upload web/ to a stack that hosts it (STACK=…, or the one in samconfig.toml)
	@scripts/upload-storefront $(STACK)

staff: ## make a signed-up user the first member of staff: TABLE_NAME=… make staff EMAIL=…
	@cargo run --quiet --package operator -- staff $(EMAIL)

tokens: ## renew sellers' OAuth tokens or seal them with the current key: WORK=renew or seal, EMAIL=… for one
	@cargo run --quiet --package operator -- tokens $(WORK) $(EMAIL)

ci: ## run what CI runs
	@.ci/run
