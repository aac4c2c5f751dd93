#include "coordinator/loop/judging.h"

#include <algorithm>

#include "base/faults/crash_point.h"
#include "base/log.h"
#include "core/plan.h"
#include "proto/time.h"

namespace rekindle::coordinator {

Judging::Judging(CoreLoop& core, Nodes& nodes, events::EventStore& events, const artifacts::Store& store,
                 TaskThreads& events_worker)
    : core_(core),
      nodes_(nodes),
      events_(events),
      store_(store),
      task_threads_(events_worker),
      profiles_(std::make_shared<events::Profiles>()) {}

int64_t Judging::watermark_us(const std::string& model) {
  const v1::Job* job = core::find_job(core_.state(), model);
  if (job == nullptr) return 0;
  const int64_t lateness = from_proto(job->spec().data().lateness()).count();
  const int64_t clock = core::model_clock_us(core_.state(), model, core_.now());
  const v1::ModelState* state = core::find_model(core_.state(), model);
  if (state != nullptr && !state->replay_session().empty()) {
    watermarks_.erase(model);
    return clock - lateness;
  }
  int64_t& mark = watermarks_[model];
  // Nodes from before a restart may still hold rows: nothing is sealed before they had time to say so.
  if (nodes_.presumed(model)) return mark;
  mark = std::max(mark, std::min(nodes_.newest_event_us(model).value_or(clock), clock) - lateness);
  return mark;
}

std::shared_ptr<events::Question> Judging::question(const std::string& model) {
  std::optional<core::ToJudge> known = core::to_judge(core_.state(), model);
  if (!known) return nullptr;
  return std::make_shared<events::Question>(
      events::Question{std::move(known->spec), known->champion, std::move(known->manifests),
                       std::move(known->quarantines), watermark_us(model), known->after_slot_us});
}

boost::asio::awaitable<Status> Judging::judge(std::string model) {
  while (busy_.contains(model)) co_await core_.changes().wait();
  busy_.insert(model);
  Status status;
  if (!recovered_.contains(model)) status = co_await recover(model);
  for (bool more = status.ok(); more;) {
    Result<bool> judged = co_await judge_once(model);
    status = judged.status();
    more = judged.ok() && *judged;
  }
  co_await core_.durable();
  busy_.erase(model);
  core_.changes().notify();
  co_return status;
}

// Days that the event store settled but whose registration was lost to a crash.
boost::asio::awaitable<Status> Judging::recover(std::string model) {
  using Settled = Result<std::vector<v1::DatasetSnapshot>>;
  events::EventStore* events = &events_;
  std::function<Settled()> ask = [events, model] { return events->settled(model); };
  Settled settled = co_await done_on(task_threads_, std::move(ask));
  if (!settled.ok()) co_return settled.status();
  for (v1::DatasetSnapshot& snapshot : *settled) {
    auto dataset = core_.state().datasets.find(model);
    if (dataset != core_.state().datasets.end() && dataset->second.contains(snapshot.name())) continue;
    core::AddSnapshot add{snapshot, true};
    auto added = core_.submit(add);
    if (!added.ok()) co_return added.status();
  }
  recovered_.insert(model);
  co_return ok_status();
}

// One settling and one judgement; true when another slot may be sealed.
boost::asio::awaitable<Result<bool>> Judging::judge_once(std::string model) {
  std::shared_ptr<events::Question> asked = question(model);
  if (asked == nullptr) co_return false;
  events::EventStore* events = &events_;
  const artifacts::Store* store = &store_;
  std::shared_ptr<events::Profiles> profiles = profiles_;
  std::function<Result<events::Answer>()> work = [asked, events, store, profiles] {
    return events::judge_round(*events, *store, *profiles, *asked);
  };
  Result<events::Answer> answer = co_await done_on(task_threads_, std::move(work));
  if (!answer.ok()) co_return answer.status();
  for (const v1::DatasetSnapshot& snapshot : answer->settled) {
    crash_point("day-settled");
    core::AddSnapshot add{snapshot, true};
    auto added = core_.submit(add);
    if (!added.ok()) co_return added.status().within("registering settled day " + snapshot.name());
    ++days_settled_;
  }
  if (!answer->window) co_return false;
  crash_point("window-judged");
  core::JudgeWindow judged{*answer->window};
  auto told = core_.submit(judged);
  if (!told.ok()) co_return told.status();
  ++windows_judged_;
  const bool more = events::more_to_judge(*asked, *answer);
  if (more) co_await core_.durable();
  co_return more;
}

boost::asio::awaitable<void> Judging::judge_wall_clock_models() {
  std::vector<std::string> models;
  for (const auto& [name, model] : core_.state().models)
    if (model.replay_session().empty() && !model.versions().empty()) models.push_back(name.value);
  for (const std::string& model : models) {
    Status status = co_await judge(model);
    if (!status.ok()) log_error("judgement failed", {{"model", model}, {"error", status.to_string()}});
  }
}

}  // namespace rekindle::coordinator
