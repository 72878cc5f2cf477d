#!/usr/bin/env bash
# Runs one pgentra command for the GitHub action: result into the job's summary, outputs and, for plan, a comment.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d "${RUNNER_TEMP:-/tmp}/pgentra.XXXXXX")
trap 'rm -rf "$work"' EXIT

args=()
while IFS= read -r line; do
  [ -z "$line" ] || args+=("$line")
done <<<"${PGENTRA_ARGS:-}"

output() { printf '%s=%s\n' "$1" "$2" >>"$GITHUB_OUTPUT"; }

# Runs pgentra with its result as Markdown into $work/body.md and as JSON into $work/data.json; sets $code.
pgentra_run() {
  code=0
  pgentra "$@" "${args[@]}" --format markdown --json-into "$work/data.json" >"$work/body.md" || code=$?
  if [ -s "$work/body.md" ]; then
    cat "$work/body.md" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
  fi
  output exitcode "$code"
}

case "$PGENTRA_COMMAND" in
  plan)
    save=()
    [ -z "${PGENTRA_SAVED_PLAN:-}" ] || save=(--out "$PGENTRA_SAVED_PLAN")
    pgentra_run plan "$PGENTRA_PLAN_FILE" --detailed-exitcode "${save[@]}"
    output changes "$([ "$code" = 2 ] && echo true || echo false)"
    if [ -s "$work/data.json" ]; then
      output digest "$(jq -r '.steps_digest // ""' "$work/data.json")"
    fi
    if [ "${PGENTRA_COMMENT:-true}" = true ] && [ -s "$work/body.md" ]; then
      "$here/comment.sh" "$work/body.md"
    fi
    # 2: there are changes; 4: a gate holds the rest. Both are what a plan is for.
    case "$code" in 0 | 2 | 4) exit 0 ;; *) exit "$code" ;; esac
    ;;
  apply)
    expect=()
    [ -z "${PGENTRA_EXPECT_DIGEST:-}" ] || expect=(--expect-digest "$PGENTRA_EXPECT_DIGEST")
    pgentra_run apply "$PGENTRA_PLAN_FILE" --auto-approve "${expect[@]}"
    exit "$code"
    ;;
  drift)
    # The plan file is what was approved; only what became of it since is drift. Known noise: --ignore among the arguments.
    pgentra_run plan "$PGENTRA_PLAN_FILE" --refresh-only --expect-no-changes
    output changes "$([ "$code" = 2 ] && echo true || echo false)"
    exit "$code"
    ;;
  verify | observe | status | doctor)
    pgentra_run "$PGENTRA_COMMAND" "$PGENTRA_PLAN_FILE"
    exit "$code"
    ;;
  *)
    echo "pgentra: the action has no command '$PGENTRA_COMMAND'; it has plan, apply, verify, observe, status, doctor and drift" >&2
    exit 1
    ;;
esac
