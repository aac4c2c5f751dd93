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
folder="$build/fuzz/$name" objects="$build/fuzz/objects"
mkdir -p "$folder/corpus" "$folder/seeds" "$objects" "tests/fuzz/findings/$name"

base=(base/*.cc base/*/*.cc)
contracts=("$build"/proto/rekindle/v1/*.pb.cc)
protobuf=(-l:libprotobuf.a -lz -lpthread)
seeds=("tests/fuzz/seeds/$name")
case "$name" in
  safetensors)
    sources=(models/safetensors.cc models/safetensors_header.cc base/result.cc) libraries=(-lboost_json)
    "$build/tests/safetensors_files" write "$folder/seeds"
    seeds=("$folder/seeds") ;;
  http)
    sources=(net/http/head.cc net/http/router.cc net/message.cc net/tokens.cc "${base[@]}")
    libraries=(-lboost_json -lfmt -lcrypto -lxxhash) ;;
  spec)
    sources=(jobs/*.cc jobs/yaml/*.cc jobs/pools/*.cc "${base[@]}" "${contracts[@]}")
    libraries=("${protobuf[@]}" -lyaml-cpp -lfmt -lcrypto -lxxhash)
    seeds+=(jobs/specs jobs/imports) ;;
  slurm)
    sources=(launch/slurm/answers.cc "${base[@]}" "${contracts[@]}")
    libraries=("${protobuf[@]}" -lfmt -lcrypto -lxxhash) ;;
  reports)
    sources=(launch/report_log.cc launch/attempt_folder.cc "${base[@]}" "${contracts[@]}")
    libraries=("${protobuf[@]}" -lfmt -lcrypto -lxxhash) ;;
  *) echo "no fuzz target '$name': http, reports, safetensors, slurm, spec" >&2; exit 2 ;;
esac

# Each source once for all targets; what has not changed comes from the cache.
flags=(-std=gnu++20 -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined
       -fno-sanitize=vptr -fno-sanitize-recover=undefined -I . -isystem "$build/proto"
       -DBOOST_ASIO_NO_DEPRECATED -DBOOST_BEAST_USE_STD_STRING_VIEW -Wno-#pragma-messages)
launcher=()
if command -v ccache >/dev/null; then launcher=(ccache); fi
compiled=()
commands=()
for source in "tests/fuzz/fuzz_$name.cc" "${sources[@]}"; do
  object="$objects/$(echo "${source#"$build/"}" | tr / _).o"
  compiled+=("$object")
  commands+=("${launcher[*]} clang++-16 ${flags[*]} -c $source -o $object")
done
printf '%s\0' "${commands[@]}" | xargs -0 -P "$(nproc)" -I{} bash -c '{}'
clang++-16 -fsanitize=fuzzer,address,undefined -fno-sanitize=vptr "${compiled[@]}" "${libraries[@]}" -o "$folder/target"
"$folder/target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=512 -print_final_stats=1 -verbosity=1 \
  -artifact_prefix="tests/fuzz/findings/$name/" "$@" "$folder/corpus" "${seeds[@]}" 2>&1 |
  grep -v -E '^#|NEW_FUNC|Uses: [0-9]+$' || exit "${PIPESTATUS[0]}"
