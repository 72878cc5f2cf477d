# `make demo` shows the main job in a sandbox; `make test` runs every test. Both install what a Debian machine lacks.

.PHONY: demo test test-mgmt-clients faults setup docs

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

# The generated Azure crates as independent clients of the emulator; they take minutes to build.
test-mgmt-clients: setup
	cargo test --locked --features mgmt-clients --test mgmt_clients

# The built binary against the sandbox: every kind x fault x {resume, rollback}, kill -9 at every journal record, and the
# laws that kinds declare. Takes hours; PGENTRA_LONG_ONLY="app_settings x lie" narrows it.
faults: setup
	PGENTRA_LONG=1 cargo test --locked --test long -- --nocapture
