#!/usr/bin/env bash
# ./dev fuzz NAME: builds tests/fuzz/fuzz_NAME.cc with clang's libFuzzer and sanitizers, and runs it.
#   fuzz.sh NAME BUILD SECONDS [LIBFUZZER OPTIONS]
# What it grows is kept under BUILD/fuzz/NAME; an input that breaks the target is written to
# tests/fuzz/findings/NAME, where every later test run replays it.
set -euo pipefail
cd "$(dirname "$0")/.."
name="$1" build="$2" seconds="$3"
shift 3

command -v clang++-16 >/dev/null || { echo "SKIP: no clang++-16 (./dev fuzz installs it)"; exit 77; }
case "$name" in
  safetensors) sources=(models/safetensors.cc models/safetensors_header.cc base/result.cc) ;;
  *) echo "no fuzz target '$name': safetensors" >&2; exit 2 ;;
esac

folder="$build/fuzz/$name"
mkdir -p "$folder/corpus" "$folder/seeds" "tests/fuzz/findings/$name"
clang++-16 -std=gnu++20 -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined \
  -fno-sanitize-recover=undefined -I . "tests/fuzz/fuzz_$name.cc" "${sources[@]}" -lboost_json -o "$folder/target"
"$build/tests/${name}_files" write "$folder/seeds"
"$folder/target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=512 -print_final_stats=1 -verbosity=1 \
  -artifact_prefix="tests/fuzz/findings/$name/" "$@" "$folder/corpus" "$folder/seeds" 2>&1 |
  grep -v -E '^#|NEW_FUNC|Uses: [0-9]+$' || exit "${PIPESTATUS[0]}"
