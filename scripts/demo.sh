#!/usr/bin/env bash
# The main job, for real: a Function App of a sandbox moves from its PostgreSQL password to its managed identity.
# Ends with 0 only if the app signed in by password before, and by managed identity afterwards, with nothing left to do.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold="" plain=""; fi
say() { printf '\n%s==> %s%s\n' "$bold" "$*" "$plain"; }
fail() { printf '\ndemo: %s\n' "$*" >&2; exit 1; }
run() { printf '%s$ pgentra %s%s\n' "$bold" "$*" "$plain"; "$pgentra" "$@"; }

.ci/setup
say "Building pgentra (the first build takes a few minutes)"
cargo build --locked --bin pgentra
target=$(cargo metadata --locked --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
pgentra=$target/debug/pgentra

work=$(mktemp -d "${TMPDIR:-/tmp}/pgentra-demo-XXXXXX")
clean_up() {
  status=$?
  trap - EXIT INT TERM
  # Interrupted while it starts, the sandbox can be stopped only once it has said where it is.
  for _ in $(seq 20); do
    if [ "$status" -lt 128 ] || [ ! -e "$work/up.log" ] || [ -e "$work/sandbox.json" ]; then break; fi
    sleep 0.5
  done
  [ "$status" = 0 ] || "$pgentra" sandbox log --processes --dir "$work" >&2 || true
  if [ -e "$work/sandbox.json" ]; then say "Taking the sandbox down"; "$pgentra" sandbox down --dir "$work" || status=1; fi
  cd / && rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "Starting a sandbox: an Azure emulator, a PostgreSQL that takes tokens, and a Function App"
"$pgentra" sandbox up --detach --dir "$work"
eval "$("$pgentra" sandbox env --dir "$work")"
# Everything is on this machine; a proxy could not reach it.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

# The plan file, with the store of this demo beside it.
cd "$work"
{ cat "$repository/plans/rmhazuregeoapi.toml"; printf '\n[store]\nurl = "store"\n'; } >rmhazuregeoapi.toml

# Asks the app how it is, until it answers that it is well; prints how it signs in to PostgreSQL.
auth_method() {
  local health=""
  for _ in $(seq 30); do
    health=$(curl --silent --show-error --max-time 10 "$PGENTRA_SANDBOX_APP_URL/api/health" || true)
    case $health in *'"status":"healthy"'*) break ;; esac
    sleep 1
  done
  printf '%s\n' "$health" >&2
  printf '%s\n' "$health" | sed -n 's/.*"auth_method":"\([a-z_]*\)".*/\1/p'
}

say "Before: how does the app sign in? (GET /api/health)"
before=$(auth_method)
[ "$before" = password ] || fail "before the migration the app signs in by '$before', not by password"

say "What would be done? plan only looks"
run plan rmhazuregeoapi.toml

say "Do it: identity, server, role, grants, settings, each checked"
run apply rmhazuregeoapi.toml --auto-approve

say "And again: is there anything left to do?"
again=$(run plan rmhazuregeoapi.toml)
printf '%s\n' "$again"
case $again in *"No changes."*) ;; *) fail "the second plan is not empty" ;; esac

say "After: how does the app sign in now?"
after=$(auth_method)
[ "$after" = managed_identity ] || fail "after the migration the app signs in by '$after', not by managed identity"

say "Does everything hold? Effective rights, the app's settings, its health"
run verify rmhazuregeoapi.toml

say "Done: the app went from '$before' to '$after'. The password is still there, as a way back."
