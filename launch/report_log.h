// The report log of one rank: report-<rank>.log, frames appended by one writer and tailed by readers on the
// same or another host.
//
// Frame: 4 bytes little-endian length of the payload, 8 bytes little-endian xxHash64 of the payload (seed =
// length), payload (a v1::Report). A frame that is not whole yet is not there yet; a whole one whose hash is
// wrong is data_loss. Frames go down in one write each and are not fsynced: what a host's crash takes away is
// progress, never truth (that is outcome.pb and exit.pb).
#pragma once

#include <cstdint>
#include <vector>

#include "launch/attempt_folder.h"

namespace rekindle::launch {

inline constexpr uint32_t kReportBytesMax = 1u << 20;

// Used by one thread at a time; append() may be called from several when they share a lock.
class ReportWriter {
 public:
  // Appends to what is there; cuts a torn tail first.
  static Result<ReportWriter> open(const AttemptFolder& folder, int rank);

  Status append(const v1::Report& report);

 private:
  ReportWriter(Fd fd, fs::path path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Fd fd_;
  fs::path path_;
};

class ReportReader {
 public:
  ReportReader(const AttemptFolder& folder, int rank, uint64_t offset = 0)
      : path_(folder.report(rank)), offset_(offset) {}

  // The whole frames after the offset, at most `max`; moves the offset past them. Empty when there is
  // nothing new or no file yet.
  Result<std::vector<v1::Report>> read_new(size_t max = 10'000);
  uint64_t offset() const { return offset_; }

 private:
  fs::path path_;
  uint64_t offset_;
};

}  // namespace rekindle::launch
