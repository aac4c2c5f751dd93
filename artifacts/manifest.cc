#include "artifacts/manifest.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/faults/crash_point.h"
#include "base/hash.h"
#include "proto/json.h"

namespace rekindle::artifacts {
namespace {

constexpr int kFormat = 1;
constexpr uint64_t kManifestBytesMax = 1 << 20;
constexpr size_t kFileNameMax = 128;
constexpr size_t kPathMax = 512;

Status check_form(const v1::Manifest& manifest) {
  if (manifest.format() != kFormat)
    return failed_precondition(
        fmt::format("the manifest has format {}; this build reads format {}: use the build "
                    "that wrote it, or a newer one",
                    manifest.format(), kFormat));
  std::set<std::string_view> names;
  for (const v1::ManifestFile& file : manifest.files()) {
    if (!valid_file_name(file.name()))
      return data_loss(
          fmt::format("the manifest names a file '{}', which is not a plain file name", file.name()));
    if (!names.insert(file.name()).second)
      return data_loss(fmt::format("the manifest names the file {} twice", file.name()));
    if (!is_sha256_hex(file.sha256()))
      return data_loss(
          fmt::format("the manifest gives {} a hash that is none: '{}'", file.name(), file.sha256()));
  }
  for (const std::string_view name : names)
    for (size_t slash = name.find('/'); slash != name.npos; slash = name.find('/', slash + 1))
      if (names.contains(name.substr(0, slash)))
        return data_loss(fmt::format("the manifest names a file '{}', which is also a folder of its {}",
                                     name.substr(0, slash), name));
  return ok_status();
}

Status check_file(const Store& store, const v1::ManifestFile& file, Verify verify) {
  const Result<uint64_t> size = store.size(file.sha256());
  if (!size.ok()) return size.status().within(file.name());
  if (*size != file.bytes())
    return data_loss(fmt::format("{}: blob {} has {} bytes, the manifest says {}", file.name(), file.sha256(),
                                 *size, file.bytes()));
  if (verify == Verify::kHash) {
    const Result<fs::path> path = store.path(file.sha256(), Verify::kHash);
    if (!path.ok()) return path.status().within(file.name());
  }
  return ok_status();
}

}  // namespace

bool valid_file_name(std::string_view name) {
  if (const size_t slash = name.find('/'); slash != std::string_view::npos) {
    return name.size() <= kPathMax && valid_file_name(name.substr(0, slash)) &&
           valid_file_name(name.substr(slash + 1));
  }
  if (name.empty() || name.size() > kFileNameMax || name.front() == '.') return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

Result<std::string> manifest_json(const v1::Manifest& manifest) {
  return to_json(manifest, JsonForm::kFile);
}

Result<v1::Manifest> parse_manifest(std::string_view json) {
  v1::Manifest manifest;
  // A later release with the same format number may say more.
  if (const Status parsed = from_json(json, &manifest, UnknownFields::kIgnored); !parsed.ok())
    return data_loss(fmt::format("this is not a manifest: {}", parsed.message()));
  TRY_STATUS(check_form(manifest));
  return manifest;
}

ManifestWriter::ManifestWriter(Store& store, std::string model) : store_(store) {
  manifest_.set_format(kFormat);
  manifest_.set_model(std::move(model));
}

Status ManifestWriter::add(std::string_view name, std::string_view bytes) {
  if (!valid_file_name(name)) return invalid_argument(fmt::format("'{}' is not a plain file name", name));
  const Result<std::string> sha = store_.put(bytes);
  if (!sha.ok()) return sha.status().within(name);
  return add_blob(name, *sha);
}

Status ManifestWriter::add_blob(std::string_view name, std::string_view sha256) {
  if (!valid_file_name(name)) return invalid_argument(fmt::format("'{}' is not a plain file name", name));
  if (find_file(manifest_, name).ok())
    return already_exists(fmt::format("the version already has a file {}", name));
  const Result<uint64_t> size = store_.size(sha256);
  if (!size.ok()) return size.status().within(name);
  v1::ManifestFile* file = manifest_.add_files();
  file->set_name(std::string(name));
  file->set_sha256(std::string(sha256));
  file->set_bytes(*size);
  return ok_status();
}

Result<std::string> ManifestWriter::finish() {
  std::sort(manifest_.mutable_files()->begin(), manifest_.mutable_files()->end(),
            [](const v1::ManifestFile& a, const v1::ManifestFile& b) { return a.name() < b.name(); });
  const std::string json = TRY(manifest_json(manifest_));
  crash_point("manifest-storing");
  return store_.put(json);
}

Result<v1::Manifest> load_manifest(const Store& store, std::string_view sha256, Verify verify) {
  const std::string context = fmt::format("version content {}", sha256.substr(0, 64));
  const Result<std::string> json = store.get(sha256, kManifestBytesMax);
  if (!json.ok()) return json.status().within(context);
  Result<v1::Manifest> manifest = parse_manifest(*json);
  if (!manifest.ok()) return manifest.status().within(context);
  for (const v1::ManifestFile& file : manifest->files()) {
    const Status status = check_file(store, file, verify);
    if (!status.ok()) return status.within(context);
  }
  return manifest;
}

Result<v1::ManifestFile> find_file(const v1::Manifest& manifest, std::string_view name) {
  std::string names;
  for (const v1::ManifestFile& file : manifest.files()) {
    if (file.name() == name) return file;
    names += (names.empty() ? "" : ", ") + file.name();
  }
  return not_found(
      fmt::format("the version has no file {}; it has {}", name, names.empty() ? "none" : names));
}

Result<std::string> read_file(const Store& store, const v1::Manifest& manifest, std::string_view name) {
  const v1::ManifestFile file = TRY(find_file(manifest, name));
  Result<std::string> bytes = store.get(file.sha256());
  if (!bytes.ok()) return bytes.status().within(name);
  return bytes;
}

Result<fs::path> file_path(const Store& store, const v1::Manifest& manifest, std::string_view name) {
  const v1::ManifestFile file = TRY(find_file(manifest, name));
  Result<fs::path> path = store.path(file.sha256(), Verify::kHash);
  if (!path.ok()) return path.status().within(name);
  return path;
}

}  // namespace rekindle::artifacts
