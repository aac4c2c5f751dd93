#include "launch/pools.h"

#include <fmt/format.h>

#include <map>
#include <mutex>

#include "jobs/pools/pools.h"
#include "launch/gang/gang.h"
#include "launch/slurm/launcher.h"

namespace rekindle::launch {
namespace {

class PoolLauncher final : public Launcher {
 public:
  explicit PoolLauncher(LauncherOptions options)
      : options_(with_programs(std::move(options))), local_(make_local_launcher(options_)) {}

  void use(const v1::PoolsFile& pools) override {
    std::map<std::string, Slurm> next;
    std::map<std::string, Slurm> before;
    {
      std::lock_guard lock(mutex_);
      for (const v1::Pool& pool : pools.pools()) {
        if (!pool.has_slurm()) continue;
        const std::string how = pool.slurm().SerializeAsString();
        const auto known = slurm_.find(pool.name());
        // One that stays as it was goes on with what it has heard.
        if (known != slurm_.end() && known->second.how == how)
          next.emplace(pool.name(), known->second);
        else
          next.emplace(pool.name(), Slurm{how, make_slurm_launcher(pool, options_)});
      }
      before.swap(slurm_);
      slurm_.swap(next);
      pools_ = pools;
    }
    // Out of the lock: those that are gone end their commands first.
  }

  Status start(const AttemptFolder& folder) override {
    const v1::Plan plan = TRY(folder.read_plan());
    Chosen chosen = TRY(choose(folder));
    if (chosen.launcher == nullptr) return unavailable(chosen.lack);
    TRY_STATUS(jobs::check_pool(plan.spec(), chosen.pool));
    return chosen.launcher->start(folder);
  }

  Status signal(const AttemptFolder& folder, Signal signal) override {
    const Chosen chosen = TRY(choose(folder));
    if (chosen.launcher == nullptr) return unavailable(chosen.lack);
    return chosen.launcher->signal(folder, signal);
  }

  Result<GangState> probe(const AttemptFolder& folder) override {
    Result<Chosen> chosen = choose(folder);
    // A folder that is not there yet, or no more.
    if (!chosen.ok() && chosen.status().code() == Code::kNotFound) return GangState();
    if (!chosen.ok()) return chosen.status();
    if (chosen->launcher != nullptr) return chosen->launcher->probe(folder);
    // Nobody knows: neither dead nor to be started again.
    GangState state;
    state.gang = TRY(folder.read_gang());
    state.kind = GangState::kQueued;
    state.detail = chosen->lack;
    return state;
  }

  std::string trouble(const std::string& pool) override {
    std::shared_ptr<Launcher> launcher;
    {
      std::lock_guard lock(mutex_);
      const auto found = slurm_.find(pool);
      if (found == slurm_.end()) return {};
      launcher = found->second.launcher;
    }
    return launcher->trouble(pool);
  }

 private:
  struct Slurm {
    std::string how;
    std::shared_ptr<Launcher> launcher;
  };
  struct Chosen {
    std::shared_ptr<Launcher> launcher;  // null: the pool is not there
    v1::Pool pool;
    std::string lack;
  };

  Result<Chosen> choose(const AttemptFolder& folder) {
    std::string name;
    {
      std::lock_guard lock(mutex_);
      if (const auto found = names_.find(folder.root()); found != names_.end()) name = found->second;
    }
    if (name.empty()) {
      const v1::Plan plan = TRY(folder.read_plan());
      name = plan.spec().pool().empty() ? "local" : plan.spec().pool();
    }
    std::lock_guard lock(mutex_);
    if (names_.size() >= kNamesMost) names_.clear();
    names_[folder.root()] = name;
    Chosen out;
    const v1::Pool* pool = jobs::find_pool(pools_, name);
    if (pool == nullptr) {
      out.lack = fmt::format(
          "pool '{}' is not in pools.yaml: put it back, nothing is known of its attempts "
          "until then",
          name);
      return out;
    }
    out.pool = *pool;
    out.launcher = pool->has_slurm() ? slurm_.at(name).launcher : local_;
    return out;
  }

  static constexpr size_t kNamesMost = 10'000;  // remembered only so as not to read plans again
  const LauncherOptions options_;
  const std::shared_ptr<Launcher> local_;
  std::mutex mutex_;
  v1::PoolsFile pools_;
  std::map<std::string, Slurm> slurm_;     // by pool
  std::map<fs::path, std::string> names_;  // of pools, by attempt
};

}  // namespace

std::unique_ptr<Launcher> make_pool_launcher(LauncherOptions options) {
  return std::make_unique<PoolLauncher>(std::move(options));
}

std::string launch_text(const v1::Pool& pool, const LauncherOptions& options, const v1::Plan& plan,
                        const AttemptFolder& folder) {
  if (pool.has_slurm()) return slurm_launch_text(pool, options, plan, folder);
  const LauncherOptions programs = with_programs(options);
  GangOptions gang;
  gang.folder = folder.root();
  gang.trainer = programs.trainer_program;
  gang.self = programs.gang_program;
  const std::vector<std::string> supervisor = {gang.self.string(), "--folder", gang.folder.string(),
                                               "--trainer", gang.trainer.string()};
  const StartOfRanks ranks =
      start_of_ranks(gang, plan, "SCRATCH",
                     plan.spec().train().command_size() > 0
                         ? std::vector<std::string>{gang.self.string(), "rank", "--folder",
                                                    gang.folder.string(), "--trainer", gang.trainer.string()}
                         : rank_command(gang));
  return fmt::format("{}\n\nwhich starts:\n{}\n", fmt::join(supervisor, " "), fmt::join(ranks.argv, " "));
}

}  // namespace rekindle::launch
