#!/usr/bin/env bash
# Keeps one comment on the pull request up to date: our own whose first line is the same hidden marker.
# Usage: comment.sh FILE. Where this is no pull request it says so and succeeds; where it may not comment it fails, and
# says what GitHub says.
set -euo pipefail

file=$1
marker=$(head -n 1 "$file")
author=${PGENTRA_COMMENT_AUTHOR:-github-actions[bot]}
number=$(jq -r '.pull_request.number // (if .issue.pull_request then .issue.number else empty end) // empty' "$GITHUB_EVENT_PATH")
if [ -z "$number" ]; then
  echo "not a pull request: no comment" >&2
  exit 0
fi
api="$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/issues"
body=$(mktemp) answer=$(mktemp)
trap 'rm -f "$body" "$answer"' EXIT
jq -Rs '{body: .}' "$file" >"$body"

# Asks GitHub; its answer is in the file $answer. The token goes by standard input, so that it stands in no list of processes.
call() {
  curl --silent --show-error --fail-with-body --max-time 60 --output "$answer" \
    --header "Accept: application/vnd.github+json" --header "X-GitHub-Api-Version: 2022-11-28" \
    --config - "$@" <<<"header = \"Authorization: Bearer $PGENTRA_GITHUB_TOKEN\"" || {
    echo "no comment: $(jq -r '.message // empty' "$answer" 2>/dev/null)" >&2
    return 1
  }
}

id="" page=1
while [ -z "$id" ]; do
  # Only this is tried again: a write whose answer was lost may have been done.
  call --retry 3 "$api/$number/comments?per_page=100&page=$page"
  # Anybody may write a comment that begins like ours.
  id=$(jq -r --arg marker "$marker" --arg author "$author" \
    'map(select(.user.login == $author and ((.body // "") | startswith($marker)))) | .[0].id // empty' "$answer")
  [ "$(jq length "$answer")" = 100 ] || break
  page=$((page + 1))
done

if [ -n "$id" ]; then
  call --request PATCH --data-binary "@$body" "$api/comments/$id"
  echo "updated comment $id" >&2
else
  call --request POST --data-binary "@$body" "$api/$number/comments"
  echo "made a comment" >&2
fi
