// Jobs and runs as people ask for them: apply, start, cancel, approve.
#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <charconv>

#include "base/hash.h"
#include "core/decide/draft.h"
#include "core/schedule.h"
#include "core/windows.h"
#include "jobs/task.h"
#include "proto/candidates.h"
#include "registry/aliases.h"

namespace rekindle::core {
namespace {

constexpr size_t kKeyBytesMax = 200;
constexpr uint32_t kArrayMost = 10'000;

std::string run_id(const std::string& job, uint64_t number) {
  return fmt::format("{}-{}", job, number);
}

// Tells a retry from another wish under the same key: the first bytes of the request's SHA-256. Never 0.
uint64_t hash_of_hex(const std::string& sha256) {
  uint64_t hash = 0;
  std::from_chars(sha256.data(), sha256.data() + std::min<size_t>(16, sha256.size()), hash, 16);
  return std::max<uint64_t>(1, hash);
}

// Journals of old hold the whole of it.
uint64_t request_hash_of(const v1::Run& run) {
  return run.request_hash() != 0 ? run.request_hash() : hash_of_hex(run.request_sha256());
}

uint64_t request_hash(v1::StartRunRequest request) {
  request.clear_idempotency_key();
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&out);
  }
  return hash_of_hex(sha256_hex(bytes));
}

Status fill_score(const State& state, const v1::ModelState& model, const v1::StartRunRequest& request,
                  v1::Run& run) {
  run.set_task(v1::Plan::SCORE);
  run.set_publish(false);
  run.set_dataset(request.dataset());
  if (request.dataset().empty())
    return invalid_argument("say which rows to score: dataset NAME, NAME@SNAPSHOT or NAME@FIRST..LAST");
  for (const auto& target : request.score()) {
    auto* item = run.add_score();
    item->set_from_us(target.from_us());
    item->set_until_us(target.until_us());
    if (target.from_us() > target.until_us())
      return invalid_argument("a range of event time to score ends before it begins");
    if ((target.version() != 0) == !target.run().empty())
      return invalid_argument("each score target names either a version or a run");
    if (target.version() != 0) {
      const v1::Version* version = registry::find_version(model, target.version());
      if (!version)
        return not_found(fmt::format("model '{}' has no version {}; `rekindle versions {}` lists them",
                                     model.name(), target.version(), model.name()));
      item->set_version(version->number());
      item->set_manifest(version->manifest());
      continue;
    }
    const v1::Run* candidate = find_run(state, target.run());
    if (!candidate) return no_such_run(target.run());
    if (candidate->task() != v1::Plan::TRAIN || candidate->outcome().manifest().empty())
      return failed_precondition(fmt::format("run '{}' has made no candidate to score", target.run()));
    item->set_run(candidate->id());
    item->set_manifest(candidate->outcome().manifest());
  }
  TRY(scored_rows(state, request.dataset()));
  return ok_status();
}

}  // namespace

v1::Run new_run(const Draft& draft, const v1::Job& job) {
  v1::Run run;
  run.set_id(run_id(job.name(), job.next_run()));
  run.set_job(job.name());
  run.set_job_revision(job.revision());
  run.set_task(v1::Plan::TRAIN);
  run.set_publish(true);
  run.set_state(v1::QUEUED);
  run.set_priority(job.spec().priority());
  run.set_queued_us(draft.now_us());
  run.set_turn_us(draft.now_us());
  run.set_spec_sha256(job.spec_sha256());
  run.set_submitted_by(job.owner());
  if (const v1::ModelState* model = find_model(draft.state, job.name()))
    run.set_changed_us(model->decision().changed_us());
  return run;
}

// Labels are kept as numbers, and versions answer in the order of the classes: what is kept must go on
// meaning the same.
Status check_label_goes_on(const v1::Label& before, const v1::Label& after) {
  if (before.kind() != after.kind())
    return failed_precondition(
        "data.label.kind was another in the revision before: rows and versions of this name are of that "
        "kind; give the job another name");
  const auto& old = before.classes();
  if (old.size() > after.classes_size() || !std::equal(old.begin(), old.end(), after.classes().begin()))
    return failed_precondition(
        fmt::format("data.label.classes may only be added at the end: the revision before has {} of them in "
                    "another order or under other names, by which labels and versions are kept; give the job "
                    "another name",
                    old.size()));
  return ok_status();
}

