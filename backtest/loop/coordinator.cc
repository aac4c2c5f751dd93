#include "backtest/loop/coordinator.h"

#include <fmt/format.h>

#include "artifacts/manifest.h"
#include "core/plan.h"
#include "jobs/spec.h"
#include "proto/time.h"

namespace rekindle::backtest {
namespace {

constexpr std::string_view kActor = "backtest";
constexpr char kSession[] = "backtest";

// Of the fit itself, and so the same if it were tried again.
bool lasting(v1::EndClass end) {
  return end == v1::END_FINISHED || end == v1::END_SPEC_REFUSED || end == v1::END_DATA_REFUSED ||
         end == v1::END_DIVERGED;
}

}  // namespace

Coordinator::Coordinator(const FitStore& store, events::EventStore& events, Trainer& trainer, Time wall)
    : store_(store), events_(events), trainer_(trainer) {
  world_.now = wall;
  world_.cluster = std::make_shared<const core::place::Cluster>(core::place::one_host(1));
}

const v1::ModelState& Coordinator::model() const {
  const v1::ModelState* found = core::find_model(state_, name_);
  CHECK(found != nullptr, "the job was applied");
  return *found;
}

registry::ServingView Coordinator::view() const {
  registry::ServingView view;
  const v1::ModelState* found = core::find_model(state_, name_);
  if (found == nullptr) return view;
  view.nodes = 1;
  view.revision = found->plan().revision();
  for (const v1::PlannedVersion& planned : found->plan().versions()) {
    registry::VersionView& version = view.versions[planned.version()];
    version.ready_nodes = 1;
    if (const auto answers = answered_.find(planned.version()); answers != answered_.end())
      version.answered = answers->second;
  }
  return view;
}

Result<core::Decision> Coordinator::submit(const core::Command& command) {
  world_.serving = {{name_, view()}};
  return core::advance(state_, world_, command, kActor);
}

Status Coordinator::begin(const v1::JobSpec& resolved, const std::vector<v1::DatasetSnapshot>& snapshots) {
  name_ = resolved.name();
  for (const v1::DatasetSnapshot& snapshot : snapshots)
    TRY_STATUS(submit(core::AddSnapshot{snapshot, false}).status());
  TRY_STATUS(submit(core::Apply{resolved, jobs::spec_sha256(resolved)}).status());
  v1::StartRunRequest first;
  first.set_job(name_);
  const core::Decision started = TRY(submit(core::StartRun{first}));
  TRY_STATUS(rest());
  const v1::Run& run = *core::find_run(state_, started.id);
  if (run.state() != v1::PUBLISHED)
    return failed_precondition(fmt::format("there is no version 1 to begin with: its run is {}{}{}",
                                           v1::RunState_Name(run.state()), run.reason().empty() ? "" : ": ",
                                           run.reason()));
  return ok_status();
}

Status Coordinator::begin_replay(int64_t clock_us, Micros run_takes) {
  v1::BeginReplayRequest request;
  request.set_model(name_);
  request.set_session(kSession);
  request.set_clock_us(clock_us);
  *request.mutable_run_takes() = to_proto(run_takes);
  TRY_STATUS(submit(core::BeginReplay{request}).status());
  return rest();
}

// As coordinator/api/replay.cc asks for them: not when none bakes.
Result<uint64_t> Coordinator::canary_answers() const {
  if (model().rollout().state() != v1::Rollout::BAKING) return uint64_t{0};
  uint64_t rows = 0;
  for (const v1::SlotCounts& slot : TRY(events_.counts(name_, model().rollout().version(), 0, INT64_MAX)))
    rows += static_cast<uint64_t>(slot.rows());
  return rows;
}

Status Coordinator::advance(int64_t clock_us) {
  v1::AdvanceRequest request;
  request.set_model(name_);
  request.set_session(kSession);
  request.set_clock_us(clock_us);
  const uint64_t answers = TRY(canary_answers());
  TRY_STATUS(submit(core::AdvanceReplay{request, answers}).status());
  TRY_STATUS(judge());
  if (const int64_t changed = model().decision().changed_us(); changed != change_known(clock_us))
    changes_[clock_us] = changed;
  return rest();
}

int64_t Coordinator::change_known(int64_t as_of_us) const {
  const auto after = changes_.upper_bound(as_of_us);
  return after == changes_.begin() ? 0 : std::prev(after)->second;
}

Status Coordinator::judge() {
  for (;;) {
    std::optional<core::ToJudge> known = core::to_judge(state_, name_);
    if (!known) return ok_status();
    const int64_t lateness = from_proto(known->spec.data().lateness()).count();
    const events::Question question{std::move(known->spec),
                                    known->champion,
                                    std::move(known->manifests),
                                    std::move(known->quarantines),
                                    model().replay_clock_us() - lateness,
                                    known->after_slot_us};
    const events::Answer answer = TRY(events::judge_round(events_, store_.artifacts(), profiles_, question));
    for (const v1::DatasetSnapshot& snapshot : answer.settled)
      TRY_STATUS(submit(core::AddSnapshot{snapshot, true})
                     .status()
                     .within("registering settled day " + snapshot.name()));
    if (!answer.window) return ok_status();
    TRY_STATUS(submit(core::JudgeWindow{*answer.window}).status());
    if (!events::more_to_judge(question, answer)) return ok_status();
  }
}

Status Coordinator::rest() {
  for (;;) {
    bool acted = !TRY(submit(core::Tick{})).events.empty();
    for (const core::Effect& effect : core::wanted(state_, world_.now)) {
      const auto* start = std::get_if<core::WritePlanAndLaunch>(&effect);
      const auto* look = std::get_if<core::VerifyArtifacts>(&effect);
      if (!start && !look) continue;
      TRY_STATUS(start ? launch(*start) : verify(*look));
      acted = true;
      break;  // the state has moved on
    }
    if (!acted) return ok_status();
  }
}

Status Coordinator::launch(const core::WritePlanAndLaunch& launch) {
  const v1::Run* run = core::find_run(state_, launch.run.value);
  CHECK(run != nullptr, "an attempt is launched of a run that is there");
  v1::Plan plan = core::plan_of(state_, *run, launch.attempt);
  Trained trained = TRY(trainer_.fit(plan));
  launch::Ending& ending = trained.ending;
  if (!lasting(ending.end))
    return internal_error(fmt::format("the fit of {} ended as {}: {}", run->id(),
                                      v1::EndClass_Name(ending.end), ending.message));
  v1::GangRecord gang;
  gang.set_host("this process");
  TRY_STATUS(submit(core::GangStarted{launch.run, launch.attempt, gang}).status());
  core::AttemptEnded ended{launch.run, launch.attempt, ending.end, ending.message, ending.outcome, ""};
  fits_[launch.run.value] = {std::move(plan), std::move(ending.outcome).value_or(v1::Outcome()),
                             trained.kept};
  return submit(ended).status();
}

Status Coordinator::verify(const core::VerifyArtifacts& verify) {
  const Status whole =
      artifacts::load_manifest(store_.artifacts(), verify.manifest, artifacts::Verify::kHash).status();
  return submit(core::ArtifactsVerified{verify.run, verify.manifest, whole.ok(), whole.message()}).status();
}

Result<const v1::Run*> Coordinator::fit_as_of(int64_t as_of_us) {
  // The loop has played all of the history: what it has noticed since was not known then.
  state_.models.at(JobName(name_)).mutable_decision()->set_changed_us(change_known(as_of_us));
  v1::StartRunRequest request;
  request.set_job(name_);
  request.set_as_of_us(as_of_us);
  request.set_no_publish(true);
  const core::Decision started = TRY(submit(core::StartRun{request}));
  TRY_STATUS(rest());
  const v1::Run* run = core::find_run(state_, started.id);
  if (run->state() == v1::COMPLETED) return run;
  return failed_precondition(fmt::format("the fit as of {} is {}: {}",
                                         format_time(time_from_micros(as_of_us)),
                                         v1::RunState_Name(run->state()), run->reason()));
}

}  // namespace rekindle::backtest
