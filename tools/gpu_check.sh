#!/usr/bin/env bash
# Tries on a host with a GPU what CI cannot; docs/gpu.md says what. Exit code 77: nothing was run, and why.
#
#   tools/gpu_check.sh [--site-packages DIR] [--out FILE] [GTEST ARGUMENTS]
#   tools/gpu_check.sh bench [ROUNDS [MODEL ...]]   steps beside PyTorch: mlp, resnet, mlp:tf32, resnet:bf16, ...
#   tools/gpu_check.sh pack FILE.tar.gz      what a host without a build needs, this script included
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
readonly torch_version=2.11.0

say() { printf 'gpu_check: %s\n' "$*" >&2; }
skip() {
  say "SKIPPED, nothing of the GPU path was run: $*"
  printf '{"skipped": "%s"}\n' "$*"
  exit 77
}

# Debian's libraries that the programs of this build use: all but the C library's own.
system_libraries() {
  ldd "$@" | awk '$3 ~ "^/(usr/)?lib/" {print $3}' | sort -u |
    grep -Ev '/(ld-linux|libc|libm|libdl|libpthread|librt|libresolv|libstdc\+\+|libgcc_s)[.-]'
}

pack() {
  local build="${REKINDLE_BUILD:-$here/../build/release}" target="$1" stage
  stage=$(mktemp -d)
  mkdir -p "$stage"/{bin,tests/oracle,lib/system,lib/pyarrow,bench}
  strip -o "$stage/bin/rekindle-trainer" "$build/bin/rekindle-trainer"
  strip -o "$stage/tests/trainer_gpu_device_test" "$build/tests/trainer_gpu_device_test"
  strip -o "$stage/tests/oracle_test" "$build/tests/oracle_test"
  strip -o "$stage/tests/trainer_gpu_bench" "$build/tests/trainer_gpu_bench"
  cp "$here"/bench/{gpu,gpu_peer,gpu_models,measure}.py "$here/../tests/oracle/reference_models.py" "$stage/bench"
  cp "$here/../tests/oracle/golden.json" "$stage/tests/oracle"
  strip -o "$stage/lib/librekindle_gpu.so" "$build/lib/librekindle_gpu.so"
  system_libraries "$build/bin/rekindle-trainer" "$build"/tests/{trainer_gpu_device_test,oracle_test,trainer_gpu_bench} |
    xargs cp -Lt "$stage/lib/system"
  cp -L "$build"/lib/site-packages/pyarrow/lib{arrow,parquet,arrow_compute}.so.* "$stage/lib/pyarrow"
  cp "$here/gpu_check.sh" "$stage"
  tar -C "$stage" -czf "$target" .
  rm -rf "$stage"
  say "$target: $(du -h "$target" | cut -f1); unpack it on the host with the GPU and run ./gpu_check.sh"
}

python_site_packages() {
  python3 -c 'import importlib.util as u, os; print(os.path.dirname(u.find_spec("torch").submodule_search_locations[0]))' 2>/dev/null
}

if [ "${1:-}" = pack ]; then
  [ $# -eq 2 ] || { say "pack FILE.tar.gz"; exit 2; }
  pack "$2"
  exit 0
fi

bench=""
if [ "${1:-}" = bench ]; then
  bench=yes
  shift
fi
site_packages="" out=/dev/stdout
while [ $# -gt 0 ]; do
  case "$1" in
    --site-packages) site_packages="$2"; shift 2 ;;
    --out) out=$(realpath "$2"); shift 2 ;;
    *) break ;;
  esac
done

[ -e /dev/nvidia0 ] || [ -e /dev/nvidiactl ] || skip "no GPU on this host (no /dev/nvidia0)"

# A packed copy lies beside this script; a clone has its build.
if [ -x "$here/bin/rekindle-trainer" ]; then
  root="$here"
  export LD_LIBRARY_PATH="$root/lib/system${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
else
  root="${REKINDLE_BUILD:-$here/../build/release}"
fi
[ -x "$root/tests/trainer_gpu_device_test" ] && [ -x "$root/tests/oracle_test" ] ||
  skip "not built: ./dev build rekindle-trainer rekindle_gpu trainer_gpu_device_test oracle_test trainer_gpu_bench"

