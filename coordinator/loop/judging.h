// Where event intake meets the core: asks the event store to settle days and to judge sealed slots, in order,
// and tells the core. The two meet in nothing else.
//
// Determinism: for one clock, first the days that settled, then each sealed slot, oldest first; each answer
// durable before the next question. What is asked depends on the state and the watermark alone.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "artifacts/store.h"
#include "coordinator/core_loop.h"
#include "coordinator/loop/nodes.h"
#include "coordinator/task_threads.h"
#include "events/round.h"

namespace rekindle::coordinator {

class Judging {
 public:
  // `events_worker` is the one thread that the event store is used on.
  Judging(CoreLoop& core, Nodes& nodes, events::EventStore& events, const artifacts::Store& store,
          TaskThreads& events_worker);

  // Everything that the model's watermark has settled and sealed; durable when it returns.
  boost::asio::awaitable<Status> judge(std::string model);

  // In a replay the replay's clock minus lateness, else the least newest event time over the live nodes that
  // are not idle (the wall clock without such a node), minus lateness; never goes back.
  int64_t watermark_us(const std::string& model);

  // Once a second of the timer: models whose clock is the wall's.
  boost::asio::awaitable<void> judge_wall_clock_models();

  uint64_t windows_judged() const { return windows_judged_; }
  uint64_t days_settled() const { return days_settled_; }

 private:
  std::shared_ptr<events::Question> question(const std::string& model);
  boost::asio::awaitable<Result<bool>> judge_once(std::string model);
  boost::asio::awaitable<Status> recover(std::string model);

  CoreLoop& core_;
  Nodes& nodes_;
  events::EventStore& events_;
  const artifacts::Store& store_;
  TaskThreads& task_threads_;
  std::shared_ptr<events::Profiles> profiles_;  // used on the events thread alone
  std::set<std::string> busy_;
  std::set<std::string> recovered_;
  std::map<std::string, int64_t> watermarks_;  // of models on the wall clock
  uint64_t windows_judged_ = 0;
  uint64_t days_settled_ = 0;
};

}  // namespace rekindle::coordinator
