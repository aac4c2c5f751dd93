// What the coordinator knows, all of it: a value, built by applying events in order, and nothing else.
//
// Invariants are in core/invariants.h. No clock, randomness, file or socket in this folder; whatever lies
// outside comes in as a World (now, slots, what serving nodes report).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "core/kept_keys.h"
#include "core/kept_specs.h"
#include "core/place/cluster.h"
#include "registry/rollout.h"
#include "rekindle/v1/api.pb.h"
#include "rekindle/v1/journal.pb.h"

namespace rekindle::core {

// Where a queued run stands: higher priority first, then the hour in which it was queued, then what it is
// worth, then age, then number. Judgements come by the hour: of the runs that one round has triggered the
// worthiest starts first, and nobody waits for it longer than that.
struct QueueKey {
  int32_t priority = 0;
  int64_t turn_us = 0;
  uint64_t number = 0;  // of two runs of one job that were queued in the same microsecond
  RunId run;
  double worth = 0;
  bool operator<(const QueueKey& other) const;
};

// What the newest pass over a pool's queue found, until apply sees a change of what it went by: that nobody
// starts. A long queue is then not gone through again for each run that is put at its end.
struct Rest {
  // It stopped here, as it would again: whoever stands behind is not looked at. nullopt: there was no room
  // for anybody.
  std::optional<QueueKey> last;
  int64_t until_us = 0;  // time alone may change what it found from then on
  std::shared_ptr<const place::Cluster> cluster;
};

struct State {
  uint64_t seq = 0;     // of the newest event applied
  int64_t time_us = 0;  // the latest time of any event, wall clock: a new process never goes behind it
  std::map<JobName, v1::Job> jobs;
  // With the numbers of their specs in place of specs and hashes: spec_of.
  std::map<RunId, v1::Run> runs;
  KeptSpecs specs;                           // of every revision of every job
  std::map<JobName, v1::ModelState> models;  // one per job, of the same name
  std::map<std::string, std::map<std::string, v1::DatasetSnapshot>>
      datasets;  // by dataset, then snapshot name
  std::map<uint64_t, v1::Quarantine> quarantines;
  std::map<std::pair<std::string, std::string>, v1::NodeState> nodes;  // by pool and node, where on record
  uint64_t next_quarantine = 1;
  KeptKeys retired_keys;  // of runs that have left

  // Derived from the above, kept by apply. A queue may be long: of what waits in it as little as possible is
  // kept twice.
  std::multimap<uint64_t, RunId> runs_by_key;        // by the hash of their idempotency key: run_with_key
  std::set<RunId> working;                           // RUNNING and JUDGING runs
  std::set<RunId> held;                              // HELD ones
  std::set<RunId> flights;                           // that may publish and have not ended
  std::map<std::string, std::set<QueueKey>> queues;  // QUEUED ones, by pool, in order
  std::set<std::pair<int64_t, RunId>> delayed;       // QUEUED ones that wait for their time
  // Terminal ones without a version, by job and by when they ended.
  std::map<std::string, std::set<std::pair<int64_t, RunId>>> over;
  std::map<std::string, Rest> rests;  // by pool; a memory of passes: empty is as good
  uint64_t nodes_seq = 0;             // of the newest change of a node
  int64_t moved_us = 0;               // newest change of who holds slots or waits for them, wall clock
};

// Runs that are over stay in the state while they are among the newest of their job, or of late.
struct Keep {
  size_t runs = 1'000;
  Micros time = std::chrono::hours(24);
};

// The outside at the moment of a decision. `now` is wall time that only moves forward between two decisions
// of one process (read the wall clock at start and add monotonic time), so that a jump of the host's
// clock fires no timer.
struct World {
  Time now;
  std::shared_ptr<const place::Cluster> cluster = std::make_shared<place::Cluster>();
  // The same before nodes were closed by what the state knows of them; null: as it is.
  std::shared_ptr<const place::Cluster> outside;
  std::map<std::string, registry::ServingView> serving;  // by model; absent: no live node
  // When attempts last committed a checkpoint, wall clock; absent: not since they were placed.
  std::map<RunId, int64_t> saved_us;
  Keep keep;
};

const v1::Job* find_job(const State& state, std::string_view name);  // nullptr: none
const v1::Run* find_run(const State& state, std::string_view id);
const v1::Run* run_with_key(const State& state, const std::string& key);
const v1::ModelState* find_model(const State& state, std::string_view name);

bool terminal(v1::RunState state);
// Resolved, as of the run's submission.
const v1::JobSpec& spec_of(const State& state, const v1::Run& run);
const std::string& spec_sha256_of(const State& state, const v1::Run& run);
// The run as the API shows it, with all that is kept elsewhere or follows from the rest.
v1::Run whole(const State& state, v1::Run run);
// Why it was queued, in more words than its cause.
std::string cause_detail_of(const v1::Run& run);
// The operator's name of the nodes that it runs on.
const std::string& pool_of(const State& state, const v1::Run& run);
QueueKey queue_key(const v1::Run& run);
uint64_t run_number(const v1::Run& run);  // of its id, "flight-delay-3"
// All runs that have not ended, for questions: this walks the queues.
std::set<RunId> active_runs(const State& state);
size_t queued_count(const State& state);
// Its key leads to it no more.
void forget_key(State& state, const v1::Run& run);
// Into the derived sets, and out again before the run changes.
void add_run(State& state, v1::Run run);
void file_run(State& state, const v1::Run& run);
void unfile_run(State& state, const v1::Run& run);
// The attempt that is placed or started; nullptr: none.
const v1::Attempt* live_attempt(const v1::Run& run);
const v1::Attempt* find_attempt(const v1::Run& run, uint32_t number);  // nullptr: none
// Its ranks; journals of old do not say it and had as many as slots.
uint32_t world_of(const v1::Attempt& attempt);
// Where its ranks are; journals of old do not say it and had this host alone.
std::vector<v1::NodeShare> shares_of(const v1::Attempt& attempt);

// Wall clock, or the replay's clock while a session holds the model.
int64_t model_clock_us(const State& state, std::string_view model, Time now);
// Whether a finished run may be judged: always, but in a replay only once the clock has passed its as-of time
// by run_takes, so that a fast machine publishes no earlier than a slow one.
bool verdict_due(const State& state, const v1::Run& run, Time now);

// A projection and back: from_snapshot(to_snapshot(s)) equals s.
v1::Snapshot to_snapshot(const State& state);
State from_snapshot(const v1::Snapshot& snapshot);

}  // namespace rekindle::core
