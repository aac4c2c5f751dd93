#include "coordinator/backup/blobs.h"

#include <fmt/format.h>

#include <set>

#include "artifacts/manifest.h"

namespace rekindle::coordinator {
namespace {

constexpr uint64_t kManifestBytesMax = 1 << 20;

class Looking {
 public:
  explicit Looking(const artifacts::Store& store) : store_(store) {}

  Status look_for(const NamedBlob& blob) {
    if (!seen_.insert(blob.sha256).second) return ok_status();
    const Result<uint64_t> size = store_.size(blob.sha256);
    if (!size.ok() && size.status().code() != Code::kNotFound) return size.status();
    const bool whole = size.ok() && (blob.bytes == 0 || *size == blob.bytes);
    if (!whole) {
      found.missing.push_back(blob);
      return ok_status();
    }
    v1::Manifest manifest;
    if (blob.manifest) {
      const Result<std::string> json = store_.get(blob.sha256, kManifestBytesMax);
      Result<v1::Manifest> parsed = json.ok() ? artifacts::parse_manifest(*json) : json.status();
      if (!parsed.ok()) {
        found.missing.push_back(blob);
        return ok_status();
      }
      manifest = std::move(*parsed);
    }
    found.there.push_back(blob);
    found.there.back().bytes = *size;
    for (const v1::ManifestFile& file : manifest.files())
      TRY_STATUS(look_for({file.sha256(), fmt::format("{}, {}", blob.what, file.name()), file.bytes()}));
    return ok_status();
  }

  FoundBlobs found;

 private:
  const artifacts::Store& store_;
  std::set<std::string> seen_;
};

}  // namespace

std::vector<NamedBlob> blobs_of(const core::State& state) {
  std::vector<NamedBlob> out;
  std::set<std::string> seen;
  const auto add = [&](NamedBlob blob) {
    if (!blob.sha256.empty() && seen.insert(blob.sha256).second) out.push_back(std::move(blob));
  };
  for (const auto& [name, model] : state.models)
    for (const v1::Version& version : model.versions())
      add({version.manifest(), fmt::format("version {} of {}", version.number(), name.value), 0, true});
  for (const RunId& id : core::active_runs(state)) {
    const std::string& manifest = state.runs.at(id).outcome().manifest();
    add({manifest, fmt::format("candidate of run {}", id.value), 0, true});
  }
  for (const auto& [dataset, snapshots] : state.datasets)
    for (const auto& [name, snapshot] : snapshots)
      for (const v1::SnapshotPart& part : snapshot.parts())
        add({part.sha256(), fmt::format("rows of {}@{}", dataset, name), part.bytes()});
  for (const auto& [sha256, number] : state.specs.numbers()) {
    const v1::JobSpec& spec = state.specs.spec(number);
    add({spec.code().sha256(), fmt::format("code of {}", spec.name()), 0});
  }
  return out;
}

Result<FoundBlobs> look_for(const std::vector<NamedBlob>& wanted, const artifacts::Store& store) {
  Looking looking(store);
  for (const NamedBlob& blob : wanted) TRY_STATUS(looking.look_for(blob));
  return std::move(looking.found);
}

}  // namespace rekindle::coordinator
