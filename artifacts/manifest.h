// A version's manifest: its files by name, size and SHA-256. The manifest is itself a blob, written
// last; its hash names the version's content.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "artifacts/store.h"
#include "base/result.h"
#include "rekindle/v1/model.pb.h"

namespace rekindle::artifacts {

// Collects a version's files; finish() stores the manifest. Files added are durable at once, but
// nothing refers to them before finish().
class ManifestWriter {
 public:
  ManifestWriter(Store& store, std::string model);
  Status add(std::string_view name, std::string_view bytes);
  Status add_blob(std::string_view name, std::string_view sha256);  // already in the store
  Result<std::string> finish();                                     // SHA-256 of the manifest

 private:
  Store& store_;
  v1::Manifest manifest_;
};

// The manifest, after checking its form and every file's size, and with kHash every byte.
// data_loss or not_found name the file by its name in the manifest.
Result<v1::Manifest> load_manifest(const Store& store, std::string_view sha256,
                                   Verify verify = Verify::kHash);

// Entry of `name`, or not_found naming what the manifest does hold.
Result<v1::ManifestFile> find_file(const v1::Manifest& manifest, std::string_view name);
// Verified bytes of one file of the version.
Result<std::string> read_file(const Store& store, const v1::Manifest& manifest, std::string_view name);
// Local path of one file of the version, verified.
Result<fs::path> file_path(const Store& store, const v1::Manifest& manifest, std::string_view name);

// JSON of the manifest, the same bytes for equal manifests.
Result<std::string> manifest_json(const v1::Manifest& manifest);
Result<v1::Manifest> parse_manifest(std::string_view json);
// A plain file name: letters, digits, '.', '_' and '-', no leading dot, at most 128 characters; or several of
// them joined by '/', at most 512 in all.
bool valid_file_name(std::string_view name);

}  // namespace rekindle::artifacts
