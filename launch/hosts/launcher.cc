#include "launch/hosts/launcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "base/text/shell.h"
#include "launch/hosts/agent.h"
#include "launch/hosts/gang_hosts.h"
#include "launch/hosts/parts.h"
#include "launch/hosts/watch.h"

namespace rekindle::launch {
namespace {

v1::HostsLaunch launch_of(const v1::HostsPool& pool, const LauncherOptions& programs) {
  v1::HostsLaunch out;
  *out.mutable_pool() = pool;
  out.mutable_pool()->clear_inventory();
  const auto there = [&pool](const fs::path& here, std::string_view name) {
    return (pool.programs().empty() ? fs::absolute(here) : fs::path(pool.programs()) / name).string();
  };
  out.set_gang(there(programs.gang_program, "rekindle-gang"));
  out.set_trainer(there(programs.trainer_program, "rekindle-trainer"));
  return out;
}

// Ends what gangs that died without a word may have left on their hosts, one attempt after the other.
class Sweeper {
 public:
  Sweeper() : thread_([this] { loop(); }) {}
  ~Sweeper() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    give_up_ = true;
    wake_.notify_one();
    thread_.join();
  }

  // Whether it has been done; asked the first time, it is begun.
  bool swept(const AttemptFolder& folder, const std::string& scratch) {
    std::lock_guard lock(mutex_);
    const auto [found, fresh] = attempts_.try_emplace(folder.root(), Attempt{scratch, false});
    if (fresh) wake_.notify_one();
    return found->second.done;
  }

 private:
  struct Attempt {
    std::string scratch;
    bool done = false;
  };

  void loop() {
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto due = [this] {
        return std::find_if(attempts_.begin(), attempts_.end(),
                            [](const auto& one) { return !one.second.done; });
      };
      wake_.wait(lock, [&] { return stopping_ || due() != attempts_.end(); });
      if (stopping_) return;
      const auto [root, attempt] = *due();
      lock.unlock();
      sweep(AttemptFolder(root), attempt.scratch);
      lock.lock();
      if (const auto found = attempts_.find(root); found != attempts_.end()) found->second.done = true;
    }
  }

  void sweep(const AttemptFolder& folder, const std::string& scratch) {
    const Result<std::optional<v1::HostsLaunch>> launch = folder.read_hosts();
    const Result<v1::Plan> plan = folder.read_plan();
    if (!launch.ok() || !launch->has_value() || !plan.ok()) return;
    std::vector<std::string> hosts;
    for (const v1::NodeShare& share : plan->shares()) hosts.push_back(share.node());
    const HostPart part{.part = "sweep",
                        .folder = fs::absolute(folder.root()),
                        .scratch = scratch,
                        .trainer = {},
                        .host = {},
                        .nonce = {}};
    ask_hosts((*launch)->pool(), hosts,
              [&](const std::string&) { return host_command((*launch)->gang(), part); }, &give_up_);
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<fs::path, Attempt> attempts_;
  bool stopping_ = false;
  std::atomic<bool> give_up_ = false;
  std::thread thread_;
};

class HostsLauncher final : public Launcher {
 public:
  HostsLauncher(v1::Pool pool, LauncherOptions programs)
      : pool_(std::move(pool)),
        launch_(launch_of(pool_.hosts(), programs)),
        here_(make_local_launcher(std::move(programs))),
        watch_(pool_.hosts(), launch_.gang()) {}

  Status start(const AttemptFolder& folder) override {
    const v1::Plan plan = TRY(folder.read_plan());
    if (plan.shares().empty())
      return failed_precondition(fmt::format("the plan of {} names no hosts", folder.root().string()));
    // The gang's own from then on: an edit of the pool changes nothing for it.
    if (!TRY(folder.read_hosts()).has_value()) TRY_STATUS(folder.write_hosts(launch_));
    return here_->start(folder);
  }

  Status signal(const AttemptFolder& folder, Signal signal) override { return here_->signal(folder, signal); }

  Result<GangState> probe(const AttemptFolder& folder) override {
    GangState state = TRY(here_->probe(folder));
    if (state.kind == GangState::kEnded && !state.exit->host().empty())
      watch_.doubt(state.exit->host(), state.exit->ended_us(), state.exit->note());
    if (state.kind != GangState::kLost) return state;
    if (sweeper_.swept(folder, state.gang ? state.gang->scratch() : "")) return state;
    state.kind = GangState::kAlive;
    state.detail = "the gang is gone; its hosts are being swept";
    return state;
  }

  std::string trouble(const std::string&) override {
    const std::vector<NodeSight> sights = watch_.sights();
    const auto silent = std::count_if(sights.begin(), sights.end(),
                                      [](const NodeSight& one) { return one.kind == NodeSight::kSilent; });
    if (silent == 0) return {};
    return fmt::format("{} of {} hosts do not answer: `rekindle nodes` names them", silent, sights.size());
  }

  std::vector<NodeSight> nodes(const std::string&) override { return watch_.sights(); }

 private:
  const v1::Pool pool_;
  const v1::HostsLaunch launch_;
  const std::unique_ptr<Launcher> here_;
  Sweeper sweeper_;
  HostWatch watch_;
};

}  // namespace

std::unique_ptr<Launcher> make_hosts_launcher(v1::Pool pool, LauncherOptions programs) {
  return std::make_unique<HostsLauncher>(std::move(pool), with_programs(std::move(programs)));
}

std::string hosts_launch_text(const v1::Pool& pool, const LauncherOptions& programs, const v1::Plan& plan,
                              const AttemptFolder& folder) {
  const LauncherOptions filled = with_programs(programs);
  GangOptions gang;
  gang.folder = folder.root();
  gang.hosts = launch_of(pool.hosts(), filled);
  const HostPart proof{.part = "prove",
                       .folder = gang.folder,
                       .scratch = "SCRATCH",
                       .trainer = gang.hosts->trainer(),
                       .host = plan.shares_size() > 0 ? plan.shares(0).node() : "HOST",
                       .nonce = plan.start_nonce()};
  return fmt::format(
      "{}\n\nwhich proves on each host that it sees the attempt's folder:\n{}\n\nand starts the "
      "ranks:\n{}\n\n{}:\n{}",
      shell_line({filled.gang_program.string(), "--folder", gang.folder.string(), "--trainer",
                  filled.trainer_program.string()}),
      shell_line(on_host(gang.hosts->pool(), proof.host, host_command(gang.hosts->gang(), proof))),
      shell_line(hosts_command(gang, plan, "SCRATCH", hostfile_of(folder))), hostfile_of(folder).string(),
      hostfile_text(plan));
}

}  // namespace rekindle::launch
