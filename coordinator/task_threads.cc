#include "coordinator/task_threads.h"

namespace rekindle::coordinator {

TaskThreads::TaskThreads(boost::asio::io_context& io, size_t threads) : io_(io) {
  for (size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { loop(); });
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
  wake_.notify_one();
}

void TaskThreads::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
}

size_t TaskThreads::waiting() const {
  std::lock_guard lock(mutex_);
  return tasks_.size();
}

void TaskThreads::loop() {
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace rekindle::coordinator
