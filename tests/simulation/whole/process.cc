#include "tests/simulation/whole/process.h"

#include "launch/pools.h"

namespace rekindle::whole {

using coordinator::CoreLoop;

Process::Process(const Surroundings& around)
    : around_(around),
      turns_(around.outside.clock),
      nodes_(around.outside.clock),
      threads_(io_, 2, &turns_) {}

Process::~Process() {
  *alive_ = false;
  threads_.stop();  // before what their tasks use
}

Status Process::start() {
  Outside& outside = around_.outside;
  folder_.emplace(TRY(coordinator::StateFolder::open(around_.state)));
  pools_.emplace(folder_->pools());
  TRY_STATUS(pools_->load());
  coordinator::CoreLoopOptions how;
  how.snapshot_every = 40;
  how.end_process = [&outside] {
    outside.count("crash of a failed commit");
    throw Crash{"a failed commit"};
  };
  how.hands = &turns_;
  how.alarm = [this, &outside](std::optional<Micros> rest) {
    alarm_ = rest ? std::optional<Instant>(outside.clock.monotonic() + *rest) : std::nullopt;
  };
  core_ = std::make_unique<CoreLoop>(io_, outside.clock, std::move(how));
  launcher_ = launch::make_pool_launcher(
      {.gang_program = "/bin/gang", .trainer_program = "/bin/trainer"}, {},
      std::make_shared<LocalLauncher>(outside, around_.gangs),
      {outside.clock, &turns_,
       [&slurm = around_.slurm](const auto& argv, const auto& each) { return slurm.run(argv, each); }});
  use_pools();
  TRY_STATUS(core_->load(std::make_unique<ProcessJournal>(outside, around_.disk, alive_)));
  TRY_STATUS(make_folders_durably(folder_->runs(), 0750));

  coordinator::EffectsOptions effects;
  effects.artifacts = "artifacts";
  effects.attempts.poll = std::chrono::milliseconds(1500);
  effects.attempts.hands = &turns_;
  effects_ = std::make_unique<coordinator::Effects>(*core_, *launcher_, around_.store, *folder_, *pools_,
                                                    threads_, outside.clock, effects);
  std::vector<std::string> served;
  for (const auto& [name, model] : core_->state().models)
    if (model.plan().revision() > 0) served.push_back(name.value);
  nodes_.presume(std::move(served));
  coordinator::CoreSeams seams;
  seams.perform = [this](const std::vector<core::Effect>& wanted) { effects_->perform(wanted); };
  seams.serving = [this] { return nodes_.views(); };
  seams.saved = [this] { return effects_->saved(); };
  core_->begin(std::move(seams));
  housekeeping_ = outside.clock.monotonic();
  return ok_status();
}

void Process::stop() {
  effects_->stop();
  threads_.stop();
  core_->stop();
}

void Process::use_pools() {
  launcher_->use(pools_->now());
  core_->set_cluster(coordinator::cluster_of(pools_->now(), coordinator::Options(), {}));
}

void Process::look_at_pools() {
  std::set<std::string> in_use;
  for (const RunId& id : core_->state().working)
    if (const v1::Run& run = core_->state().runs.at(id); core::live_attempt(run))
      in_use.insert(core::pool_of(core_->state(), run));
  if (pools_->refresh(in_use)) use_pools();
}

// As the daemon does each second.
bool Process::keep_house() {
  const Instant now = around_.outside.clock.monotonic();
  if (alarm_ && *alarm_ <= now) {
    alarm_.reset();
    core_->tick();
    return true;
  }
  if (housekeeping_ > now) return false;
  housekeeping_ = now + Seconds(1);
  nodes_.expire();
  look_at_pools();
  core_->tick();
  core_->changes().notify();
  return true;
}

bool Process::take_turn() {
  const size_t due = turns_.due();
  const uint64_t pick = around_.outside.dice.below(due + 2);
  if (pick < due) {
    turns_.take(pick);
    return true;
  }
  if (pick == due ? io_.poll_one() > 0 : keep_house()) return true;
  if (due > 0) {
    turns_.take(0);
    return true;
  }
  return io_.poll_one() > 0 || keep_house();
}

std::optional<Instant> Process::next() const {
  Instant next = housekeeping_;
  if (alarm_) next = std::min(next, *alarm_);
  if (const auto turn = turns_.next()) next = std::min(next, *turn);
  return next;
}

}  // namespace rekindle::whole
