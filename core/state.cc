#include "core/state.h"

#include <algorithm>
#include <charconv>
#include <tuple>

#include "base/check.h"
#include "base/hash.h"

namespace rekindle::core {
namespace {

constexpr int64_t kHourUs = 3'600'000'000;

bool works(const v1::Run& run) {
  return run.state() == v1::RUNNING || run.state() == v1::JUDGING;
}

// What a run that somebody asked for is told of its cause.
std::string asked_by(const v1::Run& run) {
  return run.cause() == v1::CAUSE_MANUAL && !run.submitted_by().empty() ? "asked by " + run.submitted_by()
                                                                        : std::string();
}

}  // namespace

uint64_t run_number(const v1::Run& run) {
  uint64_t number = 0;
  const size_t dash = run.id().rfind('-');
  if (dash != std::string::npos)
    std::from_chars(run.id().data() + dash + 1, run.id().data() + run.id().size(), number);
  return number;
}

bool QueueKey::operator<(const QueueKey& other) const {
  const int64_t hour = turn_us / kHourUs, others_hour = other.turn_us / kHourUs;
  return std::tie(other.priority, hour, other.worth, turn_us, number, run) <
         std::tie(priority, others_hour, worth, other.turn_us, other.number, other.run);
}

const v1::JobSpec& spec_of(const State& state, const v1::Run& run) {
  // One that is not in the state brings its own: what a run would be.
  return run.has_spec() ? run.spec() : state.specs.spec(run.kept_spec());
}

const std::string& spec_sha256_of(const State& state, const v1::Run& run) {
  return run.has_spec() ? run.spec_sha256() : state.specs.sha256(run.kept_spec());
}

std::string cause_detail_of(const v1::Run& run) {
  return run.cause_detail().empty() ? asked_by(run) : run.cause_detail();
}

v1::Run whole(const State& state, v1::Run run) {
  run.set_cause_detail(cause_detail_of(run));
  if (run.has_spec()) return run;
  run.set_spec_sha256(spec_sha256_of(state, run));
  *run.mutable_spec() = spec_of(state, run);
  run.clear_kept_spec();
  return run;
}

void add_run(State& state, v1::Run run) {
  // Journals of old hold a spec in each run.
  run.set_kept_spec(run.has_spec() ? state.specs.keep(run.spec_sha256(), run.spec())
                                   : state.specs.number(run.spec_sha256()));
  CHECK(run.kept_spec() != 0, "the spec of every run is kept");
  delete run.release_spec();
  delete run.release_spec_sha256();
  if (run.cause_detail() == asked_by(run)) delete run.release_cause_detail();
  RunId id(run.id());
  if (!run.idempotency_key().empty()) state.runs_by_key.emplace(stable_hash(run.idempotency_key()), id);
  file_run(state, state.runs[id] = std::move(run));
}

const std::string& pool_of(const State& state, const v1::Run& run) {
  static const std::string local(place::kLocal);
  const std::string& pool = spec_of(state, run).pool();
  return pool.empty() ? local : pool;
}

QueueKey queue_key(const v1::Run& run) {
  return {run.priority(), run.turn_us() != 0 ? run.turn_us() : run.queued_us(), run_number(run),
          RunId(run.id()), run.worth()};
}

void file_run(State& state, const v1::Run& run) {
  const RunId id(run.id());
  if (terminal(run.state())) {
    if (run.version() == 0) state.over[run.job()].emplace(run.ended_us(), id);
    return;
  }
  if (works(run)) state.working.insert(id);
  if (run.state() == v1::HELD) state.held.insert(id);
  if (run.publish()) state.flights.insert(id);
  if (run.state() != v1::QUEUED) return;
  state.queues[pool_of(state, run)].insert(queue_key(run));
  if (run.not_before_us() != 0) state.delayed.emplace(run.not_before_us(), id);
}

void unfile_run(State& state, const v1::Run& run) {
  const RunId id(run.id());
  if (terminal(run.state())) {
    auto over = state.over.find(run.job());
    if (over == state.over.end()) return;
    over->second.erase({run.ended_us(), id});
    if (over->second.empty()) state.over.erase(over);
    return;
  }
  if (works(run)) state.working.erase(id);
  if (run.state() == v1::HELD) state.held.erase(id);
  if (run.publish()) state.flights.erase(id);
  if (run.state() != v1::QUEUED) return;
  auto queue = state.queues.find(pool_of(state, run));
  queue->second.erase(queue_key(run));
  if (queue->second.empty()) state.queues.erase(queue);
  if (run.not_before_us() != 0) state.delayed.erase({run.not_before_us(), id});
}

std::set<RunId> active_runs(const State& state) {
  std::set<RunId> out = state.working;
  out.insert(state.held.begin(), state.held.end());
  for (const auto& [pool, queue] : state.queues)
    for (const QueueKey& key : queue) out.insert(key.run);
  return out;
}

size_t queued_count(const State& state) {
  size_t count = 0;
  for (const auto& [pool, queue] : state.queues) count += queue.size();
  return count;
}

const v1::Job* find_job(const State& state, std::string_view name) {
  auto found = state.jobs.find(JobName(std::string(name)));
  return found == state.jobs.end() ? nullptr : &found->second;
}

const v1::Run* find_run(const State& state, std::string_view id) {
  auto found = state.runs.find(RunId(std::string(id)));
  return found == state.runs.end() ? nullptr : &found->second;
}

const v1::Run* run_with_key(const State& state, const std::string& key) {
  if (key.empty()) return nullptr;
  const auto [begin, end] = state.runs_by_key.equal_range(stable_hash(key));
  for (auto at = begin; at != end; ++at)
    if (const v1::Run& run = state.runs.at(at->second); run.idempotency_key() == key) return &run;
  return nullptr;
}

void forget_key(State& state, const v1::Run& run) {
  const auto [begin, end] = state.runs_by_key.equal_range(stable_hash(run.idempotency_key()));
  for (auto at = begin; at != end; ++at)
    if (at->second.value == run.id()) return void(state.runs_by_key.erase(at));
}

const v1::ModelState* find_model(const State& state, std::string_view name) {
  auto found = state.models.find(JobName(std::string(name)));
  return found == state.models.end() ? nullptr : &found->second;
}

bool terminal(v1::RunState state) {
  switch (state) {
    case v1::PUBLISHED:
    case v1::REJECTED:
    case v1::FAILED_RUN:
    case v1::CANCELLED:
    case v1::COMPLETED:
      return true;
    default:
      return false;
  }
}

const v1::Attempt* live_attempt(const v1::Run& run) {
  if (run.attempts().empty()) return nullptr;
  const v1::Attempt& newest = run.attempts(run.attempts_size() - 1);
  return newest.state() == v1::Attempt::ENDED ? nullptr : &newest;
}

const v1::Attempt* find_attempt(const v1::Run& run, uint32_t number) {
  for (const auto& attempt : run.attempts())
    if (attempt.number() == number) return &attempt;
  return nullptr;
}

uint32_t world_of(const v1::Attempt& attempt) {
  return attempt.world() != 0 ? attempt.world() : attempt.slots();
}

std::vector<v1::NodeShare> shares_of(const v1::Attempt& attempt) {
  if (attempt.shares_size() > 0) return {attempt.shares().begin(), attempt.shares().end()};
  v1::NodeShare share;
  share.set_node(place::kThisHost);
  share.set_ranks(world_of(attempt));
  *share.mutable_devices() = attempt.devices();
  return {std::move(share)};
}

int64_t model_clock_us(const State& state, std::string_view model, Time now) {
  const v1::ModelState* found = find_model(state, model);
  return found && !found->replay_session().empty() ? found->replay_clock_us() : to_micros(now);
}

bool verdict_due(const State& state, const v1::Run& run, Time now) {
  const v1::ModelState* model = find_model(state, run.job());
  if (!model || model->replay_session().empty()) return true;
  return model_clock_us(state, run.job(), now) >= run.as_of_us() + model->replay_run_takes_us();
}

v1::Snapshot to_snapshot(const State& state) {
  v1::Snapshot snapshot;
  snapshot.set_seq(state.seq);
  snapshot.set_time_us(state.time_us);
  snapshot.set_next_quarantine(state.next_quarantine);
  for (const auto& [name, job] : state.jobs) *snapshot.add_jobs() = job;
  for (const auto& [sha256, number] : state.specs.numbers()) {
    v1::KeptSpec& kept = *snapshot.add_specs();
    kept.set_sha256(sha256);
    *kept.mutable_spec() = state.specs.spec(number);
  }
  for (const auto& [id, run] : state.runs) {
    v1::Run& kept = *snapshot.add_runs();
    kept = run;
    kept.set_spec_sha256(spec_sha256_of(state, run));
    kept.set_cause_detail(cause_detail_of(run));
    kept.clear_kept_spec();
  }
  for (const auto& [name, model] : state.models) *snapshot.add_models() = model;
  for (const auto& [dataset, snapshots] : state.datasets)
    for (const auto& [name, one] : snapshots) *snapshot.add_datasets() = one;
  for (const auto& [id, item] : state.quarantines) *snapshot.add_quarantines() = item;
  for (const auto& [key, node] : state.nodes) *snapshot.add_nodes() = node;
  const std::vector<uint64_t>& keys = state.retired_keys.hashes();
  snapshot.mutable_retired_keys()->Add(keys.begin(), keys.end());
  return snapshot;
}

State from_snapshot(const v1::Snapshot& snapshot) {
  State state;
  state.seq = snapshot.seq();
  state.time_us = snapshot.time_us();
  state.next_quarantine = std::max<uint64_t>(1, snapshot.next_quarantine());
  for (const auto& job : snapshot.jobs()) state.jobs[JobName(job.name())] = job;
  for (const auto& model : snapshot.models()) state.models[JobName(model.name())] = model;
  for (const auto& one : snapshot.datasets()) state.datasets[one.dataset()][one.name()] = one;
  for (const auto& item : snapshot.quarantines()) state.quarantines[item.id()] = item;
  for (const auto& node : snapshot.nodes()) state.nodes[{node.pool(), node.node()}] = node;
  for (const uint64_t key : snapshot.retired_keys()) state.retired_keys.keep(key);
  for (const auto& kept : snapshot.specs()) state.specs.keep(kept.sha256(), kept.spec());
  // Snapshots of old kept them within jobs and runs.
  for (const auto& job : snapshot.jobs()) state.specs.keep(job.spec_sha256(), job.spec());
  for (const auto& run : snapshot.runs()) {
    state.moved_us = std::max({state.moved_us, run.queued_us(), run.ended_us()});
    for (const auto& attempt : run.attempts())
      state.moved_us = std::max({state.moved_us, attempt.placed_us(), attempt.ended_us()});
    add_run(state, run);
  }
  return state;
}

}  // namespace rekindle::core
