#include "trainer/fit/checkpoint.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <set>

#include "artifacts/manifest.h"
#include "base/faults/crash_point.h"
#include "base/files/shared.h"
#include "base/hash.h"
#include "models/safetensors.h"

namespace rekindle::trainer {
namespace {

constexpr uint64_t kFileBytesMax = 16ull << 30;
constexpr const char* kManifest = "manifest.json";
constexpr const char* kState = "state.pb";
constexpr const char* kTensors = "tensors.safetensors";

std::string tensors_of(const Layout& layout, const Checkpoint& checkpoint) {
  std::vector<models::NamedTensor> tensors;
  for (const auto& [group, flat] : checkpoint.groups) layout.add_tensors(group + "/", flat, tensors);
  return models::write_safetensors(std::move(tensors));
}

std::string state_of(const Checkpoint& checkpoint) {
  return checkpoint.state.SerializeAsString();
}

// The folder's own fsync and rename make it seen; until then no name needs to last. What is there already was
// made by a call of ours whose answer a file server lost: the folder is new.
Status write_synced(const fs::path& path, std::string_view bytes) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) return errno_status("creating", path);
  TRY_STATUS(write_all(fd.get(), bytes, path));
  if (::fsync(fd.get()) != 0) return errno_status("syncing", path);
  return {};
}

// The end of an epoch says more about a step than the step itself did: then one takes the other's place, at
// once where the filesystem can. The old one may stay behind, as `temp` or as `old`.
Status put_in_place(const fs::path& temp, const fs::path& final, const fs::path& old) {
  std::error_code error;
  if (fs::exists(final, error)) {
    if (::renameat2(AT_FDCWD, temp.c_str(), AT_FDCWD, final.c_str(), RENAME_EXCHANGE) == 0) return {};
    remove_tree(old, error);
    TRY_STATUS(rename_path(final, old));
  }
  return rename_path(temp, final);
}

Result<Checkpoint> load(const Layout& layout, const fs::path& folder) {
  auto manifest = TRY(artifacts::parse_manifest(TRY(read_file(folder / kManifest))));
  auto file = [&](const char* name) -> Result<std::string> {
    auto entry = TRY(artifacts::find_file(manifest, name));
    auto bytes = TRY(read_file(folder / name, kFileBytesMax));
    if (bytes.size() != entry.bytes() || sha256_hex(bytes) != entry.sha256()) {
      return data_loss(std::string(name) + " differs from the manifest");
    }
    return bytes;
  };
  auto state = TRY(file(kState));
  auto tensors = TRY(file(kTensors));
  return unpack(layout, state, tensors);
}

}  // namespace

std::string pack(const Layout& layout, const Checkpoint& checkpoint) {
  std::string state = state_of(checkpoint);
  const uint64_t size = state.size();
  std::string out(reinterpret_cast<const char*>(&size), sizeof(size));
  return out + state + tensors_of(layout, checkpoint);
}

Result<Checkpoint> unpack(const Layout& layout, std::string_view packed) {
  uint64_t size = 0;
  if (packed.size() < sizeof(size)) return data_loss("a checkpoint cut short");
  std::memcpy(&size, packed.data(), sizeof(size));
  packed.remove_prefix(sizeof(size));
  if (size > packed.size()) return data_loss("a checkpoint cut short");
  return unpack(layout, packed.substr(0, size), packed.substr(size));
}

Result<Checkpoint> unpack(const Layout& layout, std::string_view state, std::string_view tensors) {
  Checkpoint out;
  if (!out.state.ParseFromArray(state.data(), static_cast<int>(state.size()))) {
    return data_loss("state.pb cannot be parsed");
  }
  auto file = TRY(models::parse_safetensors(tensors));
  std::set<std::string> groups;
  for (const auto& [name, tensor] : file.tensors) groups.insert(name.substr(0, name.find('/')));
  for (const auto& group : groups) {
    FlatBuffer& flat = out.groups[group] = layout.zeros();
    for (const auto& p : layout.placed()) {
      auto values = TRY(file.floats(group + "/" + p.parameter.name, p.parameter.shape));
      std::copy(values.begin(), values.end(), flat.begin() + static_cast<ptrdiff_t>(p.begin));
    }
  }
  return out;
}

bool at_best_epoch(const v1::CheckpointState& state) {
  return state.epoch() > 0 && state.batch() == 0 && state.best_epoch() == state.epoch();
}

