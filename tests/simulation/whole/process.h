// One process of the coordinator, put together as coordinator/daemon.cc does, without HTTP and event intake.
// It dies when it is destroyed; nothing of it that was not durable is there afterwards.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>

#include "coordinator/attempts/effects.h"
#include "coordinator/core_loop.h"
#include "coordinator/loop/nodes.h"
#include "tests/simulation/whole/local.h"
#include "tests/simulation/whole/slurm.h"
#include "tests/simulation/whole/store.h"
#include "tests/simulation/whole/turns.h"

namespace rekindle::whole {

// What lies around it and outlives it.
struct Surroundings {
  Outside& outside;
  Disk& disk;
  artifacts::Store& store;
  Gangs& gangs;
  Slurm& slurm;
  fs::path state;
};

class Process {
 public:
  explicit Process(const Surroundings& around);
  ~Process();

  // Takes the state folder, replays the journal and adopts what runs.
  Status start();
  // Writes what waits and lets go, as on SIGTERM.
  void stop();

  // One of the things that are due, as the dice fall; false: nothing was.
  bool take_turn();
  std::optional<Instant> next() const;

  boost::asio::io_context& io() { return io_; }
  coordinator::CoreLoop& core() { return *core_; }
  coordinator::Nodes& nodes() { return nodes_; }
  const coordinator::Effects& effects() const { return *effects_; }

 private:
  void use_pools();
  void look_at_pools();
  bool keep_house();

  Surroundings around_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Turns turns_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_{io_.get_executor()};
  std::optional<coordinator::StateFolder> folder_;
  std::optional<coordinator::Pools> pools_;
  coordinator::Nodes nodes_;
  coordinator::TaskThreads threads_;
  std::unique_ptr<launch::Launcher> launcher_;
  std::unique_ptr<coordinator::CoreLoop> core_;
  std::unique_ptr<coordinator::Effects> effects_;
  std::optional<Instant> alarm_;  // the core's timer
  Instant housekeeping_;
};

}  // namespace rekindle::whole
