# Every chore has one entry here; CI calls the same ones. Each installs what it needs first, where it may.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

.PHONY: help
help: ## Say what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

.PHONY: demo
demo: ready ## A small shop, a live workload, its changes in Kafka, and proof that every table is equal there
	@scripts/demo.sh

.PHONY: test
test: ready-kafka ## Everything: unit, property and end-to-end tests, against real PostgreSQLs (13, 15, 16, 18) and a real Kafka
	@scripts/install-postgres.sh 13 15 16 18
	@scripts/install-pooler.sh
	@scripts/install-faketime.sh
	@# Or the first test that starts it would wait for it to be built.
	cargo build --locked -p waltap
	@# The long ones mostly wait, for servers and for what they look for: twice as many at once as there are cores.
	RUST_TEST_THREADS=$${RUST_TEST_THREADS:-$$((2 * $$(nproc)))} cargo test --locked --workspace --no-fail-fast

# For all scenarios of `make chaos` together, each under both deliveries.
MINUTES ?= 30
SCENARIOS := 6
DELIVERIES := 2

.PHONY: chaos
chaos: ready-kafka ## Faults of all kinds for MINUTES (30); KILLS=200 BROKER_KILLS=50 SERVER_KILLS=50 gives the kills a number to meet
	CHAOS_SECONDS=$$(($(MINUTES) * 60 / ($(SCENARIOS) * $(DELIVERIES)))) \
	cargo test --locked -p waltap-tests --test chaos -- --include-ignored --nocapture --test-threads 1

.PHONY: pair
pair: ready-kafka ## Two waltaps of one capture: the first killed twenty times under each delivery, frozen, and robbed of its claim
	cargo test --locked -p waltap-tests --test chaos -- pair:: --include-ignored --nocapture --test-threads 1

.PHONY: leaders
leaders: ready-kafka ## A Kafka of three brokers: leaders and the coordinator of transactions killed, and replicas too few
	cargo test --locked -p waltap-tests --test e2e -- faults::leaders --ignored --nocapture

.PHONY: repair
repair: ready-kafka ## A million rows read in chunks under writers and kills, and what that does to the stream's latency
	cargo test --locked -p waltap-tests --test e2e -- chunks:: --ignored --nocapture

.PHONY: test-matrix
test-matrix: ready-kafka ## The tests of values on every PostgreSQL from 13 to 18
	@scripts/install-postgres.sh 13 14 15 16 17 18
	cargo test --locked -p waltap-tests --test e2e -- values:: --include-ignored

.PHONY: test-large
test-large: ready-kafka ## A value of 200 MB and a transaction of 10 million rows through all of it, and the memory that they take
	cargo test --locked -p waltap-tests --test e2e -- messages::sizes --ignored --nocapture
	cargo test --locked -p waltap-tests --test e2e -- streaming::ten_million --ignored --nocapture

.PHONY: parity
parity: ready ## What `--format debezium` writes against a running Debezium: every type, every mode, snapshot and stream
	@scripts/install-debezium.sh
	cargo test --locked -p waltap-tests --test parity -- --ignored --nocapture

# For each target.
SECONDS ?= 60

.PHONY: fuzz
fuzz: ready-build ready-fuzz ## The fuzz targets, each for SECONDS (60), the checked-in corpus first
	@scripts/fuzz.sh $(SECONDS)

.PHONY: bench
bench: ready-kafka ## How fast a backlog is drained, beside PostgreSQL's own client, the barest ones, and Debezium: ROUNDS, SIZE, WORKLOADS, CONTENDERS
	@scripts/install-connect.sh
	@scripts/install-mq-bridge.sh
	cargo build --locked --release -p waltap
	cargo build --locked --release -p waltap-bench
	E2E_WALTAP="$$PWD/$${CARGO_TARGET_DIR:-target}/release/waltap" cargo run --locked --release -p waltap-bench --bin drain

