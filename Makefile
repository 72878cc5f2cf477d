# `make test` sets up what the tests need on a Debian machine and runs them all.

.PHONY: setup test faults

setup:
	@./.ci/setup

test: setup
	cargo test --locked

# The built binary against the sandbox: every kind x fault x {resume, rollback}, kill -9 at every journal record, and the
# laws that kinds declare. Takes hours; PGENTRA_LONG_ONLY="app_settings x lie" narrows it.
faults: setup
	PGENTRA_LONG=1 cargo test --locked --test long -- --nocapture
