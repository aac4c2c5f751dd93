#include "trainer/command/version.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "artifacts/manifest.h"
#include "base/hash.h"
#include "base/units.h"
#include "dataio/parquet.h"
#include "runtime/code.h"

namespace rekindle::trainer {
namespace {

Status write_window(const Window& window, const fs::path& folder) {
  TRY_STATUS(make_folders_durably(folder, 0750));
  return write_file_durably(folder / "part-0.parquet", TRY(dataio::write_parquet(window.rows)), 0640);
}

Status refused(const std::string& name, std::string_view why) {
  return invalid_argument(fmt::format("$REKINDLE_OUT cannot be a version: '{}' {}", name, why));
}

// Regular files below `out`, relative to it, in order.
Result<std::vector<std::string>> names_of(const fs::path& out, OutLimits limits) {
  std::error_code error;
  if (!fs::is_directory(out, error))
    return invalid_argument(
        "$REKINDLE_OUT is gone: write the version's files into that folder, and leave it there");
  std::vector<std::string> names;
  uint64_t bytes = 0;
  fs::recursive_directory_iterator it(out, error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    const std::string name = it->path().lexically_relative(out).string();
    struct stat info {};
    if (::lstat(it->path().c_str(), &info) != 0) return errno_status("reading", it->path());
    if (S_ISDIR(info.st_mode)) continue;
    if (S_ISLNK(info.st_mode)) return refused(name, "is a link; put the file itself there");
    if (!S_ISREG(info.st_mode)) return refused(name, "is neither a file nor a folder");
    if (!artifacts::valid_file_name(std::string(runtime::kOutPrefix) + name))
      return refused(name,
                     "has a name that cannot travel: letters, digits, '.', '_' and '-', no dot in front");
    bytes += static_cast<uint64_t>(info.st_size);
    names.push_back(name);
    if (names.size() > limits.files || bytes > limits.bytes)
      return invalid_argument(
          fmt::format("$REKINDLE_OUT cannot be a version: it holds more than {} files or {}", limits.files,
                      format_bytes(limits.bytes)));
  }
  if (error) return unavailable(fmt::format("reading {}: {}", out.string(), error.message()));
  if (names.empty())
    return invalid_argument(
        "the script left with 0 but wrote nothing into $REKINDLE_OUT: what it writes there is the version");
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Status write_script_rows(const RunRows& rows, const launch::WorkFolder& work) {
  TRY_STATUS(write_window(rows.train, work.train()));
  return write_window(rows.valid, work.valid());
}

Result<std::vector<v1::ManifestFile>> store_out(artifacts::Store& store, const fs::path& out,
                                                OutLimits limits) {
  std::vector<v1::ManifestFile> files;
  for (const std::string& name : TRY(names_of(out, limits))) {
    v1::ManifestFile& file = files.emplace_back();
    file.set_name(std::string(runtime::kOutPrefix) + name);
    file.set_sha256(TRY(store.put_file(out / name)));
    file.set_bytes(TRY(store.size(file.sha256())));
  }
  return files;
}

Result<VersionFiles> version_of_script(const v1::Plan& plan, std::vector<v1::ManifestFile> out,
                                       const std::string& environment) {
  const v1::JobSpec& spec = plan.spec();
  const std::string package = std::string(runtime::kOutPrefix) + spec.predict().package();
  const auto is_package = [&package](const v1::ManifestFile& file) { return file.name() == package; };
  if (!spec.predict().package().empty() && std::none_of(out.begin(), out.end(), is_package))
    return invalid_argument(
        fmt::format("predict.package names {}, which the script did not write into $REKINDLE_OUT",
                    spec.predict().package()));
  VersionFiles files;
  files.card = model_card(spec, {});
  *files.card.mutable_predict() = spec.predict();
  if (spec.train().has_env()) *files.card.mutable_env() = spec.train().env();
  if (spec.has_code()) *files.card.mutable_code() = spec.code();
  // One hash for all that the script made.
  Sha256 hash;
  for (const v1::ManifestFile& file : out) hash.update(fmt::format("{} {}\n", file.sha256(), file.name()));
  files.lineage = make_lineage(plan, "the script's own", "the script's own", hash.finish_hex());
  if (spec.has_code()) *files.lineage.mutable_code() = spec.code();
  files.lineage.set_environment(environment);
  files.out = std::move(out);
  return files;
}

}  // namespace rekindle::trainer
