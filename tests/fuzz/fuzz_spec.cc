// Specs as text and as JSON: whatever is accepted resolves, and resolves to the same again; whatever is
// refused is refused with words that are one line of text each. `./dev fuzz spec`.
#include <google/protobuf/util/json_util.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "jobs/pools/pools.h"
#include "jobs/spec.h"

namespace {

using namespace rekindle;  // NOLINT: a fuzz target

void must(bool condition) {
  if (!condition) std::abort();
}

void must_be_refusal(const Status& status) {
  must(status.code() == Code::kInvalidArgument && !status.message().empty());
}

void judge(const v1::JobSpec& spec) {
  const auto resolved = jobs::resolve(spec);
  if (!resolved.ok()) return must_be_refusal(resolved.status());
  const Status checked = jobs::check(resolved->spec);
  if (!checked.ok()) return must_be_refusal(checked);
  const auto again = jobs::resolve(resolved->spec);
  must(again.ok() && jobs::spec_sha256(again->spec) == jobs::spec_sha256(resolved->spec));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (text.starts_with('{')) {
    v1::JobSpec spec;
    if (google::protobuf::util::JsonStringToMessage(text, &spec).ok()) judge(spec);
  }
  const auto job = jobs::parse_job(text, "s.yaml");
  if (job.ok())
    must(jobs::resolve(*job).ok() && jobs::check(*job).ok());
  else
    must_be_refusal(job.status());
  if (text.find("pools") != std::string::npos) {
    const auto pools = jobs::parse_pools(text, "pools.yaml");
    if (!pools.ok()) must_be_refusal(pools.status());
  }
  if (text.find("dataset") != std::string::npos) {
    const auto import = jobs::parse_import(text, "import.yaml");
    if (!import.ok()) must_be_refusal(import.status());
  }
  return 0;
}
