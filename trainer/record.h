// What a test asks to have written down (plan.fault "record"): nothing in service.
//
// Every rank appends to record-<rank>.jsonl in the attempt's folder, a line with its rows before each step
// and, on rank 0, a line with what the step came to. A line is one write, so that it outlives a SIGKILL:
// when a step counts for any rank, the lines of all ranks' rows are there.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/files.h"
#include "trainer/kinds/module.h"

namespace rekindle::trainer {

class Recorder {
 public:
  // Off, it does nothing at all.
  Recorder(bool on, const fs::path& folder, int rank);

  bool on() const { return fd_.valid(); }
  // Rows, by their position among the training rows, that this rank takes in this step.
  void rows(uint64_t epoch, uint64_t step, std::span<const int64_t> rows);
  // The mean loss over all ranks' rows before the update, and the rate of the update.
  void loss(uint64_t step, double loss, double rate);
  // Parameters and rows as the steps find them, in beginning.safetensors, by rank 0 alone: with it an
  // outside oracle can take the same steps.
  void beginning(const Module& module, const Examples& training) const;

 private:
  void append(const std::string& line);

  fs::path folder_;
  int rank_ = 0;
  Fd fd_;
};

}  // namespace rekindle::trainer