Result<fs::path> CheckpointFolder::commit(const Layout& layout, const Checkpoint& checkpoint, uint32_t keep,
                                          bool best) const {
  TRY_STATUS(make_folders_durably(root_));
  const fs::path final = folder(checkpoint.state.step());
  std::error_code error;
  if (fs::exists(final, error)) {
    auto there = load(layout, final);
    if (there.ok() && state_of(*there) == state_of(checkpoint)) return final;
  }
  const fs::path temp = final.string() + ".tmp", old = final.string() + ".replaced.tmp";
  remove_tree(temp, error);
  fs::create_directory(temp, error);
  if (error) return unavailable("making " + temp.string() + ": " + error.message());
  Status written = write(layout, checkpoint, temp);
  if (!written.ok()) {
    remove_tree(temp, error);  // what was written takes room that may be the problem
    return written;
  }
  crash_point("checkpoint-written");
  TRY_STATUS(put_in_place(temp, final, old));
  crash_point("checkpoint-renamed");
  TRY_STATUS(fsync_path(root_));
  crash_point("checkpoint-synced");
  for (const fs::path& spent : {temp, old}) remove_tree(spent, error);
  remove_old(checkpoint.state, keep, best);
  return final;
}

Status CheckpointFolder::write(const Layout& layout, const Checkpoint& checkpoint,
                               const fs::path& temp) const {
  v1::Manifest manifest;
  manifest.set_format(1);
  manifest.set_model("checkpoint");
  for (const auto& [name, bytes] :
       {std::pair{kState, state_of(checkpoint)}, {kTensors, tensors_of(layout, checkpoint)}}) {
    TRY_STATUS(write_synced(temp / name, bytes));
    auto* entry = manifest.add_files();
    entry->set_name(name);
    entry->set_sha256(sha256_hex(bytes));
    entry->set_bytes(bytes.size());
  }
  TRY_STATUS(write_synced(temp / kManifest, TRY(artifacts::manifest_json(manifest))));
  return fsync_path(temp);
}

void CheckpointFolder::remove_old(const v1::CheckpointState& newest, uint32_t keep, bool best) const {
  auto is_best = [&](const fs::path& path) {
    v1::CheckpointState state;
    auto bytes = read_file(path / kState);
    return bytes.ok() && state.ParseFromString(*bytes) && at_best_epoch(state) &&
           state.best_epoch() == newest.best_epoch();
  };
  auto steps = committed();
  std::error_code error;
  for (size_t i = std::max<size_t>(keep, 1); i < steps.size(); ++i) {
    const fs::path old = folder(steps[i]);
    if (best && is_best(old)) continue;
    // A removal that is cut short must not leave something that looks committed.
    const fs::path doomed = old.string() + ".tmp";
    if (rename_path(old, doomed).ok()) remove_tree(doomed, error);
  }
}

std::vector<uint64_t> CheckpointFolder::committed() const {
  std::vector<uint64_t> out;
  std::error_code error;
  for (fs::directory_iterator it(root_, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename();
    if (!name.starts_with("step-")) continue;
    uint64_t step = 0;
    auto [rest, problem] = std::from_chars(name.data() + 5, name.data() + name.size(), step);
    if (problem == std::errc() && rest == name.data() + name.size()) out.push_back(step);
  }
  std::sort(out.rbegin(), out.rend());
  return out;
}

std::optional<Checkpoint> CheckpointFolder::newest(const Layout& layout, const std::string& identity,
                                                   std::vector<std::string>& passed_over) const {
  for (uint64_t step : committed()) {
    auto checkpoint = load(layout, folder(step));
    if (!checkpoint.ok()) {
      passed_over.push_back("checkpoint step-" + std::to_string(step) +
                            " is passed over: " + checkpoint.status().message());
      continue;
    }
    if (checkpoint->state.step() != step) {
      passed_over.push_back("checkpoint step-" + std::to_string(step) + " is passed over: it is of step " +
                            std::to_string(checkpoint->state.step()));
      continue;
    }
    if (checkpoint->state.identity() != identity) {
      passed_over.push_back("checkpoint step-" + std::to_string(step) +
                            " is passed over: it belongs to another fit");
      continue;
    }
    return std::move(checkpoint).value();
  }
  return std::nullopt;
}

void CheckpointFolder::remove_leftovers() const {
  std::error_code error;
  std::vector<fs::path> doomed;
  for (fs::directory_iterator it(root_, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".tmp") doomed.push_back(it->path());
  }
  for (const auto& path : doomed) remove_tree(path, error);
}

}  // namespace rekindle::trainer
