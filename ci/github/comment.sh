#!/usr/bin/env bash
# Keeps one comment on the pull request up to date: the one whose first line is the same hidden marker.
# Usage: comment.sh FILE. Where this is no pull request, or it may not comment, it says so and succeeds.
set -euo pipefail

file=$1
marker=$(head -n 1 "$file")
number=$(jq -r '.pull_request.number // (if .issue.pull_request then .issue.number else empty end) // empty' "$GITHUB_EVENT_PATH")
if [ -z "$number" ]; then
  echo "not a pull request: no comment" >&2
  exit 0
fi
api="$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues"
body=$(mktemp)
trap 'rm -f "$body"' EXIT
jq -Rs '{body: .}' "$file" >"$body"

# The token goes by standard input, so that it stands in no list of processes.
call() {
  curl --silent --show-error --fail-with-body --max-time 60 --retry 3 \
    --header "Accept: application/vnd.github+json" --header "X-GitHub-Api-Version: 2022-11-28" \
    --config - "$@" <<<"header = \"Authorization: Bearer $PGENTRA_GITHUB_TOKEN\""
}

id="" page=1
while [ -z "$id" ]; do
  comments=$(call "$api/$number/comments?per_page=100&page=$page")
  id=$(jq -r --arg marker "$marker" 'map(select(.body | startswith($marker))) | .[0].id // empty' <<<"$comments")
  [ "$(jq length <<<"$comments")" = 100 ] || break
  page=$((page + 1))
done

if [ -n "$id" ]; then
  call --request PATCH --data-binary "@$body" "$api/comments/$id" >/dev/null
  echo "updated comment $id" >&2
else
  call --request POST --data-binary "@$body" "$api/$number/comments" >/dev/null
  echo "made a comment" >&2
fi
