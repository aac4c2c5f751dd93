#!/usr/bin/env bash
# ./dev check: what can be said about the sources without building them.
set -uo pipefail
cd "$(dirname "$0")/.."

failed=0
run() {
  local title="$1" start=$SECONDS
  shift
  if "$@"; then
    printf 'ok      %s (%ss)\n' "$title" "$((SECONDS - start))"
  else
    printf 'FAILED  %s\n' "$title"
    failed=1
  fi
}

formatting() {
  git ls-files -z '*.cc' '*.h' | xargs -0 -P "$(nproc)" -n 20 clang-format-16 --dry-run -Werror ||
    { echo "run ./dev format"; return 1; }
}

run 'formatting (clang-format 16)' formatting
run 'structure (arrows, sizes, awaited braces)' /usr/bin/python3 tests/tidy/tidy.py
run 'contracts (protobuf numbers and types)' /usr/bin/python3 tests/tidy/contracts.py
run 'crash points (each listed, placed and tried once)' /usr/bin/python3 tests/kills/points.py
exit $failed
