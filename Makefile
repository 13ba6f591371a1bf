# Every command a person needs. `make help` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help

.PHONY: help setup demo run python test test-cluster test-clients lint format audit mutants docs bench bench-codes bench-front bench-store bench-cards bench-submissions bench-chain bench-client bench-asl bench-cluster loadtest clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 28

setup: ## Check what this machine has and install what the project needs
	@scripts/setup

# Over which store `make demo` and `make run` go: embedded, or cql, for which they start a node of Apache Cassandra.
STORE ?= embedded
export STORE

demo: setup ## Build, start a server on made-up data, walk the whole chain from a swab to an unlocked app, and check every answer; STORE=cql: over a cluster
	@cargo build --locked --workspace $(if $(filter cql,$(STORE)),--features cql) --bin sistema-ts --bin immuni-stand-in
	@scripts/demo

run: setup ## The same start, and the server stays up: prints addresses, certificates and a curl that works for each service
	@cargo build --locked --workspace $(if $(filter cql,$(STORE)),--features cql) --bin sistema-ts --bin immuni-stand-in
	@scripts/run

python: setup .venv/ready ## The Python in which the programs of the guides run: .venv/bin/python, with zeep

test: setup .venv/ready ## All tests
	cargo test --locked --workspace --features cql,faults
	@scripts/check-guides

test-cluster: setup ## The store over a cluster at its worst: three nodes killed and frozen in turn and two at once, every statement lost with every error, servers killed at random (an hour at most)
	TEST_CQL_REQUIRED=1 TEST_CQL_FAULTS=all cargo test --locked --workspace --features cql,faults --test cluster --test lost_statements -- --nocapture
	TEST_CQL_REQUIRED=1 TEST_CQL_FAULTS=all cargo test --locked --workspace --features cql,faults --test on_a_cluster killed -- --nocapture

test-clients: setup ## More SOAP clients, which it installs: node's soap, PHP's SoapClient, Apache CXF and Metro (Java), gowsdl (Go)
	@scripts/test-clients

lint: setup ## Format and lints
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --workspace --all-targets --features cql,faults -- -D warnings

format: ## Format the code
	cargo fmt --all

audit: ## Licences and advisories of all dependencies
	@scripts/audit

mutants: ## Small mistakes in the rules, one at a time, each of which a test has to notice (hours; docs/testing.md)
	@scripts/mutants

docs: ## Rewrite the documents that are made from code
	UPDATE_DOCUMENTATION=1 cargo test --locked --test configuration_guide
	UPDATE_DOCUMENTATION=1 cargo test --locked --lib --test soap_answers documentation
	UPDATE_DOCUMENTATION=1 cargo test --locked -p sistema-ts-loadtest --test guide
	UPDATE_DOCUMENTATION=1 TEST_CQL_REQUIRED=1 cargo test --locked -p sistema-ts-cql --features driver --test statements --test work

bench: bench-codes bench-front bench-store bench-cards bench-submissions bench-chain bench-asl ## All benchmarks but bench-client, which needs wrk, and bench-cluster, which needs Java (an hour or so)

bench-codes: ## Codes, dates and messages, in nanoseconds
	cargo bench --locked -p sistema-ts-model --bench codes
	cargo bench --locked --bench soap

bench-front: ## The front without SOAP and store, beside the least that could serve
	cargo bench --locked --bench front

bench-store: ## The store alone and its index, each over two million rows
	cargo bench --locked -p sistema-ts-embedded --bench embedded -- 2000000
	cargo bench --locked -p sistema-ts-embedded --bench index

bench-cards: ## An import of a million health cards, one that is killed on its way, and checks of single cards
	@scripts/bench-cards
	cargo bench --locked -p sistema-ts-embedded --bench cards

bench-submissions: setup ## A record day of submissions over mutual TLS as fast as they go: the scenario record-day
	@cargo build --release --locked --workspace --bins
	@scripts/loadtest record-day

bench-chain: setup ## Verifications and unlocks beside submissions that saturate the server: the scenario chain
	@cargo build --release --locked --workspace --bins
	@scripts/loadtest chain

bench-client: setup ## What the harness's own client costs beside wrk, whether both read the same times, and how late its requests leave; needs wrk
	@cargo build --release --locked -p sistema-ts-loadtest
	@scripts/bench-client

loadtest: setup ## The standard scenario against a server of its own, in some minutes: verdict, times, and whether what it answered is true
	@cargo build --release --locked --workspace --bins
	@scripts/loadtest

bench-cluster: setup ## The store over a cluster beside the bare driver, and each operation's times, on one node of Apache Cassandra and on three
	@scripts/bench-cluster

bench-asl: setup ## What the time of an answer to an ASL's code tells of a person: about as much as a coin
	@scripts/bench-asl

clean: ## Remove what was built and the development data
	rm -rf .dev .venv .clients .cassandra
	cargo clean

# The SOAP client that the tests and the programs of the guides drive, pinned.
.venv/ready: tests/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
	@touch $@
