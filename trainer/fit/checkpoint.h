// Checkpoints of a run: written by rank 0, whole or not at all.
//
// A folder step-N is committed by its rename from step-N.tmp, after its files and itself were fsynced, and
// is chosen only when its manifest and every file's size and SHA-256 hold and it belongs to the same fit.
// What is torn or damaged is passed over for the next older one.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "rekindle/v1/checkpoint.pb.h"
#include "trainer/kinds/layout.h"

namespace rekindle::trainer {

struct Checkpoint {
  v1::CheckpointState state;
  // "parameters", "best" (of the best epoch), the optimizer's moments, "average": each as the layout says.
  std::map<std::string, FlatBuffer> groups;
};

// Whether it was made at the end of the epoch with the least validation loss so far.
bool at_best_epoch(const v1::CheckpointState& state);

class CheckpointFolder {
 public:
  explicit CheckpointFolder(fs::path root) : root_(std::move(root)) {}

  // Commits the checkpoint of its step, then removes all but the newest `keep` and, with `best`, the best
  // epoch's. Returns its folder. A step that is already committed and whole stays as it is. A failure
  // leaves what was there.
  Result<fs::path> commit(const Layout& layout, const Checkpoint& checkpoint, uint32_t keep,
                          bool best = false) const;

  // The newest whole checkpoint of this identity. `passed_over` gets a sentence for each that was not
  // chosen. No checkpoint at all is not an error.
  std::optional<Checkpoint> newest(const Layout& layout, const std::string& identity,
                                   std::vector<std::string>& passed_over) const;

  // Leftovers of a writer that died; only for the one rank that writes.
  void remove_leftovers() const;

 private:
  std::vector<uint64_t> committed() const;  // steps, newest first
  Status write(const Layout& layout, const Checkpoint& checkpoint, const fs::path& temp) const;
  void remove_old(const v1::CheckpointState& newest, uint32_t keep, bool best) const;
  fs::path folder(uint64_t step) const { return root_ / ("step-" + std::to_string(step)); }

  fs::path root_;
};

// For handing a checkpoint to the other ranks.
std::string pack(const Layout& layout, const Checkpoint& checkpoint);
Result<Checkpoint> unpack(const Layout& layout, std::string_view state, std::string_view tensors);
Result<Checkpoint> unpack(const Layout& layout, std::string_view packed);

}  // namespace rekindle::trainer
