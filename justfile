# Shortcuts; every recipe is one command that works without just.

_list:
    @just --list --unsorted

# watch retries happen on a real broker, within a minute
demo-retries *args:
    bash scripts/demo-retries {{ args }}

# everything that must hold before a change lands
test:
    bash scripts/test

# format, lints and architecture only
lint:
    cargo fmt --all --check
    bash scripts/check-architecture
    cargo clippy --workspace --all-features --all-targets --locked -- -D warnings

# the API documentation, in a browser
doc:
    cargo doc --workspace --all-features --no-deps --open

# naq against raw async-nats doing the same broker work
bench *args:
    NAQ_NATS_SERVER="$(bash scripts/nats-server)" cargo run --release --package naq-cli -- bench {{ args }}

# the long fault run: kills, restarts and cuts, for minutes
faults *args:
    NAQ_NATS_SERVER="$(bash scripts/nats-server)" cargo run --release --package naq-faults -- {{ args }}

# messages that a hostile producer may store, against workers, commands and the dashboard: --messages 1000000
fuzz *args:
    NAQ_NATS_SERVER="$(bash scripts/nats-server)" cargo run --release --package naq-cli --all-features --example fuzz -- {{ args }}

# everything that runs on a cluster of three servers
cluster-tests *args:
    bash scripts/cluster-tests {{ args }}

# The programs of an earlier commit and of this tree over one broker
upgrade-test *args:
    python3 scripts/test-upgrade {{ args }}

# What the programs of an earlier commit store, as files for the tests
corpus revision:
    python3 scripts/make-corpus {{ revision }}
