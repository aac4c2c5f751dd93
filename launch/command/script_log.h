// The log of a script: its output through a pipe into log-<rank>.txt, cut off where it grows beyond all
// measure. A reader that stops reading would stop the script, so all is read; what comes after the limit is
// dropped but for its end, where errors stand.
#pragma once

#include <string>

#include "base/files.h"
#include "base/result.h"

namespace rekindle::launch {

class ScriptLog {
 public:
  static constexpr uint64_t kBytesMax = 64'000'000;
  static constexpr size_t kEndBytes = 16 * 1024;

  static Result<ScriptLog> open(const fs::path& path, uint64_t bytes_max = kBytesMax);

  int write_end() const { return write_end_.get(); }
  int read_end() const { return read_end_.get(); }
  // Once the script has it: the end of its output is then seen.
  void close_write_end() { write_end_.reset(); }

  // Takes what is there, at most about 1 MB. Bytes; 0 when nothing is there now, negative at the end.
  int64_t take();
  // A line of ours.
  void say(std::string_view line);
  // Adds the end of what was dropped.
  void finish();

 private:
  ScriptLog(Fd log, Fd read_end, Fd write_end, uint64_t bytes_max)
      : log_(std::move(log)),
        read_end_(std::move(read_end)),
        write_end_(std::move(write_end)),
        bytes_max_(bytes_max) {}
  void keep(std::string_view bytes);

  Fd log_, read_end_, write_end_;
  uint64_t bytes_max_;
  uint64_t written_ = 0, dropped_ = 0;
  std::string end_;
};

}  // namespace rekindle::launch
