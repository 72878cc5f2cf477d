#!/usr/bin/env bash
# The main job, for real: a Function App of a sandbox moves from its PostgreSQL password to its managed identity, proves for
# a week of the sandbox's time that nobody needs the password any more, and loses it; rolls back, and loses it again.
# Ends with 0 only if every claim that it makes on the way holds.
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

# The plan file of all five phases, with the store of this demo beside it. Two more lines of [cleanup.rmhazuregeoapi] take
# the password from the role and from the server, too; the server's own table then no longer says that it takes passwords.
cd "$work"
plan=rmhazuregeoapi-cleanup.toml
{ grep --invert-match "^password_auth = " "$repository/plans/$plan"; cat <<'TOML'; } >"$plan"
role_password = true
server_password_auth = { admin_password = { env = "PGADMIN_PASSWORD" } }

[store]
url = "store"
TOML
# Observations are signed with a key that is not in the store.
PGENTRA_EVIDENCE_KEY=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export PGENTRA_EVIDENCE_KEY

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

signs_in_by() {
  local method
  method=$(auth_method)
  [ "$method" = "$1" ] || fail "$2 the app signs in by '$method', not by '$1'"
}

# Runs a command that has to end with a code and to say something; what it said is kept in $said.
said=""
quietly_expect() { # code, text, arguments
  local code=$1 text=$2 got=0
  shift 2
  printf '%s$ pgentra %s%s\n' "$bold" "$*" "$plain"
  said=$("$pgentra" "$@" 2>&1) || got=$?
  [ "$got" = "$code" ] || fail "it ended with $got, not with $code: $said"
  says "$text"
}
expect() { quietly_expect "$@" && printf '%s\n' "$said"; }
says() { case $said in *"$1"*) ;; *) fail "it does not say '$1': $said" ;; esac; }

# A day passes, and its observation has to pass. The days are many and alike: only the bar of the window is shown.
day() { # text
  run sandbox clock advance 1d
  quietly_expect 0 "$1" observe "$plan"
  printf '%s\n' "$said" | sed -n '/^\[[#.]/,$p'
}

# The app's settings, names only.
has_password_setting() {
  curl --silent --show-error --header "x-sandbox: 1" "$PGENTRA_SANDBOX_URL/_sandbox/state" |
    jq --exit-status '.sites.rmhazuregeoapi.settings | has("POSTGIS_PASSWORD")' >state.txt
}

# Whether the server takes passwords at all, and whether the one that signs in with one is told so.
takes_passwords() {
  curl --silent --show-error --header "x-sandbox: 1" "$PGENTRA_SANDBOX_URL/_sandbox/state" |
    jq --exit-status '.servers.rmhpgflex.password' >state.txt
}
administrator_gets_in() {
  PGPASSWORD=$PGADMIN_PASSWORD psql "host=$PGENTRA_SANDBOX_POSTGRES_HOST user=pgadmin dbname=postgres" \
    --no-psqlrc --tuples-only --command "SELECT 1" >psql.txt 2>&1
}

# Whether PostgreSQL lets the old role in.
old_role_gets_in() {
  PGPASSWORD=$GEOAPP_PASSWORD psql "host=$PGENTRA_SANDBOX_POSTGRES_HOST user=geoapp dbname=geopgflex" \
    --no-psqlrc --tuples-only --command "SELECT 1" >psql.txt 2>&1
}

say "Before: how does the app sign in? (GET /api/health)"
signs_in_by password "before the migration"
old_role_gets_in || fail "the old role cannot log in"

say "Phases 1 to 3. What would be done? plan only looks"
run plan "$plan"

say "Do it: identity, server, role, grants, settings, each checked. What removes the password is held"
expect 4 "Apply complete!" apply "$plan" --auto-approve --detailed-exitcode
says "password_login.rmhazuregeoapi: validation.rmhazuregeoapi holds it"

say "And again: is there anything left to do?"
expect 0 "No changes." plan "$plan"

say "After: how does the app sign in now?"
signs_in_by managed_identity "after the migration"
old_role_gets_in || fail "the password is no way back"

