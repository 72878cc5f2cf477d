#!/usr/bin/env bash
# Puts pgentra on the PATH of the later steps: the one given, the one that is there, or this version, built.
set -euo pipefail

if [ -n "${PGENTRA_PATH:-}" ]; then
  path=$(cd "$(dirname "$PGENTRA_PATH")" && pwd)
  echo "$path" >>"$GITHUB_PATH"
elif ! command -v pgentra >/dev/null; then
  cargo install --locked --no-default-features --path "$GITHUB_ACTION_PATH" --root "$RUNNER_TEMP/pgentra"
  echo "$RUNNER_TEMP/pgentra/bin" >>"$GITHUB_PATH"
fi
