// Writes checkpoints in a thread of its own, at most one at a time.
//
// The thread first copies the tensors into memory of its own while the caller goes on with forward and
// backward, which change none of them; only before the next update does the caller wait for that copy. So
// training stands still for what is left of one memory copy, if anything.
//
// A checkpoint that cannot be written is noted and forgotten: the one before stays, training goes on.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "trainer/fit/checkpoint.h"
#include "trainer/kinds/flat_parameters.h"
#include "trainer/reporter.h"

namespace rekindle::trainer {

// What goes into a checkpoint: tensors of the layout's size, by the name of their group.
using Groups = std::vector<std::pair<std::string, at::Tensor>>;

class CheckpointWriter {
 public:
  // `reporter` may be absent; all else outlives the writer.
  CheckpointWriter(const CheckpointFolder& folder, const Layout& layout, const v1::Checkpoints& spec,
                   Reporter* reporter);
  ~CheckpointWriter();  // waits for the one that is being written

  bool idle();
  // Begins one; waits for the one before. The tensors must stay as they are until taken() returns.
  void begin(v1::CheckpointState state, const Groups& groups);
  // Waits until the tensors may change; returns the seconds that it waited.
  double taken();
  // Waits until nothing is being written; how the last one ended.
  Status finish();
  double longest_seconds();  // that one took so far

 private:
  enum class Stage { kIdle, kAsked, kTaken };
  void serve();
  void commit();

  const CheckpointFolder& folder_;
  const Layout& layout_;
  const v1::Checkpoints spec_;
  Reporter* reporter_;

  std::mutex mutex_;
  std::condition_variable changed_;
  Stage stage_ = Stage::kIdle;
  bool stopping_ = false;
  Status last_;
  double stall_ = 0;  // seconds that the caller waited for the one under way
  double longest_ = 0;
  Groups groups_;
  Checkpoint checkpoint_;  // the thread's own from kAsked on; its memory is kept
  std::thread thread_;     // last
};

}  // namespace rekindle::trainer
