// The journal: every event that the core has decided, in order, and projections of it for people's
// questions. Durable when append() returns; nothing is answered or acted on before.
//
// Invariant: sequence numbers run from 1 without a gap. An event is never changed and never deleted.
// The journal knows nothing of what events mean beyond the projections: the rules live in core/.
//
// Implementations: SQLite (sqlite_journal.h) and memory (fake_journal.h); one contract suite runs on both.
// Not thread-safe: one thread owns it (commit_thread.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "rekindle/v1/journal.pb.h"

namespace rekindle::coordinator {

struct Loaded {
  std::optional<v1::Snapshot> snapshot;  // newest undamaged one
  std::vector<v1::Event> events;         // all that follow it
  uint64_t seq = 0;                      // of the last event
};

// A row of the projection tables, as they were after the last commit.
struct RunRow {
  std::string id;
  std::string job;
  v1::RunState state = v1::RUN_STATE_UNSPECIFIED;
  v1::Cause cause = v1::CAUSE_UNSPECIFIED;
  int64_t queued_us = 0;
  int64_t ended_us = 0;
  uint64_t version = 0;
};

class Journal {
 public:
  virtual ~Journal() = default;

  // What a restart begins with. data_loss names the file and the event when something is damaged.
  virtual Result<Loaded> load() = 0;

  // One transaction. The first event's number must follow the last one stored, else invalid_argument
  // and no effect. An outside failure (disk full, I/O error) leaves the journal as it was.
  virtual Status append(std::span<const v1::Event> events) = 0;

  // What need not be done before those who wait for a commit are answered, a little at a time: asked for
  // after each. What was appended is durable whatever becomes of it.
  virtual Status upkeep() { return ok_status(); }

  // A projection of the whole state at snapshot.seq(), which must be stored already. Keeps the newest two.
  virtual Status save_snapshot(const v1::Snapshot& snapshot) = 0;

  // Events about one subject (a model, which is also the job's name), oldest first, from `from_seq`,
  // at most `limit`.
  virtual Result<std::vector<v1::Event>> about(const std::string& subject, uint64_t from_seq,
                                               uint32_t limit) = 0;

  // The event that queued the run; 0: there was none.
  virtual Result<uint64_t> queued_at(const std::string& run) = 0;

  // A copy of it all, in the one file `to`, which is not there yet, but for the archives, which never change.
  // Made a piece at a time, so that commits get their turn in between; what they add is in it too. True:
  // there is more. Not synced.
  virtual Status begin_copy(const std::filesystem::path& to) = 0;
  virtual Result<bool> copy_piece() = 0;
  virtual void drop_copy() = 0;  // of one that is not wanted any more; harmless without one

  virtual Result<std::vector<RunRow>> runs(uint32_t limit) = 0;                            // newest first
  virtual Result<std::vector<v1::AliasMove>> alias_history(const std::string& model) = 0;  // oldest first
  virtual Result<std::vector<v1::Version>> versions(const std::string& model) = 0;         // ascending
};

// The model (or job) that an event is about.
std::string subject_of(const v1::Event& event);
// "run_queued", "window_judged", ...: the name of the event's field.
std::string kind_of(const v1::Event& event);

}  // namespace rekindle::coordinator