.PHONY: bench-profile
bench-profile: ready-kafka ## What waltap does while it drains a backlog, function by function, in bench/profiles: WORKLOADS (k1), SIZE
	@scripts/install-perf.sh
	cargo build --locked --release -p waltap
	cargo build --locked --release -p waltap-bench
	E2E_WALTAP="$$PWD/$${CARGO_TARGET_DIR:-target}/release/waltap" scripts/profile.sh

.PHONY: bench-snapshot
bench-snapshot: ready-kafka ## How fast a table's rows are read, beside psql, a bare client and the barest program that brings them into Kafka: ROUNDS, ROWS, CONTENDERS
	cargo build --locked --release -p waltap
	cargo build --locked --release -p waltap-bench
	E2E_WALTAP="$$PWD/$${CARGO_TARGET_DIR:-target}/release/waltap" cargo run --locked --release -p waltap-bench --bin snapshot

.PHONY: bench-latency
bench-latency: ready-kafka ## How long it takes from a commit to its reader, and where the time goes: ROUNDS, SECONDS, RATES, CONTENDERS, FSYNC
	cargo build --locked --release -p waltap
	E2E_WALTAP="$$PWD/$${CARGO_TARGET_DIR:-target}/release/waltap" cargo run --locked --release -p waltap-bench --bin latency

.PHONY: bench-growth
bench-growth: ready-kafka ## How cost grows with tables, databases, columns, rows, transactions and backlogs: ROUNDS, SIZE, CURVES, MOST
	cargo build --locked --release -p waltap
	E2E_WALTAP="$$PWD/$${CARGO_TARGET_DIR:-target}/release/waltap" cargo run --locked --release -p waltap-bench --bin growth

.PHONY: bench-plots
bench-plots: ready-build ## Pictures of the benchmarks' raw results, in target/bench/plots
	cargo run --locked --release -p waltap-bench --bin plots

.PHONY: bench-encoding
bench-encoding: ready-build ## What it costs to write a value, by type and format, and a row, beside two peers
	cargo run --locked --release -p waltap-bench --bin encoding

.PHONY: bench-instructions
bench-instructions: ready-build ## How many instructions a row takes to decode and to write, kept commit by commit in bench/instructions.csv
	@scripts/install-valgrind.sh
	cargo run --locked --release -p waltap-bench --bin instructions

.PHONY: bench-delivery
bench-delivery: ready-kafka ## What exactly-once costs beside at-least-once: throughput from a backlog, against real servers
	cargo build --locked --release -p waltap
	E2E_WALTAP="$$PWD/$${CARGO_TARGET_DIR:-target}/release/waltap" cargo run --locked --release -p waltap-bench --bin delivery

.PHONY: regression
regression: ready-kafka ## PostgreSQL's own regression tests: the database that they leave, captured whole, by snapshot, by stream and while they run
	@scripts/install-postgres.sh 15
	@scripts/install-regression.sh
	cargo test --locked -p waltap-tests --test e2e -- regression:: --ignored --nocapture --test-threads 1

.PHONY: build
build: ready-build ## The release binary, in target/release/waltap
	cargo build --locked --release -p waltap

.PHONY: lint
lint: ready-build ready-deny ## Formatting, clippy, documentation, licences and sources of dependencies
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
	PATH="$$PWD/.cache/cargo-deny/bin:$$PATH" cargo deny --locked check --hide-inclusion-graph licenses bans sources

.PHONY: audit
audit: ready-build ready-deny ## Known vulnerabilities of dependencies (fetches the advisory database)
	PATH="$$PWD/.cache/cargo-deny/bin:$$PATH" cargo deny --locked check advisories

.PHONY: ready-build
ready-build:
	@scripts/install-build-tools.sh

.PHONY: ready
ready: ready-build
	@scripts/install-postgres.sh

.PHONY: ready-kafka
ready-kafka: ready
	@scripts/install-kafka.sh

.PHONY: ready-deny
ready-deny:
	@scripts/install-cargo-deny.sh

.PHONY: ready-fuzz
ready-fuzz:
	@scripts/install-cargo-fuzz.sh

.PHONY: clean
clean: ## Remove what was built and what was fetched
	cargo clean
	rm -rf .cache
