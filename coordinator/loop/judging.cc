#include "coordinator/loop/judging.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "artifacts/manifest.h"
#include "base/faults/crash_point.h"
#include "base/log.h"
#include "proto/time.h"
#include "registry/aliases.h"

namespace rekindle::coordinator {

// profile.json of published versions, which never change.
struct Judging::Profiles {
  std::map<std::string, std::shared_ptr<const v1::Profile>> by_manifest;

  Result<std::shared_ptr<const v1::Profile>> find(const artifacts::Store& store,
                                                  const std::string& manifest) {
    if (auto it = by_manifest.find(manifest); it != by_manifest.end()) return it->second;
    v1::Manifest files = TRY(artifacts::load_manifest(store, manifest, artifacts::Verify::kSize));
    std::string json = TRY(artifacts::read_file(store, files, "profile.json"));
    auto profile = std::make_shared<v1::Profile>();
    google::protobuf::util::JsonParseOptions lenient;
    lenient.ignore_unknown_fields = true;  // a newer trainer may say more
    auto parsed = google::protobuf::util::JsonStringToMessage(json, profile.get(), lenient);
    if (!parsed.ok()) return data_loss("profile.json of manifest " + manifest + ": " + parsed.ToString());
    std::shared_ptr<const v1::Profile> kept = profile;
    by_manifest.emplace(manifest, kept);
    return kept;
  }
};

// All that one call on the events thread needs, copied: the state moves on meanwhile.
struct Judging::Question {
  v1::JobSpec spec;
  uint64_t champion = 0;
  std::vector<std::pair<uint64_t, std::string>> manifests;  // by version
  std::vector<v1::Quarantine> quarantines;
  int64_t watermark_us = 0;
  int64_t after_slot_us = 0;
  int64_t slot_us = 0;
};

struct Judging::Answer {
  std::vector<v1::DatasetSnapshot> settled;
  std::optional<v1::JudgedWindow> window;
};

Judging::Judging(CoreLoop& core, Nodes& nodes, events::EventStore& events, const artifacts::Store& store,
                 TaskThreads& events_worker)
    : core_(core),
      nodes_(nodes),
      events_(events),
      store_(store),
      task_threads_(events_worker),
      profiles_(std::make_shared<Profiles>()) {}

Judging::~Judging() = default;

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

std::shared_ptr<Judging::Question> Judging::question(const std::string& model) {
  const v1::Job* job = core::find_job(core_.state(), model);
  const v1::ModelState* state = core::find_model(core_.state(), model);
  if (job == nullptr || state == nullptr || state->versions().empty()) return nullptr;
  auto out = std::make_shared<Question>();
  out->spec = job->spec();
  out->champion = registry::champion(*state);
  for (const v1::Version& version : state->versions())
    out->manifests.emplace_back(version.number(), version.manifest());
  for (const auto& [id, quarantine] : core_.state().quarantines)
    if (quarantine.model() == model) out->quarantines.push_back(quarantine);
  out->watermark_us = watermark_us(model);
  out->after_slot_us = state->decision().judged_slot_us();
  out->slot_us = from_proto(job->spec().data().slot()).count();
  return out;
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
  std::shared_ptr<Question> asked = question(model);
  if (asked == nullptr) co_return false;
  events::EventStore* events = &events_;
  const artifacts::Store* store = &store_;
  std::shared_ptr<Profiles> profiles = profiles_;
  std::function<Result<Answer>()> work = [asked, events, store, profiles]() -> Result<Answer> {
    Answer answer;
    answer.settled = TRY(events->settle(asked->spec, asked->watermark_us, asked->quarantines));
    events::JudgeInput input;
    input.spec = &asked->spec;
    input.champion = asked->champion;
    input.watermark_us = asked->watermark_us;
    input.after_slot_us = asked->after_slot_us;
    input.quarantines = asked->quarantines;
    for (const auto& [version, manifest] : asked->manifests)
      input.profiles[version] = TRY(profiles->find(*store, manifest)).get();
    answer.window = TRY(events->judge_next(input));
    return answer;
  };
  Result<Answer> answer = co_await done_on(task_threads_, std::move(work));
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
  const bool more = answer->window->slot_us() + 2 * asked->slot_us <= asked->watermark_us;
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