// One flight of a model at a time keeps triggers away: the policy is told of every run that may publish.
void queue_run(Draft& draft, const v1::Run& run) {
  *draft.add().mutable_run_queued() = run;
  draft.id = run.id();
  if (!run.publish()) return;
  const v1::ModelState* model = find_model(draft.state, run.job());
  if (!model || !model->decision().active_run().empty()) return;
  auto* changed = draft.add().mutable_decision_changed();
  changed->set_model(run.job());
  *changed->mutable_decision() = model->decision();
  changed->mutable_decision()->clear_last_window();
  changed->mutable_decision()->set_active_run(run.id());
}

Status decide_one(Draft& draft, const Apply& command) {
  const std::string& name = command.spec.name();
  TRY_STATUS(check_name("job", name));
  const v1::Job* before = find_job(draft.state, name);
  if (before && before->spec_sha256() == command.spec_sha256) return ok_status();
  if (!before && draft.state.datasets.contains(name))
    return already_exists(
        fmt::format("'{}' is the name of an imported dataset; the settled rows of a job's model "
                    "take its name: call the job otherwise",
                    name));
  const v1::ModelState* model = find_model(draft.state, name);
  if (before && model && model->versions_size() > 0 && jobs::is_task(command.spec))
    return failed_precondition(
        fmt::format("'{}' has published versions, and a command without data makes none: give the task "
                    "another name",
                    name));
  if (before && model && model->versions_size() > 0)
    TRY_STATUS(check_label_goes_on(before->spec().data().label(), command.spec.data().label()));
  auto* job = draft.add().mutable_job_applied();
  job->set_name(name);
  job->set_revision(before ? before->revision() + 1 : 1);
  *job->mutable_spec() = command.spec;
  job->set_spec_sha256(command.spec_sha256);
  job->set_applied_us(draft.now_us());
  job->set_owner(before ? before->owner() : draft.actor);
  job->set_next_run(before ? before->next_run() : 1);
  if (before) {
    ModelDraft edit(draft, name);
    edit.use(command.spec);
    edit.refresh_plan();
  }
  return ok_status();
}

namespace {

Status check_starts(const v1::Train& train, const v1::ModelState& model) {
  for (int number = 0; number <= train.candidates_size(); ++number) {
    const v1::Start start = train_of(train, number).start();
    if (!start.has_version() || registry::find_version(model, start.version())) continue;
    return failed_precondition(
        fmt::format("train.{}start names version {}, which model '{}' does not have; `rekindle versions {}` "
                    "lists them",
                    number == 0 ? "" : fmt::format("candidates[{}].", number - 1), start.version(),
                    model.name(), model.name()));
  }
  return ok_status();
}

// A run as the request wishes it, with the number that comes next; its key is the caller's to set.
Result<v1::Run> wished_run(const Draft& draft, const v1::StartRunRequest& request) {
  const v1::Job* job = find_job(draft.state, request.job());
  if (!job) return no_such_job(request.job());
  const v1::ModelState* model = find_model(draft.state, request.job());
  CHECK(model != nullptr, "every job has a model");

  v1::Run run = new_run(draft, *job);
  run.set_cause(v1::CAUSE_MANUAL);
  run.set_cause_detail("asked by " + draft.actor);
  run.set_submitted_by(draft.actor);
  run.set_fault(request.fault());
  const int64_t clock = model_clock_us(draft.state, request.job(), draft.world.now);
  run.set_as_of_us(request.as_of_us() != 0 ? request.as_of_us() : clock);
  if (run.as_of_us() < 0 || run.as_of_us() > clock)
    return invalid_argument(
        fmt::format("as-of {} lies ahead of the model clock, {}: nothing is known of it yet",
                    format_time(time_from_micros(run.as_of_us())), format_time(time_from_micros(clock))));
  if (!request.score().empty()) {
    TRY_STATUS(fill_score(draft.state, *model, request, run));
    return run;
  }
  if (!request.dataset().empty())
    return invalid_argument("a dataset is named only for scoring; what a run trains on is in the job's spec");
  TRY_STATUS(check_starts(job->spec().train(), *model));
  if (std::string missing = gpus_missing(job->spec(), *draft.world.cluster); !missing.empty())
    return failed_precondition(missing);
  const bool task = jobs::is_task(job->spec());
  run.set_publish(!request.no_publish() && !task);
  if (!task) TRY(training_rows(draft.state, job->spec(), run.as_of_us(), run.changed_us()));
  return run;
}

// The run that the request has made already; nullptr: none. Another request under the same key is refused.
Result<const v1::Run*> run_made(const State& state, const std::string& key, uint64_t hash) {
  const v1::Run* run = run_with_key(state, key);
  if (!run && state.retired_keys.has(key))
    return already_exists(fmt::format(
        "idempotency key '{}' was used for a run that ended long ago: a key names one run for ever", key));
  if (!run || request_hash_of(*run) == hash) return run;
  return already_exists(
      fmt::format("idempotency key '{}' was used for run '{}' with another request", key, run->id()));
}

Status check_key(const std::string& key) {
  if (key.size() <= kKeyBytesMax) return ok_status();
  return invalid_argument(fmt::format("an idempotency key has at most {} bytes", kKeyBytesMax));
}

}  // namespace

