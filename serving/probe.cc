#include "serving/probe.h"

#include <chrono>
#include <vector>

#include "artifacts/manifest.h"
#include "base/stats.h"

namespace rekindle::serving {
namespace {

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

Status answer_rows(const LoadedVersion& version, v1::ServingProbe& out) {
  std::vector<double> took;
  const dataio::Table row = ordinary_rows(version.card(), 1);
  for (uint32_t i = 0; i < kProbeAnswers; ++i) {
    const auto start = Clock::now();
    TRY_STATUS(predict_checked(version, row, false).status());
    took.push_back(ms_since(start));
  }
  out.set_answers(kProbeAnswers);
  out.set_latency_p50_ms(quantile(took, 0.5));
  out.set_latency_p99_ms(quantile(took, 0.99));
  return ok_status();
}

Status fill(const Loader& loader, const artifacts::Store& store, const std::string& model,
            const std::string& manifest, v1::ServingProbe& out) {
  const v1::Manifest files = TRY(artifacts::load_manifest(store, manifest, artifacts::Verify::kSize));
  for (const v1::ManifestFile& file : files.files()) out.set_bytes(out.bytes() + file.bytes());
  v1::PlannedVersion planned;
  planned.set_manifest(manifest);
  const auto start = Clock::now();
  const VersionPtr version = TRY(loader.load(model, planned));
  out.set_load_ms(ms_since(start));
  return answer_rows(*version, out);
}

}  // namespace

v1::ServingProbe probe(const Loader& loader, const artifacts::Store& store, const std::string& model,
                       const std::string& manifest) {
  v1::ServingProbe out;
  const Status filled = fill(loader, store, model, manifest, out);
  out.set_loaded(filled.ok());
  out.set_failure(std::string(filled.message()));
  return out;
}

}  // namespace rekindle::serving
