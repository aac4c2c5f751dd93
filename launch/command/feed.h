// What a script says of itself while it runs, turned into reports: JSON lines in $REKINDLE_METRICS, and
// folders renamed into $REKINDLE_CHECKPOINT.
//
// Whatever a script writes, this stays bounded: so much is read at a time, so many reports are made, and what
// is no metric is counted and noted once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/files.h"
#include "rekindle/v1/attempt.pb.h"

namespace rekindle::launch {

using Append = std::function<void(v1::Report)>;

// A line is an object: {"step": 120, "train_loss": 0.31, ...}. Its numbers become metrics at that step; step,
// steps, epoch, epochs, loss and rows_per_second are the progress that `rekindle watch` shows.
class MetricsFile {
 public:
  explicit MetricsFile(fs::path path) : path_(std::move(path)) {}

  // Reads what is new. `report`: only one rank's numbers are the run's. The number of good lines.
  size_t read_new(bool report, const Append& append);
  // After the last read: says how many lines were none.
  void finish(const Append& append) const;

  uint64_t step() const { return step_; }
  bool behind() const { return behind_; }  // the last read did not come to the end

 private:
  void take_line(std::string_view line, bool report, const Append& append);
  void take_fields(const std::map<std::string, double>& fields, const Append& append);

  fs::path path_;
  uint64_t offset_ = 0;
  std::string rest_;       // of a line whose end has not come
  bool skipping_ = false;  // within a line that is too long
  uint64_t lines_ = 0, bad_ = 0, metrics_ = 0, unreported_ = 0;
  uint64_t good_now_ = 0;
  uint64_t step_ = 0;
  std::set<std::string> names_;
  v1::Progress progress_;
  bool progressed_ = false;
  bool behind_ = false;
};

// Commits are seen, reported, and the oldest removed beyond `keep`. What is there at the start is no commit.
class CheckpointWatch {
 public:
  CheckpointWatch(fs::path folder, uint32_t keep);

  // New ones since the last look. A name's last number is its step; without one, `step` is.
  size_t look(uint64_t step, const Append& append);
  uint64_t committed() const { return committed_; }

 private:
  std::map<std::string, uint64_t> present() const;
  void remove_oldest();

  fs::path folder_;
  uint32_t keep_;
  std::map<std::string, uint64_t> known_;  // name and order of appearance
  uint64_t order_ = 0;
  uint64_t committed_ = 0;
};

}  // namespace rekindle::launch
