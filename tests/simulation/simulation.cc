#include "tests/simulation/simulation.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <utility>

#include "core/apply.h"
#include "core/decide.h"
#include "core/schedule.h"
#include "registry/aliases.h"
#include "tests/simulation/rules.h"

namespace rekindle::core::testing {
namespace {

constexpr int64_t kSecondUs = 1'000'000;
constexpr int kSettleRounds = 3000;

// Maps have no order of their own on the wire.
std::string bytes_of(const google::protobuf::Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    message.SerializeToCodedStream(&out);
  }
  return bytes;
}

// One that takes a slot, one that takes two, one that takes what is free, one that does the same with GPUs
// and under a time limit, one that may ask others to make way, one that wants a certain node, and one that
// never fits.
constexpr std::array kJobs = {"one", "two", "stretch", "gpu", "urgent", "picky", "wide"};

// A spec whose triggers are quick, so that some fire among the other things that happen.
v1::JobSpec restless_spec(const std::string& name) {
  v1::JobSpec spec = spec_of(name, name == "wide" ? 99 : name == "two" || name == "urgent" ? 2 : 1);
  auto* ranks = spec.mutable_train()->mutable_ranks();
  if (name == "stretch" || name == "gpu") {
    ranks->clear_count();
    ranks->set_min(1);
    ranks->set_max(3);
  }
  if (name == "gpu") {
    ranks->set_gpus(1);
    *spec.mutable_train()->mutable_limits()->mutable_attempt() = to_proto(Seconds(900));
  }
  auto* limits = spec.mutable_train()->mutable_limits();
  limits->set_memory_retries(1);
  limits->set_hang_retries(2);
  limits->set_preempted_retries(5);
  limits->set_data_retries(2);
  limits->set_launcher_retries(4);
  if (name == "two") *limits->mutable_attempt() = to_proto(Seconds(1200));
  if (name == "picky") (*ranks->mutable_nodes())["kind"] = "first";
  if (name == "urgent") {
    spec.set_priority(10);
    spec.set_preempt(true);
  }
  auto* retrain = spec.mutable_retrain();
  *retrain->mutable_window() = to_proto(Seconds(3600));
  *retrain->mutable_cooldown() = to_proto(Seconds(3600));
  retrain->mutable_persistence()->set_hits(1);
  retrain->mutable_persistence()->set_of(1);
  retrain->mutable_at_most()->set_runs(50);
  *retrain->mutable_at_most()->mutable_per() = to_proto(Seconds(7 * 86400));
  // A run that drift calls for waits until it learns from as much of the drifted rows as are held back.
  *spec.mutable_gate()->mutable_holdout() = to_proto(Seconds(3600));
  return spec;
}

}  // namespace

Simulation::Simulation(SimulationOptions options)
    : options_(options),
      dice_(options.seed),
      outside_(dice_, problems_),
      hosts_(dice_),
      now_us_(day_us(3, 1)) {}

void Simulation::problem(const std::string& what) {
  problems_.push_back(fmt::format("after append {}: {}", appends_, what));
}

World Simulation::world() const {
  World world;
  world.now = time_from_micros(now_us_);
  world.cluster = hosts_.cluster();
  world.saved_us = outside_.saved(now_us_);
  world.serving = outside_.views(state_);
  return world;
}

void Simulation::run() {
  submit(AddSnapshot{january(), false});
  for (const char* name : kJobs) {
    // Until it is durable: a client repeats what was not acknowledged.
    while (!find_job(state_, name)) submit(Apply{apply_of(restless_spec(name))});
    while (!state_.datasets.contains("flights")) submit(AddSnapshot{january(), false});
    settled_until_[name] = day_us(2, 1);
  }
  for (int i = 0; i < options_.steps && problems_.empty(); ++i) step();
  if (problems_.empty()) settle();
  if (problems_.empty()) check_resizes();
  if (problems_.empty()) check_budgets();
}

void Simulation::step() {
  now_us_ += static_cast<int64_t>(dice_.below(dice_.chance(10) ? 86400 : 300)) * kSecondUs;
  outside_.pass(now_us_);
  for (const std::string& node : hosts_.pass(false)) outside_.node_died(node);
  if (dice_.chance(40)) submit(wish());
  outside_.follow_plans(state_, false);
  act(false);
  deliver(false);
  if (dice_.chance(50)) submit(Tick{});
}

std::string Simulation::some_job() {
  return kJobs[dice_.below(20) == 0 ? kJobs.size() - 1 : dice_.below(kJobs.size() - 1)];
}

std::string Simulation::some_run() {
  if (state_.runs.empty()) return "one-1";
  auto run = state_.runs.begin();
  std::advance(run, dice_.below(state_.runs.size()));
  return run->first.value;
}

