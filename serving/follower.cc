#include "serving/follower.h"

#include <algorithm>

#include "base/faults/crash_point.h"
#include "base/log.h"

namespace rekindle::serving {

using State = v1::VersionHealth;
using std::chrono::steady_clock;

Follower::Follower(FollowerOptions options, FollowerHooks hooks)
    : options_(std::move(options)), hooks_(std::move(hooks)) {
  for (const std::string& model : options_.models) followed(model);
}

Follower::~Follower() {
  stop();
}

bool Follower::served(const std::string& model) const {
  return options_.models.empty() ||
         std::find(options_.models.begin(), options_.models.end(), model) != options_.models.end();
}

Follower::Followed& Follower::followed(const std::string& model) {
  Followed& followed = models_[model];
  if (!followed.slot) {
    followed.slot = std::make_unique<ModelSlot>(model);
    std::lock_guard lock(slots_mutex_);
    slots_[model] = followed.slot.get();
  }
  return followed;
}

void Follower::restore() {
  std::error_code error;
  for (const auto& file : fs::directory_iterator(options_.folder, error)) {
    if (file.path().extension() != ".pb") continue;
    const auto bytes = read_file(file.path());
    v1::ServingPlan plan;
    if (!bytes.ok() || !plan.ParseFromString(*bytes) || !check_plan(plan).ok()) {
      log_warning("kept serving plan cannot be read and is ignored", {{"path", file.path().string()}});
      continue;
    }
    if (!served(plan.model())) continue;
    {
      std::lock_guard lock(mutex_);
      Followed& model = followed(plan.model());
      model.kept = model.to_keep = *bytes;
      want(model, plan);
    }
    for (const v1::PlannedVersion& version : plan.versions())
      finish_load(plan.model(), version, hooks_.load(plan.model(), version));
  }
}

void Follower::start() {
  thread_ = std::thread([this] { run(); });
}

void Follower::stop() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void Follower::follow(const v1::ServingPlan& plan) {
  if (!served(plan.model())) return;
  if (const Status sound = check_plan(plan); !sound.ok()) {
    log_error("serving plan is unsound and not followed",
              {{"model", plan.model()}, {"revision", plan.revision()}, {"why", sound.message()}});
    return;
  }
  {
    std::lock_guard lock(mutex_);
    Followed& model = followed(plan.model());
    if (model.wanted.SerializeAsString() == plan.SerializeAsString()) return;
    log_info("serving plan", {{"model", plan.model()}, {"revision", plan.revision()}});
    want(model, plan);
    settle(model);  // at once when nothing has to be loaded
    news_ = true;
    changed_.notify_all();
  }
  hooks_.changed();
}

// A new revision is a new chance for versions that failed.
void Follower::want(Followed& model, const v1::ServingPlan& plan) {
  model.wanted = plan;
  model.attempts.clear();
  for (const v1::PlannedVersion& version : plan.versions()) {
    Attempt& attempt = model.attempts[version.version()];
    attempt.manifest = version.manifest();
    const auto loaded = model.loaded.find(version.version());
    if (loaded != model.loaded.end() && loaded->second->manifest == version.manifest())
      attempt.state = State::READY;
  }
}

void Follower::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (drop_given_up(lock) || keep_next(lock) || load_next(lock)) continue;
    changed_.wait_until(lock, next_due(), [this] { return news_ || stopping_; });
    news_ = false;
  }
}

steady_clock::time_point Follower::next_due() const {
  auto due = steady_clock::now() + std::chrono::hours(1);
  for (const auto& [name, model] : models_)
    for (const auto& [number, attempt] : model.attempts)
      if (attempt.state != State::READY) due = std::min(due, attempt.due);
  for (const auto& [name, model] : models_)
    for (const auto& [number, version] : model.loaded)
      if (version->predictor->process()) due = std::min(due, steady_clock::now() + options_.look);
  return due;
}

// A version whose process will not live answers nothing more: it is as if it had failed to load. Tells of
// one, without the lock; false when there is none.
bool Follower::drop_given_up(std::unique_lock<std::mutex>& lock) {
  for (auto& [name, model] : models_) {
    for (auto it = model.loaded.begin(); it != model.loaded.end(); ++it) {
      const auto process = it->second->predictor->process();
      if (!process || process->state != models::ProcessFigures::State::kFailed) continue;
      VersionPtr last = std::move(it->second);
      model.loaded.erase(it);
      const std::string message = "unavailable: its predictor died too often: " + process->trouble;
      log_error("version failed and gets no more traffic",
                {{"model", name}, {"version", last->number}, {"why", message}});
      // Not wanted any more, it is not tried again.
      const auto attempt = model.attempts.find(last->number);
      if (attempt != model.attempts.end() && attempt->second.manifest == last->manifest) {
        attempt->second.state = State::FAILED;
        attempt->second.message = message;
        attempt->second.due = steady_clock::now() + options_.retry;
      }
      // The plan in force goes on without it, whatever the next one still waits for.
      if (const auto current = model.slot->snapshot()) {
        model.slot->swap(make_snapshot(current->plan, model.loaded));
        ++swaps_;
      }
      settle(model);
      lock.unlock();
      last.reset();
      hooks_.changed();
      lock.lock();
      return true;
    }
  }
  return false;
}

std::vector<Follower::Process> Follower::processes() const {
  std::lock_guard lock(mutex_);
  std::vector<Process> out;
  for (const auto& [name, model] : models_)
    for (const auto& [number, version] : model.loaded)
      if (const auto figures = version->predictor->process()) out.push_back({name, number, *figures});
  return out;
}

