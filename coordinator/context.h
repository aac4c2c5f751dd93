// What the API's handlers work with: the daemon's parts by reference. Built once by Daemon, which owns them.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <string>

#include "artifacts/store.h"
#include "coordinator/attempts/effects.h"
#include "coordinator/audit.h"
#include "coordinator/core_loop.h"
#include "coordinator/loop/judging.h"
#include "coordinator/loop/nodes.h"
#include "coordinator/metrics.h"
#include "coordinator/options.h"
#include "coordinator/pools.h"
#include "coordinator/state_folder.h"
#include "coordinator/task_threads.h"
#include "events/store.h"

namespace rekindle::coordinator {

struct Context {
  boost::asio::io_context& io;
  const Clock& clock;
  const Options& options;
  const StateFolder& folder;
  const Pools& pools;
  launch::Launcher& launcher;
  artifacts::Store& store;
  CoreLoop& core;
  Effects& effects;
  Nodes& nodes;
  Judging& judging;
  events::EventStore& events;
  TaskThreads& events_worker;  // the event store's one thread
  TaskThreads& pool;           // whatever else blocks
  Metrics& metrics;
  Audit& audit;
  Time started;
  std::function<void()> shut_down;
  bool backing_up = false;
};

}  // namespace rekindle::coordinator
