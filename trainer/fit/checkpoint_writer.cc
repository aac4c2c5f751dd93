#include "trainer/fit/checkpoint_writer.h"

#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "trainer/gpu/device.h"

namespace rekindle::trainer {
namespace {

using SteadyClock = std::chrono::steady_clock;

double seconds_since(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

}  // namespace

CheckpointWriter::CheckpointWriter(const CheckpointFolder& folder, const Layout& layout,
                                   const v1::Checkpoints& spec, Reporter* reporter)
    : folder_(folder), layout_(layout), spec_(spec), reporter_(reporter), thread_([this] { serve(); }) {}

CheckpointWriter::~CheckpointWriter() {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stage_ == Stage::kIdle; });
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool CheckpointWriter::idle() {
  std::lock_guard lock(mutex_);
  return stage_ == Stage::kIdle;
}

void CheckpointWriter::begin(v1::CheckpointState state, const Groups& groups) {
  // The thread reads on a stream of its own, which waits for nobody.
  if (!groups.empty()) wait_for_gpu(groups[0].second.device());
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return stage_ == Stage::kIdle; });
    checkpoint_.state = std::move(state);
    groups_ = groups;
    stall_ = 0;
    stage_ = Stage::kAsked;
  }
  changed_.notify_all();
}

double CheckpointWriter::taken() {
  std::unique_lock lock(mutex_);
  if (stage_ != Stage::kAsked) return 0;
  const auto begun = SteadyClock::now();
  changed_.wait(lock, [this] { return stage_ != Stage::kAsked; });
  const double seconds = seconds_since(begun);
  stall_ += seconds;
  return seconds;
}

Status CheckpointWriter::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stage_ == Stage::kIdle; });
  return last_;
}

double CheckpointWriter::longest_seconds() {
  std::lock_guard lock(mutex_);
  return longest_;
}

void CheckpointWriter::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || stage_ == Stage::kAsked; });
    if (stopping_) return;
    lock.unlock();
    for (const auto& [name, tensor] : groups_) {
      FlatBuffer& copy = checkpoint_.groups[name];
      copy.resize(layout_.size());
      FlatParameters::copy_to_host(tensor, copy);
    }
    lock.lock();
    groups_.clear();
    stage_ = Stage::kTaken;
    changed_.notify_all();
    lock.unlock();
    commit();
    lock.lock();
    stage_ = Stage::kIdle;
    changed_.notify_all();
  }
}

void CheckpointWriter::commit() {
  const auto begun = SteadyClock::now();
  auto folder = folder_.commit(layout_, checkpoint_, spec_.keep(), spec_.best());
  const double seconds = seconds_since(begun);
  double stall = 0;
  {
    std::lock_guard lock(mutex_);
    last_ = folder.status();
    longest_ = std::max(longest_, seconds);
    stall = stall_;
  }
  const uint64_t step = checkpoint_.state.step();
  if (!folder.ok()) {
    log_warning("a checkpoint could not be written", {{"step", step}, {"reason", folder.status().message()}});
    if (reporter_ != nullptr)
      reporter_->note("checkpoint step-" + std::to_string(step) +
                      " could not be written, the one before stays: " + folder.status().message());
    return;
  }
  if (reporter_ == nullptr) return;
  v1::CheckpointCommitted committed;
  committed.set_step(step);
  committed.set_folder(folder->string());
  committed.set_seconds(seconds);
  committed.set_stall_seconds(stall);
  committed.set_world(checkpoint_.state.world());
  reporter_->checkpoint(committed);
}

}  // namespace rekindle::trainer
