// Blobs of the artifact store that a state needs: versions with their files, dataset snapshots, packed code.
#pragma once

#include <string>
#include <vector>

#include "artifacts/store.h"
#include "core/state.h"

namespace rekindle::coordinator {

struct NamedBlob {
  std::string sha256;
  std::string what;       // "version 3 of late", for people
  uint64_t bytes = 0;     // 0: not known
  bool manifest = false;  // names others
};

// Each once.
std::vector<NamedBlob> blobs_of(const core::State& state);

struct FoundBlobs {
  std::vector<NamedBlob> there;    // with the files that manifests name
  std::vector<NamedBlob> missing;  // or cut
};
// Looks at sizes; only manifests are read.
Result<FoundBlobs> look_for(const std::vector<NamedBlob>& wanted, const artifacts::Store& store);

}  // namespace rekindle::coordinator
