// The one thread's hold on core::State: commands are decided and applied in memory at once; whoever waits
// for a reply, every watcher and every effect waits until the journal holds what was decided.
//
// Invariant: nothing leaves the process that is not durable. Knows no HTTP and no files.
// All calls on the thread of `io`.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "coordinator/changes.h"
#include "coordinator/journal/commit_thread.h"
#include "core/command.h"
#include "core/decide.h"
#include "core/state.h"
#include "core/wanted.h"

namespace rekindle::coordinator {

struct CoreLoopOptions {
  core::place::Cluster cluster = core::place::one_host(1);  // pools and their nodes
  // A restart replays at most about this many events, or as many as there are runs.
  uint64_t snapshot_every = 2'000;
  // Wishes are refused while this many events wait for the disk.
  uint64_t backlog_max = 100'000;
  // In a simulation: how a failed commit ends the process, by an exception.
  std::function<void()> end_process;
  // In a simulation: who takes the journal's turns; and what is told, in place of the timer, how long it is
  // until tick() is due, nothing: it is not.
  Hands* hands = nullptr;
  std::function<void(std::optional<Micros>)> alarm;
};

// What the loop drives and asks, set once before begin().
struct CoreSeams {
  std::function<void(const std::vector<core::Effect>&)> perform;          // idempotent, returns at once
  std::function<std::map<std::string, registry::ServingView>()> serving;  // of live nodes
  std::function<std::map<RunId, int64_t>()> saved;               // when attempts last committed a checkpoint
  std::function<void(double seconds, size_t events)> on_commit;  // on the journal's thread
};

struct Accepted {
  core::Decision decision;
  uint64_t seq = 0;  // durable when the answer may go out
};

class CoreLoop {
 public:
  CoreLoop(boost::asio::io_context& io, const Clock& clock, CoreLoopOptions options);
  ~CoreLoop();

  // Reads the journal into the state. Refuses a damaged one.
  Status load(std::unique_ptr<Journal> journal);
  // Performs what the state wants and arms the timer: adoption after a restart.
  void begin(CoreSeams seams);

  const core::State& state() const { return state_; }
  // Without the nodes that are closed by operators or for their faults.
  const core::place::Cluster& cluster() const;
  // Pools or nodes have changed: what waits is looked at again.
  void set_cluster(core::place::Cluster cluster);
  // Wall time at start, or the journal's newest if that is later, plus monotonic time: a jump of the host's
  // clock moves nothing.
  Time now() const;
  core::World world() const;

  // Decided and applied; the commit is under way.
  Result<Accepted> submit(const core::Command& command, std::string_view actor = core::kSelf);
  // Looks again: time has passed, or the outside has changed.
  void tick();
  // As submit(), durable when it returns.
  boost::asio::awaitable<Result<Accepted>> commit(core::Command command, std::string actor);
  // Until everything that is in memory now is durable. For replies that read the state.
  boost::asio::awaitable<void> durable();
  boost::asio::awaitable<void> durable(uint64_t seq);
  uint64_t durable_seq() const { return durable_seq_; }

  // Told after each commit, and by whoever changes what watchers show.
  Changes& changes() { return changes_; }

  // On the journal's thread, after what was handed in before; to be awaited here.
  template <typename R>
  boost::asio::awaitable<R> ask_journal(std::function<R(Journal&)> question);
  boost::asio::awaitable<Result<std::vector<v1::Event>>> events_about(std::string subject);
  // One that has left the state, from its events; not_found: there never was one.
  boost::asio::awaitable<Result<v1::Run>> past_run(std::string id);

  // Writes a snapshot and everything that waits, then lets go of the journal.
  void stop();

 private:
  void on_durable(uint64_t seq);
  void after_change();
  void want();
  void perform_if_durable();
  void arm_timer();

  boost::asio::io_context& io_;
  const Clock& clock_;
  CoreLoopOptions options_;
  std::shared_ptr<const core::place::Cluster> cluster_;       // as the outside says
  mutable std::shared_ptr<const core::place::Cluster> open_;  // of it, as of nodes_seq_
  mutable uint64_t nodes_seq_ = 0;
  CoreSeams seams_;
  core::State state_;
  Time wall_start_;
  std::chrono::steady_clock::time_point monotonic_start_;
  std::unique_ptr<CommitThread> journal_;
  uint64_t durable_seq_ = 0;
  uint64_t snapshot_seq_ = 0;
  bool begun_ = false;
  // Effects wanted by the state at wanted_seq_, performed once that is durable.
  std::vector<core::Effect> wanted_;
  uint64_t wanted_seq_ = 0;
  bool wanted_pending_ = false;
  Changes durable_changes_;
  Changes changes_;
  boost::asio::steady_timer timer_;
};

template <typename R>
boost::asio::awaitable<R> CoreLoop::ask_journal(std::function<R(Journal&)> question) {
  auto answer = std::make_shared<std::optional<R>>();
  journal_->query([this, answer, question = std::move(question)](Journal& journal) {
    auto found = std::make_shared<R>(question(journal));
    boost::asio::post(io_, [this, answer, found] {
      answer->emplace(std::move(*found));
      durable_changes_.notify();
    });
  });
  while (!answer->has_value()) co_await durable_changes_.wait();
  co_return std::move(**answer);
}

}  // namespace rekindle::coordinator