Status decide_one(Draft& draft, const StartRun& command) {
  const v1::StartRunRequest& request = command.request;
  const std::string& key = request.idempotency_key();
  TRY_STATUS(check_key(key));
  const uint64_t hash = key.empty() ? 0 : request_hash(request);
  if (const v1::Run* known = TRY(run_made(draft.state, key, hash))) {
    draft.id = known->id();
    return ok_status();
  }
  v1::Run run = TRY(wished_run(draft, request));
  run.set_idempotency_key(key);
  run.set_request_hash(hash);
  queue_run(draft, run);
  return ok_status();
}

// The keys of an array's runs follow from its own. All are queued in one transaction, with numbers in a row:
// the first tells of all.
Status decide_one(Draft& draft, const StartRuns& command) {
  const uint32_t count = command.request.count();
  if (count == 0 || count > kArrayMost)
    return invalid_argument(fmt::format("an array has 1 to {} runs, not {}", kArrayMost, count));
  v1::StartRunRequest request = command.request.run();
  const std::string key = request.idempotency_key();
  TRY_STATUS(check_key(key));
  const auto key_of = [&key](uint32_t index) {
    return key.empty() ? std::string() : fmt::format("{}/{}", key, index);
  };
  // Of another length it is another array.
  const uint64_t hash = key.empty() ? 0 : request_hash(request) + count;
  if (const v1::Run* known = TRY(run_made(draft.state, key_of(1), hash))) {
    for (uint32_t i = 0; i < count; ++i) draft.ids.push_back(run_id(known->job(), run_number(*known) + i));
    return ok_status();
  }
  v1::Run run = TRY(wished_run(draft, request));
  const uint64_t first = run_number(run);
  run.set_count(count);
  run.set_request_hash(hash);
  for (uint32_t index = 1; index <= count; ++index) {
    TRY(run_made(draft.state, key_of(index), hash));
    run.set_id(run_id(run.job(), first + index - 1));
    run.set_index(index);
    run.set_idempotency_key(key_of(index));
    draft.ids.push_back(run.id());
    // The policy is told of the first: its flight.
    if (index == 1)
      queue_run(draft, run);
    else
      *draft.add().mutable_run_queued() = run;
  }
  return ok_status();
}

Status decide_one(Draft& draft, const CancelRun& command) {
  const v1::Run* run = find_run(draft.state, command.request.id());
  if (!run) return no_such_run(command.request.id());
  if (run->state() == v1::CANCELLED || (run->cancel_requested() && !terminal(run->state())))
    return ok_status();
  if (terminal(run->state()))
    return failed_precondition(
        fmt::format("run '{}' has ended: {}", run->id(), v1::RunState_Name(run->state())));

  const std::string reason =
      command.request.reason().empty() ? "cancelled by " + draft.actor : command.request.reason();
  auto* cancel = draft.add().mutable_cancel_requested();
  cancel->set_run(run->id());
  cancel->set_reason(reason);
  if (const v1::Attempt* attempt = live_attempt(*run)) {
    if (attempt->kill_requested()) return ok_status();
    request_yield(draft, *run, *attempt, reason);
    return ok_status();
  }
  end_run(draft, *run, v1::CANCELLED, reason);
  return ok_status();
}

Status decide_one(Draft& draft, const ApproveRun& command) {
  const v1::Run* run = find_run(draft.state, command.request.id());
  if (!run) return no_such_run(command.request.id());
  // A rejected one is overridden: its candidate is there, and a person takes it on.
  if (run->state() != v1::HELD && run->state() != v1::REJECTED)
    return failed_precondition(fmt::format("run '{}' is neither held nor rejected: it is {}", run->id(),
                                           v1::RunState_Name(run->state())));
  if (command.request.reason().empty())
    return invalid_argument("say why in --reason: an approval stands in the version's history");
  auto* judged = draft.add().mutable_run_judged();
  judged->set_run(run->id());
  *judged->mutable_verdict() = run->verdict();
  judged->mutable_verdict()->set_kind(v1::Verdict::PASS);
  judged->mutable_verdict()->set_approved_by(draft.actor);
  judged->mutable_verdict()->set_approval_reason(command.request.reason());
  publish(draft, *run);
  return ok_status();
}

}  // namespace rekindle::core
