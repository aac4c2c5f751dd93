// The spool: a bounded log on disk of event batches that the coordinator has not yet acknowledged.
//
// It owns the segment files of one folder ("00000000000000000001.seg", ...). A frame is a header with a
// checksum and a serialised EventBatch whose node, boot and seq are fixed before it is written: a frame
// that is sent again after a restart is the same batch. A torn tail or a damaged frame costs that frame
// alone. When the log is full the oldest request frames are dropped and counted; label frames never are.
// It knows nothing of what is inside a payload. All calls are safe from any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/files.h"
#include "base/result.h"

namespace rekindle::serving {

struct SpoolOptions {
  fs::path folder;
  uint64_t bytes_max = 512ull << 20;    // of all segments: hours of an outage at a thousand requests a second
  uint64_t segment_bytes = 4ull << 20;  // what one removal frees, and at most what a restart sends again
};

enum class FrameKind : uint8_t { kRequests = 1, kLabels = 2 };

struct Frame {
  uint64_t id = 0;  // ascending within this process, from 1
  FrameKind kind = FrameKind::kRequests;
  uint32_t records = 0;  // requests or labels inside
  std::string payload;
};

struct SpoolTotals {
  uint64_t frames = 0;            // waiting
  uint64_t records = 0;           // requests and labels inside them
  uint64_t bytes = 0;             // on disk
  uint64_t dropped_requests = 0;  // since this process started
  uint64_t damaged_frames = 0;    // found at the start
};

class Spool {
 public:
  // Reads what a former process left. Damaged frames are skipped, counted and logged.
  static Result<std::unique_ptr<Spool>> open(SpoolOptions options);

  // Written, not yet synced. Requests that do not fit are dropped and counted, which is no error but
  // gives id 0; labels that do not fit are resource_exhausted.
  Result<uint64_t> append(FrameKind kind, uint32_t records, const std::string& payload);
  // All appended frames are on the disk when this returns ok.
  Status sync();

  // The oldest frame; it stays until acknowledged, and is not dropped meanwhile.
  Result<std::optional<Frame>> front();
  void acknowledge(uint64_t id);
  // Takes a frame that the coordinator refuses for good out of the way, into "refused/", where a person can
  // look.
  Status set_aside(const Frame& frame);
  // For requests that were lost before they reached a frame.
  void count_dropped(uint64_t requests);

  uint64_t last_id() const;    // of the newest frame ever appended; 0: none
  uint64_t oldest_id() const;  // of the oldest frame waiting; last_id() + 1: none waits
  SpoolTotals totals() const;

 private:
  struct Segment {
    fs::path path;
    uint64_t bytes = 0;
    uint64_t frames = 0;    // waiting in it
    uint64_t requests = 0;  // request frames among them
  };
  struct Entry {
    uint64_t id;
    uint64_t segment;  // its number
    uint64_t offset;
    uint32_t size;  // of the payload
    uint32_t records;
    FrameKind kind;
  };

  explicit Spool(SpoolOptions options) : options_(std::move(options)) {}
  Status recover();
  void recover_segment(uint64_t number, const std::string& bytes);
  Status open_segment();
  void close_segment();
  bool make_room(uint64_t bytes);
  Status drop_requests_of(uint64_t number);
  void forget(const Entry& entry);
  void remove_if_spent(uint64_t number);

  const SpoolOptions options_;
  mutable std::mutex mutex_;
  std::map<uint64_t, Segment> segments_;
  std::deque<Entry> waiting_;
  Fd active_;  // of the newest segment; invalid: the next append opens one
  uint64_t active_number_ = 0;
  uint64_t last_id_ = 0;
  uint64_t in_flight_ = 0;  // id handed out by front()
  uint64_t bytes_ = 0;
  uint64_t records_ = 0;
  uint64_t dropped_requests_ = 0;
  uint64_t damaged_frames_ = 0;
  Status close_failure_;  // of a segment closed since the last sync()
};

}  // namespace rekindle::serving
