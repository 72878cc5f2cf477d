# `make demo` shows the main job in a sandbox; `make test` runs every test. Both install what a Debian machine lacks.

.PHONY: demo test test-postgres17 test-mgmt-clients faults bench setup docs

demo:
	@./scripts/demo.sh

test: setup
	cargo test --locked --no-fail-fast

setup:
	@./.ci/setup
	@./.ci/azurite

# Writes the pages that are made from the code; a test insists that they are current.
docs:
	PGENTRA_WRITE_DOCS=1 cargo test --locked --test house reference_pages

# The tests of databases and of the sandbox's server once more, on the second major version of PostgreSQL.
test-postgres17: setup
	PGENTRA_TEST_POSTGRES="$$(./.ci/postgres17)" cargo test --locked --lib -- postgres:: resources:: sandbox::cluster

# The generated Azure crates as independent clients of the emulator; they take minutes to build.
test-mgmt-clients: setup
	cargo test --locked --features mgmt-clients --test mgmt_clients

# The built binary against the sandbox: every kind x fault x {resume, rollback}, kill -9 at every journal record, and the
# laws that kinds declare. All tests at once, in twenty sandboxes: they mostly wait. A quarter of an hour on two cores;
# PGENTRA_LONG_ONLY="app_settings x lie" narrows it.
faults: setup
	PGENTRA_LONG=1 cargo test --locked --test long -- --nocapture --test-threads=3

# Measures plans and applies of grants against what PostgreSQL itself needs; docs/performance.md says what the columns mean.
bench: setup
	cargo build --locked --release --bin pgentra
	python3 benches/grants.py