say "Phase 4. A week of observations, one a day. The sandbox's clock is moved on between them"
run observe "$plan"
day "1d of 7d"
day "2d of 7d"

say "The third day is a bad one: the app's pool keeps a session open that it opened with the password"
run sandbox app leak
run sandbox clock advance 1h
expect 10 "connected as geoapp: process" observe "$plan"
says "0s of 7d: held"
expect 4 "password_login.rmhazuregeoapi: validation.rmhazuregeoapi holds it" apply "$plan" --auto-approve --detailed-exitcode

say "It is mended, and the week begins again"
run sandbox app recover
day "0s of 7d"
for days in 1 2 3 4 5 6; do day "${days}d of 7d: held"; done
expect 4 "6d of 7d are covered" plan "$plan" --detailed-exitcode
day "7d of 7d: open"

say "What an auditor sees: the records are a signed chain"
run evidence verify "$plan"

say "Phase 5. The gate is open. First nobody may log in as the old role any more; the password is kept in a key vault"
expect 0 "password_login.rmhazuregeoapi: Modifications complete" apply "$plan" --auto-approve
if old_role_gets_in; then fail "the old role still logs in"; fi
has_password_setting || fail "the setting went before the soak was over"

say "A day of soaking: does everything go on without it?"
run observe "$plan"
expect 4 "soak.rmhazuregeoapi" plan "$plan" --detailed-exitcode
day "open"

say "It does. The setting goes, then the role's password, and in the end the server takes no passwords any more"
expect 0 "password_setting.rmhazuregeoapi: Modifications complete" apply "$plan" --auto-approve --detailed-exitcode
says "role_password.rmhazuregeoapi: Modifications complete"
says "server_password_auth.rmhazuregeoapi: Modifications complete"
if has_password_setting; then fail "the password is still in the app's settings"; fi
if takes_passwords || administrator_gets_in; then fail "the server still takes passwords"; fi
signs_in_by managed_identity "without its password"
expect 0 "No changes." plan "$plan"
quietly_expect 0 "as wanted: password_setting.rmhazuregeoapi" status "$plan"
printf '%s\n' "$said" | sed -n '/^Cleanup/,/^Gates/p'

say "Was that a mistake? The way back: the runs of the cleanup are undone, newest first"
# The run that took the login away is the second newest apply.
brown_out=$("$pgentra" history "$plan" | awk '$4 == "apply" { print $1 }' | sed -n 2p)
expect 0 "Steps: 5 done." rollback --through "$brown_out" --file "$plan" --auto-approve
case $said in *"$GEOAPP_PASSWORD"* | *"$PGADMIN_PASSWORD"*) fail "the rollback shows a password" ;; esac
takes_passwords || fail "the server still takes no passwords"
has_password_setting || fail "the setting did not come back"
old_role_gets_in || fail "the login did not come back"
run sandbox app fall-back
signs_in_by password "after the rollback, without a token,"
run sandbox app recover

say "No, it was right. Evidence counts from the last time that the password was used, so the week begins again"
for _ in 1 2; do run sandbox clock advance 1h; "$pgentra" observe "$plan" >observed.txt || true; done
for _ in 1 2 3 4 5 6 7; do day "of 7d"; done
expect 0 "password_login.rmhazuregeoapi: Modifications complete" apply "$plan" --auto-approve
run observe "$plan"
day "open"
expect 0 "password_setting.rmhazuregeoapi: Modifications complete" apply "$plan" --auto-approve
if has_password_setting || takes_passwords || old_role_gets_in; then fail "the password is still of use"; fi
signs_in_by managed_identity "in the end"

say "Nowhere did it show: the passwords stand in no journal and no record of pgentra"
for password in "$GEOAPP_PASSWORD" "$PGADMIN_PASSWORD"; do
  if grep --recursive --quiet --fixed-strings -- "$password" store; then fail "the store holds a password"; fi
done

say "Done: the app went from its password to its managed identity, and the password is gone."
