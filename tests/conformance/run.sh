#!/bin/sh
# Builds connectconformance (once, into the build folder) and our server under test, and runs the suite.
# Exit 77: skipped, because Go is not there.
set -eu
build=$(cd "$1" && pwd)
source=$(cd "$(dirname "$0")/../.." && pwd)
version=v1.0.7
if ! command -v go >/dev/null && [ -x /usr/local/go/bin/go ]; then PATH=$PATH:/usr/local/go/bin; fi
if ! command -v go >/dev/null; then
  echo "SKIPPED: connectconformance needs Go 1.26 or newer (go in PATH)"
  exit 77
fi
export GOPATH="${REKINDLE_GOPATH:-$build/go}" GOFLAGS=-modcacherw
runner="$GOPATH/bin/connectconformance"
[ -x "$runner" ] || go install "connectrpc.com/conformance/cmd/connectconformance@$version"
protos="$GOPATH/pkg/mod/connectrpc.com/conformance@$version/proto"
cmake -S "$source" -B "$build" -DREKINDLE_CONFORMANCE_PROTOS="$protos" >/dev/null
cmake --build "$build" --target rekindle-conformance-server
"$runner" --mode server --conf "$source/tests/conformance/config.yaml" \
  -- "$build/tests/rekindle-conformance-server"
