# `make test` sets up what the tests need on a Debian machine and runs them all.

.PHONY: setup test test-postgres17

setup:
	@./.ci/setup

test: setup
	cargo test --locked

# The tests of databases and of the sandbox's server once more, on the second major version of PostgreSQL.
test-postgres17: setup
	PGENTRA_TEST_POSTGRES="$$(./.ci/postgres17)" cargo test --locked --lib -- postgres:: resources:: sandbox::cluster