# Torch with its CUDA libraries: as told, else what the build uses, else what python3 has.
for candidate in "$site_packages" "$(realpath -m "$root/lib/site-packages")" "$(python_site_packages || true)"; do
  [ -n "$candidate" ] && [ -e "$candidate/torch/lib/libtorch_cuda.so" ] && [ -e "$candidate/nvidia/cudnn" ] || continue
  site_packages="$candidate"
  break
done
[ -e "$site_packages/nvidia/cudnn" ] ||
  skip "no torch with its CUDA libraries: ./dev setup gpu, or --site-packages DIR of an environment with torch==$torch_version"
found=$(sed -n "s/^__version__ = '\([0-9.]*\).*/\1/p" "$site_packages/torch/version.py")
[ "$found" = "$torch_version" ] || skip "torch $found in $site_packages: the programs are built with $torch_version"

# The tests run from a copy whose one link points there.
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir -p "$place"/{bin,tests/oracle,lib/site-packages,path}
cp "$root/bin/rekindle-trainer" "$place/bin"
cp "$root"/tests/{trainer_gpu_device_test,oracle_test,trainer_gpu_bench} "$place/tests"
cp "$root/lib/librekindle_gpu.so" "$place/lib"
ln -s "$site_packages/torch" "$site_packages/nvidia" "$place/lib/site-packages"
if [ -d "$root/lib/pyarrow" ]; then
  ln -s "$root/lib/pyarrow" "$place/lib/site-packages/pyarrow"
  cp "$root/tests/oracle/golden.json" "$place/tests/oracle"
else
  ln -s "$(realpath "$root/lib/site-packages/pyarrow")" "$place/lib/site-packages/pyarrow"
  cp "$here/../tests/oracle/golden.json" "$place/tests/oracle"
fi
# GPU ranks need of mpirun only that it starts them, numbers them and ends all when one fails.
cat >"$place/path/mpirun" <<'MPIRUN'
#!/usr/bin/env bash
while [ "$1" != -n ]; do shift; done
world="$2"
shift 2
for ((rank = 0; rank < world; ++rank)); do
  OMPI_COMM_WORLD_RANK=$rank OMPI_COMM_WORLD_SIZE=$world OMPI_COMM_WORLD_LOCAL_SIZE=$world "$@" &
done
code=0
for ((rank = 0; rank < world; ++rank)); do
  wait -n || { code=$?; jobs -p | xargs -r kill -KILL 2>/dev/null; break; }
done
wait
exit "$code"
MPIRUN
chmod +x "$place/path/mpirun"

say "torch $found from $site_packages"
status=0
cd "$place"
export REKINDLE_BIN="$place/bin" PATH="$place/path:$PATH" REKINDLE_ORACLE_GPU=1
if [ -n "$bench" ]; then
  scripts="$root/bench"
  [ -d "$scripts" ] || scripts="$here/bench"
  exec python3 "$scripts/gpu.py" "$place/tests/trainer_gpu_bench" "${@:-1}" >"$out"
fi
tests/trainer_gpu_device_test --gtest_output="json:device.json" "$@" >&2 || status=$?
tests/oracle_test --gtest_output="json:oracle.json" >&2 || status=$?
[ -s device.json ] && [ -s oracle.json ] || { say "the tests ended with $status before they said anything"; exit 1; }
gpu=$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -n 1 || true)
python3 - "$gpu" "$found" device.json oracle.json >"$out" <<'PYTHON'
import json, sys
known = {"name", "value_param", "type_param", "status", "result", "timestamp", "time", "classname", "failures", "skipped",
         "file", "line"}
tests = [{"test": f"{t['classname']}.{t['name']}", "failed": "failures" in t, "result": t["result"], "time": t["time"],
          **{k: v for k, v in t.items() if k not in known}}
         for path in sys.argv[3:] for suite in json.load(open(path))["testsuites"] for t in suite["testsuite"]]
print(json.dumps({"gpu": sys.argv[1], "torch": sys.argv[2], "failed": sum(t["failed"] for t in tests), "tests": tests},
                 indent=1))
PYTHON
exit "$status"
