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

# Comments the plan; that it cannot is told, and never the job's result. What tells one plan's comment from another's is
# the directory, the file and the arguments: the same file with other variables is another plan.
comment() {
  local directory="${PWD#"${GITHUB_WORKSPACE:-}"}" key title line
  key=$(printf '%s\0' "$directory" "$PGENTRA_PLAN_FILE" "${args[@]}" | cksum | tr ' ' -)
  title=$PGENTRA_PLAN_FILE
  for line in "${args[@]}"; do
    # Of all arguments only names of files are shown: a value of a variable may be anybody's.
    case "$line" in --var-file=*) title+=" $line" ;; esac
  done
  {
    printf '<!-- pgentra: plan %s -->\n`%s`\n\n' "$key" "${title//\`/}"
    if [ -s "$work/body.md" ]; then
      # Its first line is pgentra's own marker.
      tail -n +2 "$work/body.md"
    else
      printf '### There is no plan: pgentra ended with %s\n\nThe log of this run says why.\n' "$code"
    fi
  } >"$work/comment.md"
  "$here/comment.sh" "$work/comment.md" || echo "::warning title=pgentra::the plan is not commented; it stands in the job's summary"
}

case "$PGENTRA_COMMAND" in
  plan)
    save=()
    [ -z "${PGENTRA_SAVED_PLAN:-}" ] || save=(--out "$PGENTRA_SAVED_PLAN")
    # Room for the lines that the comment has besides, unless the arguments give a budget of their own.
    case " ${args[*]} " in *" --budget"*) ;; *) save+=(--budget 64000) ;; esac
    pgentra_run plan "$PGENTRA_PLAN_FILE" --detailed-exitcode "${save[@]}"
    output changes "$([ "$code" = 2 ] && echo true || echo false)"
    digest=""
    if [ -s "$work/data.json" ]; then
      digest=$(jq -r '.steps_digest // ""' "$work/data.json")
    fi
    output digest "$digest"
    if [ "$code" = 2 ] && [ -z "$digest" ]; then
      echo "::warning title=pgentra::this plan has no digest to approve: whoever is signed in may not look at all of it"
    fi
    if [ "${PGENTRA_COMMENT:-true}" = true ]; then
      comment
    fi
    # 2: there are changes; 4: a gate holds the rest. Both are what a plan is for.
    case "$code" in 0 | 2 | 4) exit 0 ;; *) exit "$code" ;; esac
    ;;
  apply)
    expect=(--expect-digest "${PGENTRA_EXPECT_DIGEST-any}")
    case "${expect[1]}" in
      any) expect=() ;;
      "")
        echo "::error title=pgentra::expect-digest is empty: nothing was approved, and nothing is applied"
        exit 1
        ;;
    esac
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
