# `make test` sets up what the tests need on a Debian machine and runs them all.

.PHONY: setup test

setup:
	@./.ci/setup
	@./.ci/azurite

test: setup
	cargo test --locked