Command Simulation::wish() {
  const std::string job = some_job();
  switch (dice_.below(13)) {
    case 0:
    case 1: {
      v1::StartRunRequest r;
      r.set_job(job);
      // Now and then a client that never got its answer asks again.
      r.set_idempotency_key(
          fmt::format("key-{}", dice_.chance(30) && keys_ > 0 ? dice_.below(keys_) : keys_++));
      return StartRun{r};
    }
    case 2: {
      v1::CancelRunRequest r;
      r.set_id(some_run());
      return CancelRun{r};
    }
    case 3: {
      v1::ApproveRunRequest r;
      r.set_id(some_run());
      r.set_reason("looked at it");
      return ApproveRun{r};
    }
    case 4: {
      v1::SetAliasRequest r;
      r.set_model(job);
      r.set_alias(dice_.chance(70) ? "champion" : "stable");
      r.set_version(1 + dice_.below(4));
      if (dice_.chance(30)) r.set_expected(1 + dice_.below(3));
      return SetAlias{r};
    }
    case 5: {
      v1::RollbackRequest r;
      r.set_model(job);
      return RollBack{r};
    }
    case 6: {
      v1::FreezeRequest r;
      r.set_model(job);
      r.set_frozen(dice_.chance(30));
      return Freeze{r};
    }
    case 7: {
      v1::JobSpec spec = restless_spec(job);
      spec.mutable_serve()->set_canary(dice_.chance(50) ? .1 : .5);
      return Apply{apply_of(spec)};
    }
    case 8:
    case 9:
      return replay_wish(job);
    case 10: {
      int64_t& day = settled_until_[job];
      if (day + kDayUs + 25 * kHourUs > now_us_) return Tick{};
      v1::DatasetSnapshot snapshot =
          snapshot_of(job, format_time(time_from_micros(day)).substr(0, 10), day, day + kDayUs, 900);
      day += kDayUs;
      return AddSnapshot{snapshot, true};
    }
    default: {
      const int64_t clock = model_clock_us(state_, job, time_from_micros(now_us_));
      v1::JudgedWindow window =
          window_of(job, (clock / kHourUs - 2) * kHourUs, registry::champion(*find_model(state_, job)),
                    dice_.chance(60) ? .9 : .1);
      window.set_clock_us(clock);
      return JudgeWindow{window};
    }
  }
}

Command Simulation::replay_wish(const std::string& model) {
  const v1::ModelState& state = *find_model(state_, model);
  const std::string session = dice_.chance(80) ? "s" : "t";
  if (state.replay_session().empty() || dice_.chance(5)) {
    v1::BeginReplayRequest r;
    r.set_model(model);
    r.set_session(session);
    r.set_clock_us(now_us_ - static_cast<int64_t>(dice_.below(20)) * kDayUs);
    *r.mutable_run_takes() = to_proto(Seconds(3600));
    if (state.versions_size() > 0) r.add_pin(1);
    return BeginReplay{r};
  }
  if (dice_.chance(10)) {
    v1::EndReplayRequest r;
    r.set_model(model);
    r.set_session(session);
    return EndReplay{r};
  }
  v1::AdvanceRequest r;
  r.set_model(model);
  r.set_session(session);
  r.set_clock_us(state.replay_clock_us() + (static_cast<int64_t>(dice_.below(30)) - 2) * kHourUs);
  return AdvanceReplay{r, dice_.below(60)};
}

void Simulation::submit(const Command& command) {
  Result<Decision> decision = advance(state_, world(), command, "anna");
  if (!decision.ok()) {
    const Code code = decision.status().code();
    const bool refusal = code == Code::kInvalidArgument || code == Code::kNotFound ||
                         code == Code::kAborted || code == Code::kAlreadyExists ||
                         code == Code::kFailedPrecondition || code == Code::kOutOfRange;
    if (!refusal || decision.status().message().empty())
      problem("an odd refusal: " + decision.status().to_string());
    return;
  }
  bool die = false, lost = false;
  if (!decision->events.empty()) {
    die = options_.crash_at >= 0
              ? appends_ == options_.crash_at
              : options_.crash_percent > 0 && !outside_.healthy && dice_.chance(options_.crash_percent);
    lost = die && (options_.crash_at >= 0 ? options_.crash_before : dice_.chance(50));
    ++appends_;
    if (!lost)
      for (const auto& event : decision->events) {
        check_step(event);
        journal_.push_back(event);
      }
    if (!lost && dice_.chance(5)) snapshot_ = to_snapshot(state_);
  }
  if (die)
    restart();
  else if (const auto* start = std::get_if<StartRun>(&command); start && !decision->id.empty()) {
    // Answered: from now on this key means this run, whatever happens.
    auto [known, fresh] = acknowledged_.emplace(start->request.idempotency_key(), decision->id);
    if (!fresh && known->second != decision->id) problem("an idempotency key made a second run");
  }
  check();
}

