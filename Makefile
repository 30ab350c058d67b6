# `make` without a target lists the targets.

.DEFAULT_GOAL := help
.PHONY: help dev stack dev-reset test fuzz dependencies advisories lint bench bench-check rehearse simulate matrix build deploy rollback restore stripe-setup storefront staff tokens passwords second-factor-off budget ci

# Three threads for each core, because many tests wait for faults, timeouts or other processes.
export RUST_TEST_THREADS ?= $(shell echo $$((3 * $$(getconf _NPROCESSORS_ONLN))))

PROOF := cargo test --package tests --lib
# NEXTEST=1 runs each test in its own process, with cargo-nextest.
NEXTEST ?=
RUN_TESTS := $(if $(NEXTEST),cargo nextest run,cargo test)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

dev: ## run the whole system on this machine, until Ctrl-C
	@echo "==> Building the local stack."
	@cargo run --bin local -- dev

stack: ## run everything except the functions, to use with `cargo lambda watch`
	@echo "==> Building the local stack."
	@cargo run --bin local -- stack

dev-reset: ## delete the data of earlier `make dev` runs
	@cargo run --quiet --bin local -- reset

# ONLY is a function, another crate, or a part of a test's path. The tests of a function are those whose paths contain its name, or these:
FILTER_accounts := api::credentials api::log_in api::me api::sign_up mail::account mail::password
FILTER_authorize := payments::oauth
FILTER_courses := api::catalogue api::course api::my_courses payments::content
FILTER_notify := mail::
FILTER_oauth-callback := payments::oauth payments::tokens
FILTER_operator := api::operator payments::endpoints payments::tokens
FILTER_payment-methods := payments::cards
FILTER = $(or $(FILTER_$(ONLY)),$(ONLY))
# The crate ONLY, if it has tests of its own.
CRATE = $(shell grep -rqE '#\[(tokio::)?test\]' $(wildcard functions/$(ONLY)/src $(ONLY)/src) /dev/null && echo $(subst /,-,$(ONLY)))

# Without ONLY, the benchmark is compiled too. checks/stripe-types needs other features of the SDK's crates, which takes minutes to compile:
# `make lint` checks it, and CI runs it.
test: $(if $(ONLY),,dependencies) ## run all tests, or those of one function, crate or path (ONLY=charge)
ifdef ONLY
	$(if $(filter-out tests,$(CRATE)),$(RUN_TESTS) --package $(CRATE) $(if $(filter shared,$(ONLY)),--package shared-core))
ifeq ($(filter shared shared/core stripe-stand-in,$(ONLY)),)
	@cargo test --quiet --package tests -- --list $(FILTER) | grep -q ': test$$' || { echo 'No test has a path with $(FILTER).'; exit 1; }
	$(RUN_TESTS) --package tests -- $(FILTER)
endif
else
	$(RUN_TESTS)
endif

fuzz: ## fuzz the handlers with libFuzzer (FUZZ=60 seconds for each target, or only TARGET=cursor)
	@scripts/fuzz $(or $(FUZZ),60) $(TARGET)

dependencies: ## check that no function has a dependency that slows its cold start
	@scripts/check-dependencies

advisories: ## look up advisories about the dependencies, and check licences and sources (needs cargo-deny, npm and pip-audit)
	@scripts/advisories

lint: ## check the formatting, clippy and the documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --workspace --no-deps --document-private-items

bench: ## measure size, cold start and cost per request
	@cargo run --quiet --profile bench-runner --package bench -- $(FUNCTIONS)

bench-check: ## check binary sizes, instructions and calls against their limits
	@cargo run --quiet --bin bench -- --check $(FUNCTIONS)

rehearse: ## rehearse a deployment on a local AWS emulator: deploy, buy, roll back, restore, delete
	@scripts/rehearse/run $(REHEARSE)

# The functions log megabytes, so the log goes to a file.
simulate: ## buy, subscribe, refund, dispute and inject faults at random, then compare the books (SEED=1 PURCHASES=300, or MINUTES=5)
	@mkdir -p target
	SEED=$(SEED) PURCHASES=$(PURCHASES) MINUTES=$(MINUTES) $(PROOF) simulation -- --ignored --nocapture >target/simulation.log

matrix: ## make every call fail in every way, and check the money (MATRIX_ONLY=Refund MATRIX_WAYS=few MATRIX_MINUTES=7)
	@mkdir -p target
	MATRIX_ONLY=$(MATRIX_ONLY) MATRIX_WAYS=$(MATRIX_WAYS) MATRIX_MINUTES=$(MATRIX_MINUTES) $(PROOF) matrix -- --ignored --nocapture >target/matrix.log

build: ## build the functions for a release (ARCH=arm64 or x86_64)
	@scripts/build-release $(ARCH)

deploy: ## deploy a stage; asks for missing settings unless YES=1 (STAGE=test or live, ARCH=x86_64, SET="MailFrom=…")
	@STAGE='$(STAGE)' scripts/deploy $(STAGE) $(if $(YES),--yes) $(SET)

rollback: ## take a stage's last release back, without a build (STAGE=…, TO=2026-11-02T09:30 for an older one)
	@STAGE='$(STAGE)' scripts/rollback $(if $(YES),--yes) $(TO)

restore: ## restore a stage's tables to a moment, beside the live ones, and report what these have lost (STAGE=…, AT=2026-11-02T09:30:00Z; COPY=1 puts it back)
	@STAGE='$(STAGE)' scripts/restore $(AT) $(if $(COPY),--copy)

stripe-setup: ## register a stage's webhook endpoints at Stripe (STAGE=… or STACK=…)
	@STAGE='$(STAGE)' scripts/stripe-setup $(STACK)

storefront: ## upload web/ to a stage that hosts it (STAGE=… or STACK=…)
	@STAGE='$(STAGE)' scripts/upload-storefront $(STACK)

# With STAGE or STACK, the operator runs against that stage; otherwise against what the environment names.
OPERATOR = $(if $(STAGE)$(STACK),STAGE='$(STAGE)' scripts/on-stage,cargo run --quiet --bin operator --)

staff: ## make a registered user the first staff member (STAGE=… EMAIL=…)
	@$(OPERATOR) staff $(EMAIL)

tokens: ## renew sellers' OAuth tokens, or seal them with the current key (STAGE=… WORK=renew or seal, EMAIL=… for one seller)
	@$(OPERATOR) tokens $(WORK) $(EMAIL)

passwords: ## move password hashes to the credentials table (STAGE=…)
	@$(OPERATOR) passwords

second-factor-off: ## let a user who lost app and recovery codes log in without them (STAGE=… EMAIL=…)
	@$(OPERATOR) second-factor-off $(EMAIL)

budget: ## get a mail from AWS before the account exceeds a monthly budget (STAGE=… USD=100)
	@STAGE='$(STAGE)' scripts/budget $(USD)

ci: ## run the CI checks
	@.ci/run
