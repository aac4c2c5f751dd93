#include "coordinator/task_threads.h"

namespace rekindle::coordinator {

TaskThreads::TaskThreads(boost::asio::io_context& io, size_t threads, Hands* hands) : io_(io) {
  for (size_t i = 0; i < threads; ++i)
    workers_.push_back(std::make_unique<Worker>([this] { return turn(); }, hands));
}

TaskThreads::~TaskThreads() {
  stop();
}

void TaskThreads::post(std::function<void()> task) {
  {
    std::lock_guard lock(mutex_);
    if (stopping_) return;
    tasks_.push_back(std::move(task));
  }
  for (const auto& worker : workers_) worker->wake();
}

void TaskThreads::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  for (const auto& worker : workers_) worker->stop();
  while (turn().has_value()) {
  }
}

size_t TaskThreads::waiting() const {
  std::lock_guard lock(mutex_);
  return tasks_.size();
}

std::optional<Micros> TaskThreads::turn() {
  std::function<void()> task;
  {
    std::lock_guard lock(mutex_);
    if (tasks_.empty()) return std::nullopt;
    task = std::move(tasks_.front());
    tasks_.pop_front();
  }
  task();
  return Micros(0);
}

}  // namespace rekindle::coordinator
