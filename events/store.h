// The event store: what was asked of the models, what they answered, what turned out to be true.
//
// Owns events.db (SQLite, WAL, one connection): one row per request, labels, counts per (model, version,
// slot, node), the state of the detectors with the slot that they have reached, and which days were
// settled. Everything is synchronous and made for one thread: the caller brings it. Every call that
// succeeded is durable; one that failed has changed nothing.
//
// Invariants: a batch is applied once by (node, boot, seq). What is judged and settled depends on event
// times, ids and the watermark alone, never on arrival order or wall time, as long as rows and labels
// arrive before the watermark passes them. A sealed slot is judged once; asking again gives the same
// answer. Must not know runs, versions' files or aliases: it is told the champion and the profiles.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "artifacts/store.h"
#include "base/result.h"
#include "rekindle/v1/dataset.pb.h"
#include "rekindle/v1/drift.pb.h"
#include "rekindle/v1/events.pb.h"
#include "rekindle/v1/job.pb.h"
#include "rekindle/v1/run.pb.h"

namespace rekindle::events {

namespace fs = std::filesystem;

// What became of one batch. Refused records are counted and named, the rest is applied: a batch with
// nonsense in it never blocks the node's stream.
struct Appended {
  uint64_t seq = 0;        // highest applied of this node and boot
  bool duplicate = false;  // was applied before: nothing changed
  uint32_t requests = 0;
  uint32_t labels = 0;
  uint32_t refused = 0;
  std::string first_refusal;  // what was wrong with the first refused record
};

struct LabelsTaken {
  uint32_t accepted = 0;  // new, or equal to what is stored
  uint32_t refused = 0;   // malformed, or in conflict with what is stored (the first one stands)
  std::string first_refusal;
};

// Since the file was made; survive restarts.
struct Totals {
  uint64_t batches = 0;
  uint64_t duplicate_batches = 0;
  uint64_t requests = 0;
  uint64_t rows = 0;
  uint64_t duplicate_requests = 0;
  uint64_t refused_records = 0;
  uint64_t counted_rows = 0;       // by the nodes' counts
  uint64_t late_counted_rows = 0;  // counted in slots that were judged already
  uint64_t labels = 0;             // requests with labels stored
  uint64_t labelled_rows = 0;      // rows with both prediction and label
  uint64_t waiting_labels = 0;     // labels whose request is not here (yet)
  uint64_t late_labels = 0;        // came after their slot was scored: kept, not scored
  uint64_t conflicting_labels = 0;
  uint64_t dropped_requests = 0;  // lost on the nodes to full spools, as they report
  uint64_t settled_rows = 0;
};

// What a judgement needs to be told. `profiles` holds the champion's at least; versions without one are
// not judged for drift.
struct JudgeInput {
  const v1::JobSpec* spec = nullptr;  // resolved
  uint64_t champion = 0;              // 0: none
  std::map<uint64_t, const v1::Profile*> profiles;
  int64_t watermark_us = 0;
  int64_t after_slot_us = 0;  // the newest slot whose judgement the caller holds durably; 0: none
  // Of this model. A breach whose quarantine was released is the world, not a fault: no longer reported,
  // and its rows count again.
  std::span<const v1::Quarantine> quarantines;
};

class EventStore {
 public:
  // Opens or makes the file. `artifacts` receives settled days and must outlive the store.
  // failed_precondition on a network filesystem or a file that another process holds.
  // `scratch`: nothing is fsynced; for a file that is thrown away with its process.
  static Result<std::unique_ptr<EventStore>> open(const fs::path& file, artifacts::Store& artifacts,
                                                  bool scratch = false);
  ~EventStore();
  EventStore(const EventStore&) = delete;
  EventStore& operator=(const EventStore&) = delete;

  // invalid_argument only when the batch as a whole cannot be understood (no node, boot, seq or model).
  // `label` is the job's: records that cannot be of it are refused.
  Result<Appended> append(const v1::EventBatch& batch, const v1::Label& label = {});
  // Labels handed straight to the coordinator.
  Result<LabelsTaken> feedback(std::string_view model, std::span<const v1::LabelRecord> labels,
                               const v1::Label& label = {});

  // The judgement of the oldest slot after `after_slot_us` that is sealed (its end <= watermark), or
  // nothing when none is. Call until nothing comes, recording each answer before the next call. Slots
  // are judged also when nobody asked anything in them (age runs on), but a silence longer than the
  // current window is passed over. window.clock_us is the end of the slot plus lateness.
  Result<std::optional<v1::JudgedWindow>> judge_next(const JudgeInput& input);

  // The time up to which settle() may go before the next judgement: what was not judged may be broken.
  // At most the watermark.
  Result<int64_t> settle_until(const JudgeInput& input);

  // Days that are over, matured (end of day + matures <= watermark) and not settled, oldest first: each
  // becomes a Parquet blob and a snapshot of the dataset that has the model's name, named YYYY-MM-DD.
  // Rows that any OPEN or DROPPED quarantine covers stay out; rows of one that was RELEASED after its
  // days were settled follow as YYYY-MM-DD-q<ID>. Days without labelled rows give no snapshot. A day is
  // settled once; a request that spans midnight belongs to the day of its first row. settled() gives
  // everything again to a caller that lost an answer.
  Result<std::vector<v1::DatasetSnapshot>> settle(const v1::JobSpec& spec, int64_t watermark_us,
                                                  std::span<const v1::Quarantine> quarantines);
  // Every snapshot ever settled for the model, oldest first: for a caller that lost an answer of settle().
  Result<std::vector<v1::DatasetSnapshot>> settled(std::string_view model) const;

  // Newest event time seen in requests of the model, 0: none. Nodes' reports are the better source.
  int64_t newest_event_us(std::string_view model) const;
  Totals totals(std::string_view model) const;
  // Highest sequence number applied of this node and boot, 0: none.
  Result<uint64_t> applied_seq(std::string_view node, std::string_view boot) const;
  // Counts of the model as stored, nodes added up; for checks and `rekindle drift`.
  Result<std::vector<v1::SlotCounts>> counts(std::string_view model, uint64_t version, int64_t from_us,
                                             int64_t until_us) const;

  // A copy of the file, to one that is not there yet, made a piece at a time: what is stored in between is in
  // it too. True: there is more. Not synced.
  Status begin_copy(const fs::path& to);
  Result<bool> copy_piece();
  void drop_copy();  // harmless without one

 private:
  struct Impl;
  explicit EventStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace rekindle::events
