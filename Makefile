# `make test` sets up what the tests need on a Debian machine and runs them all.

.PHONY: setup test test-postgres17 bench

setup:
	@./.ci/setup

test: setup
	cargo test --locked

# The tests of databases and of the sandbox's server once more, on the second major version of PostgreSQL.
test-postgres17: setup
	PGENTRA_TEST_POSTGRES="$$(./.ci/postgres17)" cargo test --locked --lib -- postgres:: resources:: sandbox::cluster

# Measures plans and applies of grants against what PostgreSQL itself needs; docs/performance.md says what the columns mean.
bench: setup
	cargo build --locked --release --bin pgentra
	python3 benches/grants.py