// Loads one version that is due, without the lock; false when there is none.
bool Follower::load_next(std::unique_lock<std::mutex>& lock) {
  for (const auto& [name, model] : models_) {
    for (const v1::PlannedVersion& version : model.wanted.versions()) {
      const Attempt& attempt = model.attempts.at(version.version());
      if (attempt.state == State::READY || attempt.due > steady_clock::now()) continue;
      const std::string model_name = name;
      const v1::PlannedVersion planned = version;
      lock.unlock();
      finish_load(model_name, planned, hooks_.load(model_name, planned));
      hooks_.changed();
      lock.lock();
      return true;
    }
  }
  return false;
}

void Follower::finish_load(const std::string& name, const v1::PlannedVersion& planned,
                           Result<VersionPtr> loaded) {
  std::lock_guard lock(mutex_);
  Followed& model = followed(name);
  const auto found = model.attempts.find(planned.version());
  // Another plan may have come meanwhile.
  if (found == model.attempts.end() || found->second.manifest != planned.manifest()) return;
  Attempt& attempt = found->second;
  if (loaded.ok()) {
    attempt.state = State::READY;
    attempt.message.clear();
    model.loaded[planned.version()] = std::move(loaded).value();
    log_info("version is ready", {{"model", name}, {"version", planned.version()}});
  } else {
    attempt.state = State::FAILED;
    attempt.message = loaded.status().to_string();
    attempt.due = steady_clock::now() + options_.retry;
    log_error("version failed and gets no traffic",
              {{"model", name}, {"version", planned.version()}, {"why", attempt.message}});
  }
  settle(model);
}

// Puts the wanted plan into force when it can be.
void Follower::settle(Followed& model) {
  bool all = true, live = true;
  for (const v1::PlannedVersion& version : model.wanted.versions()) {
    const State::State state = model.attempts.at(version.version()).state;
    if (state == State::LOADING) return;
    all = all && state == State::READY;
    live = live && (state == State::READY || version.role() != v1::LIVE);
  }
  const auto current = model.slot->snapshot();
  Snapshot next = make_snapshot(model.wanted, model.loaded);
  // Without anything in service, some of a plan is better than none of it.
  const bool better_than_nothing = (!current || !current->ready()) && next.ready();
  if (!live && !better_than_nothing) return;
  crash_point("plan-swapping");
  model.slot->swap(std::move(next));
  crash_point("plan-swapped");
  ++swaps_;
  if (!all) return;
  model.in_force = model.wanted.revision();
  std::erase_if(model.loaded, [&](const auto& item) { return !model.attempts.contains(item.first); });
  log_info("serving plan is in force", {{"model", model.slot->name()}, {"revision", model.in_force}});
  model.to_keep = model.wanted.SerializeAsString();
  news_ = true;
  changed_.notify_all();
}

// Writes one plan that came into force to the state folder, without the lock; false when there is none.
bool Follower::keep_next(std::unique_lock<std::mutex>& lock) {
  for (auto& [name, model] : models_) {
    if (model.kept == model.to_keep) continue;
    model.kept = model.to_keep;
    const std::string bytes = model.to_keep;
    const fs::path path = kept_path(name);
    const std::vector<std::string> manifests = needed();
    lock.unlock();
    crash_point("plan-keeping");
    const Status written = write_file_durably(path, bytes);
    crash_point("plan-kept");
    if (!written.ok())
      log_warning("serving plan could not be kept for the next start", {{"why", written.message()}});
    if (written.ok()) hooks_.retain(manifests);
    lock.lock();
    return true;
  }
  return false;
}

std::vector<std::string> Follower::needed() const {
  std::vector<std::string> manifests;
  for (const auto& [name, model] : models_) {
    for (const auto& version : model.wanted.versions()) manifests.push_back(version.manifest());
    v1::ServingPlan kept;
    kept.ParseFromString(model.kept);
    for (const auto& version : kept.versions()) manifests.push_back(version.manifest());
  }
  return manifests;
}

ModelSlot* Follower::find(std::string_view model) const {
  std::lock_guard lock(slots_mutex_);
  const auto found = slots_.find(model);
  return found == slots_.end() ? nullptr : found->second;
}

std::vector<ModelSlot*> Follower::slots() const {
  std::lock_guard lock(slots_mutex_);
  std::vector<ModelSlot*> out;
  for (const auto& [name, slot] : slots_) out.push_back(slot);
  return out;
}

uint64_t Follower::swaps() const {
  std::lock_guard lock(mutex_);
  return swaps_;
}

bool Follower::splits_traffic() const {
  std::lock_guard lock(mutex_);
  for (const auto& [name, model] : models_) {
    int live = 0;
    for (const v1::PlannedVersion& planned : model.wanted.versions()) live += planned.role() == v1::LIVE;
    if (live > 1) return true;
  }
  return false;
}

std::vector<v1::NodeReport> Follower::reports() const {
  std::lock_guard lock(mutex_);
  std::vector<v1::NodeReport> out;
  for (const auto& [name, model] : models_) {
    v1::NodeReport& report = out.emplace_back();
    report.set_model(name);
    report.set_revision(model.in_force);
    report.set_newest_event_us(model.slot->newest_event_us());
    report.set_idle(model.slot->idle());
    for (const auto& [number, attempt] : model.attempts) {
      v1::VersionHealth& health = *report.add_versions();
      health.set_version(number);
      health.set_state(attempt.state);
      health.set_message(attempt.message);
      const auto loaded = model.loaded.find(number);
      if (loaded == model.loaded.end()) continue;
      health.set_answered(loaded->second->health.answered.load());
      health.set_failed(loaded->second->health.failed.load());
      health.set_latency_p99_ms(loaded->second->health.latencies.quantile(0.99));
    }
  }
  return out;
}

}  // namespace rekindle::serving
