#include "coordinator/attempts/effects.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "artifacts/manifest.h"
#include "base/faults/crash_point.h"
#include "base/hash.h"
#include "base/log.h"
#include "core/nodes.h"
#include "core/plan.h"
#include "jobs/pools/pools.h"
#include "jobs/task.h"

namespace rekindle::coordinator {

namespace {

constexpr Seconds kSignalAgain{2};
constexpr Seconds kVerifyAgain{1};

// Proves to the ranks that they share the folder; the same for each write of the same plan.
std::string nonce(const AttemptId& id, const v1::Plan& plan, const v1::Run& run) {
  return sha256_hex(fmt::format("{}/{} {} {}", id.run, id.attempt, plan.spec_sha256(), run.queued_us()))
      .substr(0, 32);
}

// Where the ranks are, which GPUs they see and when their time is over is Slurm's to say.
void leave_to_slurm(const v1::SlurmPool& slurm, v1::Plan& plan) {
  plan.clear_devices();
  plan.clear_shares();
  plan.clear_leave_by_us();
  plan.set_threads_per_rank(slurm.cpus());
  // What one user built is no other's to run.
  if (slurm.submit_as() == v1::SlurmPool::OWNER)
    plan.set_environments(plan.environments() + "/of-" + plan.submitted_by());
}

}  // namespace

Effects::Effects(CoreLoop& core, launch::Launcher& launcher, artifacts::Store& store,
                 const StateFolder& folder, const Pools& pools, TaskThreads& pool, const Clock& clock,
                 EffectsOptions options)
    : core_(core),
      launcher_(launcher),
      store_(store),
      folder_(folder),
      pools_(pools),
      pool_(pool),
      clock_(clock),
      options_(std::move(options)),
      attempts_(launcher, clock, options_.attempts, [this](Observation seen) {
        auto shared = std::make_shared<const Observation>(std::move(seen));
        boost::asio::post(pool_.io(), [this, shared] { observe(*shared); });
      }) {}

Effects::~Effects() {
  stop();
}

void Effects::stop() {
  attempts_.stop();
}

void Effects::perform(const std::vector<core::Effect>& effects) {
  // Watching comes first: an attempt is watched before it is started.
  for (const core::Effect& effect : effects)
    if (auto* watch = std::get_if<core::WatchAttempt>(&effect)) perform(*watch, core::effect_key(effect));
  for (const core::Effect& effect : effects) {
    const std::string key = core::effect_key(effect);
    if (auto* launch = std::get_if<core::WritePlanAndLaunch>(&effect)) perform(*launch, key);
    if (auto* signal = std::get_if<core::SignalAttempt>(&effect)) perform(*signal, key);
    if (auto* verify = std::get_if<core::VerifyArtifacts>(&effect)) perform(*verify, key);
  }
}

void Effects::perform(const core::WatchAttempt& watch, const std::string& key) {
  if (!under_way_.insert(key).second) return;
  const v1::Run* run = core::find_run(core_.state(), watch.run.value);
  CHECK(run != nullptr, "an attempt is watched of a run that is there");
  const v1::Attempt* attempt = core::find_attempt(*run, watch.attempt);
  CHECK(attempt != nullptr, "an attempt is watched that is there");
  attempts_.watch({watch.run.value, watch.attempt},
                  launch::AttemptFolder(folder_.attempt(watch.run.value, watch.attempt)),
                  core::world_of(*attempt), core::spec_of(core_.state(), *run).train().limits(),
                  attempt->state() == v1::Attempt::STARTED,
                  run->task() == v1::Plan::TRAIN && jobs::is_task(core::spec_of(core_.state(), *run)));
}

void Effects::perform(const core::WritePlanAndLaunch& launch, const std::string& key) {
  if (!under_way_.insert(key).second) return;
  const v1::Run* run = core::find_run(core_.state(), launch.run.value);
  CHECK(run != nullptr, "an attempt is launched of a run that is there");
  AttemptId id{launch.run.value, launch.attempt};
  v1::Plan plan = core::plan_of(core_.state(), *run, launch.attempt);
  plan.set_artifacts(options_.artifacts.string());
  plan.set_checkpoints(folder_.checkpoints(id.run).string());
  plan.set_environments(folder_.environments().string());
  plan.set_threads_per_rank(options_.threads_per_rank);
  const v1::Pool* pool = jobs::find_pool(pools_.now(), core::pool_of(core_.state(), *run));
  if (pool && pool->has_slurm()) leave_to_slurm(pool->slurm(), plan);
  if (pool && pool->has_hosts()) plan.set_threads_per_rank(1);  // a slot is a core there
  plan.set_start_nonce(nonce(id, plan, *run));
  log_info("attempt launched", {{"run", id.run}, {"attempt", id.attempt}, {"ranks", plan.world()}});
  // A plain task's ranks on this host go down with it, and nothing of it is needed then; ranks elsewhere go
  // on, and those that train keep their checkpoints beside it.
  const v1::Attempt* attempt = core::find_attempt(*run, id.attempt);
  const bool passing = jobs::is_task(plan.spec()) && plan.shares().empty() && !attempt->queues();
  attempts_.start(std::move(id), std::move(plan), passing ? launch::Sync::kNo : launch::Sync::kYes);
}

void Effects::perform(const core::SignalAttempt& signal, const std::string& key) {
  auto& next = not_before_[key];
  if (clock_.monotonic() < next) return;
  next = clock_.monotonic() + kSignalAgain;
  log_info("attempt signalled", {{"run", signal.run.value},
                                 {"attempt", signal.attempt},
                                 {"signal", v1::AttemptSignalled::Signal_Name(signal.signal)}});
  attempts_.signal({signal.run.value, signal.attempt}, signal.signal == v1::AttemptSignalled::YIELD
                                                           ? launch::Signal::kYield
                                                           : launch::Signal::kKill);
}

void Effects::perform(const core::VerifyArtifacts& verify, const std::string& key) {
  if (clock_.monotonic() < not_before_[key]) return;
  if (!under_way_.insert(key).second) return;
  pool_.post([this, verify, key] {
    auto manifest = artifacts::load_manifest(store_, verify.manifest, artifacts::Verify::kHash);
    Status status = manifest.status();
    boost::asio::post(pool_.io(), [this, verify, key, status] {
      under_way_.erase(key);
      if (status.code() == Code::kUnavailable) {
        not_before_[key] = clock_.monotonic() + kVerifyAgain;
        log_warning("artifact store not reached", {{"run", verify.run.value}, {"error", status.message()}});
        return;
      }
      crash_point("artifacts-verified");
      core::ArtifactsVerified seen{verify.run, verify.manifest, status.ok(), status.message()};
      auto told = core_.submit(seen);
      if (!told.ok())
        log_error("verification refused", {{"run", verify.run.value}, {"error", told.status().to_string()}});
    });
  });
}

void Effects::observe(const Observation& seen) {
  Result<Accepted> told{Accepted()};
  switch (seen.kind) {
    case Observation::kStarted:
      told = core_.submit(core::GangStarted{RunId(seen.id.run), seen.id.attempt, seen.gang});
      break;
    case Observation::kEnded: {
      log_info("attempt ended", {{"run", seen.id.run},
                                 {"attempt", seen.id.attempt},
                                 {"end", v1::EndClass_Name(seen.ending.end)},
                                 {"message", seen.ending.message}});
      progress_.erase(seen.id.run);
      told = core_.submit(core::AttemptEnded{
          RunId(seen.id.run), seen.id.attempt, seen.ending.end, seen.ending.message, seen.ending.outcome,
          seen.ending.host.empty() ? node_of(seen.id, seen.ending.rank) : seen.ending.host});
      break;
    }
    case Observation::kHang:
      log_warning("attempt hangs",
                  {{"run", seen.id.run}, {"attempt", seen.id.attempt}, {"message", seen.message}});
      told = core_.submit(hang_of(seen));
      break;
    case Observation::kNote:
      if (!seen.message.empty())
        log_warning("attempt is slow",
                    {{"run", seen.id.run}, {"attempt", seen.id.attempt}, {"message", seen.message}});
      progress_[seen.id.run].note = seen.message;
      core_.changes().notify();
      break;
    case Observation::kQueue:
      progress_[seen.id.run].queue = seen.message;
      core_.changes().notify();
      break;
    case Observation::kProgress:
      progress_[seen.id.run].progress = seen.progress;
      core_.changes().notify();
      break;
    case Observation::kSaved:
      progress_[seen.id.run].saved_us = std::max(progress_[seen.id.run].saved_us, seen.saved_us);
      break;
    case Observation::kMetric:
      progress_[seen.id.run].metrics[seen.metric.name()] = seen.metric;
      break;
  }
  if (!told.ok())
    log_error("observation refused", {{"run", seen.id.run}, {"error", told.status().to_string()}});
  if (on_observation) on_observation(seen);
}

std::string Effects::node_of(const AttemptId& id, std::optional<int> rank) const {
  const v1::Run* run = rank ? core::find_run(core_.state(), id.run) : nullptr;
  const v1::Attempt* attempt = run ? core::find_attempt(*run, id.attempt) : nullptr;
  return attempt ? core::node_of_rank(*attempt, static_cast<uint32_t>(*rank)) : std::string();
}

// Ranks that stand still because one of their nodes does not answer are not the job's hang.
core::HangDetected Effects::hang_of(const Observation& seen) const {
  core::HangDetected out{RunId(seen.id.run), seen.id.attempt, seen.message, seen.end,
                         node_of(seen.id, seen.rank)};
  const v1::Run* run = core::find_run(core_.state(), seen.id.run);
  const v1::Attempt* attempt = run ? core::find_attempt(*run, seen.id.attempt) : nullptr;
  if (!attempt) return out;
  for (const launch::NodeSight& sight : launcher_.nodes(core::pool_of(core_.state(), *run))) {
    const bool of_it =
        std::any_of(attempt->shares().begin(), attempt->shares().end(),
                    [&sight](const v1::NodeShare& share) { return share.node() == sight.node; });
    if (!of_it || !sight.missed) continue;
    out.end = v1::END_NODE_LOST;
    out.node = sight.node;
    out.message = fmt::format("node {} does not answer ({}); {}", sight.node, sight.detail, seen.message);
    break;
  }
  return out;
}

std::map<RunId, int64_t> Effects::saved() const {
  std::map<RunId, int64_t> saved;
  for (const auto& [run, live] : progress_)
    if (live.saved_us != 0) saved.emplace(run, live.saved_us);
  return saved;
}

const LiveProgress* Effects::progress(const std::string& run) const {
  auto it = progress_.find(run);
  return it == progress_.end() ? nullptr : &it->second;
}

}  // namespace rekindle::coordinator
