# `make test` sets up what the tests need on a Debian machine and runs them all.

.PHONY: setup test test-mgmt-clients

setup:
	@./.ci/setup

test: setup
	cargo test --locked

# The generated Azure crates as independent clients of the emulator; they take minutes to build.
test-mgmt-clients: setup
	cargo test --locked --features mgmt-clients --test mgmt_clients