// The process is gone with all that was not durable: the newest snapshot, then the events after it.
void Simulation::restart() {
  ++crashes_;
  state_ = from_snapshot(snapshot_);
  for (const auto& event : journal_)
    if (event.seq() > state_.seq) apply(state_, event);
  if (state_.moved_us != shadow_.moved_us) problem("a restart forgot when room was last taken or given");
  // The host's clock was set meanwhile, by an hour or by years; the new process goes on where the old one
  // was.
  if (dice_.chance(20)) {
    constexpr std::array<int64_t, 4> kJumps = {kHourUs, -kHourUs, 3650 * kDayUs, -3650 * kDayUs};
    const int64_t wall_us = now_us_ + kJumps[dice_.chance(10) ? 2 : dice_.chance(50) ? 3 : dice_.below(2)];
    const int64_t before_us = std::exchange(now_us_, std::max(wall_us, state_.time_us));
    outside_.clock_set(now_us_ - before_us);
    ++clock_jumps_;
  }
  // Some of what the old process had seen is told again by late messengers; the rest is lost.
  std::deque<Command> late;
  for (const auto& command : seen_)
    if (dice_.chance(30)) late.push_back(command);
  seen_ = std::move(late);
}

// Each wanted effect is done, not done or done twice.
void Simulation::act(bool all) {
  for (const Effect& effect : wanted(state_, time_from_micros(now_us_))) {
    const uint64_t times = all ? 1 : dice_.below(3);
    for (uint64_t i = 0; i < times; ++i)
      for (Command& command : outside_.perform(effect, state_, now_us_)) seen_.push_back(std::move(command));
  }
}

// Observations arrive in any order, some twice, some never: what is wanted is asked for again.
void Simulation::deliver(bool all) {
  for (size_t left = seen_.size(); left > 0 && !seen_.empty(); --left) {
    const size_t at = all ? 0 : dice_.below(seen_.size());
    Command command = seen_[at];
    seen_.erase(seen_.begin() + static_cast<std::ptrdiff_t>(at));
    if (!all && dice_.chance(15)) continue;
    if (!all && dice_.chance(15)) seen_.push_back(command);
    submit(command);
  }
}

void Simulation::settle() {
  outside_.healthy = true;
  std::string why;
  for (int round = 0; round < kSettleRounds && problems_.empty(); ++round) {
    // Repeated each round: a crash may have swallowed it.
    for (const char* job : kJobs) {
      v1::EndReplayRequest end;
      end.set_model(job);
      end.set_session(find_model(state_, job)->replay_session());
      submit(EndReplay{end});
      v1::FreezeRequest thaw;
      thaw.set_model(job);
      submit(Freeze{thaw});
    }
    now_us_ += 600 * kSecondUs;
    outside_.pass(now_us_);
    hosts_.pass(true);
    outside_.follow_plans(state_, true);
    act(true);
    deliver(true);
    submit(Tick{});
    why.clear();
    for (const RunId& id : active_runs(state_)) {
      const v1::Run& run = state_.runs.at(id);
      const bool too_wide = run.state() == v1::QUEUED && !ever_fits(*hosts_.cluster(), state_, run);
      if (run.state() != v1::HELD && !too_wide) why = id.value + " is " + v1::RunState_Name(run.state());
    }
    for (const auto& [name, model] : state_.models)
      if (registry::active(model.rollout())) {
        // A champion that nodes could not load stays as it is, and says so.
        const bool explained =
            registry::champion(model) == model.rollout().version() && !model.rollout().reason().empty();
        if (!explained)
          why = registry::waiting_for(model, find_job(state_, name.value)->spec(),
                                      outside_.views(state_)[name.value]);
      }
    if (why.empty() && bytes_of(to_snapshot(shadow_)) == bytes_of(to_snapshot(state_))) return;
    if (why.empty()) why = "the journal gives another state than the core has";
  }
  if (problems_.empty()) problem("it never came to rest: " + why);
}

std::string Simulation::trace_hash() const {
  std::string all;
  for (const auto& event : journal_) all += sha256_hex(bytes_of(event));
  return sha256_hex(all);
}

std::map<std::string, int> Simulation::happened() const {
  std::map<std::string, int> count;
  for (const auto& event : journal_) {
    if (event.has_run_ended()) ++count[v1::RunState_Name(event.run_ended().state())];
    if (event.has_run_judged() && event.run_judged().verdict().kind() == v1::Verdict::HOLD) ++count["HELD"];
    if (event.has_run_queued() && event.run_queued().cause() != v1::CAUSE_MANUAL) ++count["triggered"];
    if (event.has_run_requeued()) ++count["retried"];
    if (event.has_attempt_signalled() && event.attempt_signalled().signal() == v1::AttemptSignalled::KILL)
      ++count["killed"];
    if (event.attempt_signalled().resize()) ++count["asked to grow"];
    if (!event.attempt_signalled().makes_way_for().empty()) ++count["asked to make way"];
    if (event.attempt_placed().shares_size() > 1) ++count["placed on several nodes"];
    if (event.has_attempt_ended()) ++count[v1::EndClass_Name(event.attempt_ended().end())];
    if (event.has_attempt_placed() && event.attempt_placed().world() > 1)
      ++count["placed with several ranks"];
    if (event.has_attempt_placed() && event.attempt_placed().devices_size() > 0) ++count["placed on GPUs"];
    if (event.has_attempt_ended() && event.attempt_ended().message().starts_with("grows from"))
      ++count["grown"];
    if (event.has_rollout_changed()) ++count[v1::Rollout::State_Name(event.rollout_changed().state())];
  }
  return count;
}

}  // namespace rekindle::core::testing
