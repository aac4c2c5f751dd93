#include "launch/pools.h"

#include <fmt/format.h>

#include <map>
#include <mutex>

#include "jobs/pools/pools.h"
#include "launch/gang/gang.h"
#include "launch/hosts/launcher.h"
#include "launch/slurm/launcher.h"

namespace rekindle::launch {
namespace {

class PoolLauncher final : public Launcher {
 public:
  PoolLauncher(LauncherOptions options, slurm::Identities identities, std::shared_ptr<Launcher> local,
               slurm::Host host)
      : options_(with_programs(std::move(options))),
        identities_(std::move(identities)),
        local_(local ? std::move(local) : make_local_launcher(options_)),
        host_(std::move(host)) {}

  void use(const v1::PoolsFile& pools) override {
    local_->use(pools);
    std::map<std::string, Elsewhere> next;
    std::map<std::string, Elsewhere> before;
    {
      std::lock_guard lock(mutex_);
      for (const v1::Pool& pool : pools.pools()) {
        if (pool.has_local()) continue;
        const std::string how = how_of(pool);
        const auto known = elsewhere_.find(pool.name());
        // One that stays as it was goes on with what it has heard.
        if (known != elsewhere_.end() && known->second.how == how)
          next.emplace(pool.name(), known->second);
        else
          next.emplace(pool.name(), Elsewhere{how, {}});
      }
      before.swap(elsewhere_);
      elsewhere_.swap(next);
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
    std::map<std::string, std::shared_ptr<Launcher>> launchers;
    {
      std::lock_guard lock(mutex_);
      const auto found = elsewhere_.find(pool);
      if (found == elsewhere_.end()) return {};
      launchers = found->second.of;
    }
    std::string all;
    for (const auto& [owner, launcher] : launchers) {
      const std::string one = launcher->trouble(pool);
      if (one.empty()) continue;
      all += fmt::format("{}{}{}", all.empty() ? "" : "; ", owner.empty() ? "" : "for " + owner + ": ", one);
    }
    return all;
  }

  std::vector<NodeSight> nodes(const std::string& pool) override {
    std::shared_ptr<Launcher> hosts;
    {
      std::lock_guard lock(mutex_);
      const v1::Pool* spec = jobs::find_pool(pools_, pool);
      if (spec != nullptr && spec->has_hosts()) hosts = elsewhere(*spec, "");
    }
    return hosts ? hosts->nodes(pool) : std::vector<NodeSight>();
  }

 private:
  // What does not run on this host.
  struct Elsewhere {
    std::string how;
    std::map<std::string, std::shared_ptr<Launcher>> of;  // by owner; one of nobody's where it submits as us
  };
  struct Names {
    std::string pool, owner;
  };
  struct Chosen {
    std::shared_ptr<Launcher> launcher;  // null: the pool is not there
    v1::Pool pool;
    std::string lack;
  };

  static std::string how_of(const v1::Pool& pool) {
    if (pool.has_slurm()) return "slurm " + pool.slurm().SerializeAsString();
    // What a host has is the scheduler's affair.
    v1::HostsPool hosts = pool.hosts();
    for (v1::Host& host : *hosts.mutable_inventory()) {
      v1::Host bare;
      bare.set_name(host.name());
      host = std::move(bare);
    }
    return "hosts " + hosts.SerializeAsString();
  }

  Result<Chosen> choose(const AttemptFolder& folder) {
    Names names;
    {
      std::lock_guard lock(mutex_);
      if (const auto found = names_.find(folder.root()); found != names_.end()) names = found->second;
    }
    if (names.pool.empty()) {
      // One that a power failure tore is of this host: others are synced.
      Result<v1::Plan> plan = folder.read_plan();
      if (plan.status().code() == Code::kDataLoss) plan = v1::Plan();
      if (!plan.ok()) return plan.status();
      names = {plan->spec().pool().empty() ? "local" : plan->spec().pool(), plan->submitted_by()};
    }
    std::lock_guard lock(mutex_);
    if (names_.size() >= kNamesMost) names_.clear();
    names_[folder.root()] = names;
    Chosen out;
    const v1::Pool* pool = jobs::find_pool(pools_, names.pool);
    if (pool == nullptr) {
      out.lack = fmt::format(
          "pool '{}' is not in pools.yaml: put it back, nothing is known of its attempts "
          "until then",
          names.pool);
      return out;
    }
    out.pool = *pool;
    out.launcher = pool->has_local() ? local_ : elsewhere(*pool, names.owner);
    return out;
  }

  // Under the lock. Made when it is first asked for.
  std::shared_ptr<Launcher> elsewhere(const v1::Pool& pool, const std::string& owner) {
    const bool own = pool.has_slurm() && pool.slurm().submit_as() == v1::SlurmPool::OWNER;
    std::shared_ptr<Launcher>& found = elsewhere_.at(pool.name()).of[own ? owner : ""];
    if (found) return found;
    if (pool.has_hosts()) return found = make_hosts_launcher(pool, options_);
    Whose whose;
    if (own) whose = [this, pool = pool.name(), owner] { return identities_(pool, owner); };
    return found = make_slurm_launcher(pool, options_, std::move(whose), host_);
  }

  static constexpr size_t kNamesMost = 10'000;  // remembered only so as not to read plans again
  const LauncherOptions options_;
  const slurm::Identities identities_;
  const std::shared_ptr<Launcher> local_;
  const slurm::Host host_;
  std::mutex mutex_;
  v1::PoolsFile pools_;
  std::map<std::string, Elsewhere> elsewhere_;  // by pool
  std::map<fs::path, Names> names_;             // by attempt
};

}  // namespace

std::unique_ptr<Launcher> make_pool_launcher(LauncherOptions options, slurm::Identities identities,
                                             std::shared_ptr<Launcher> local, slurm::Host host) {
  return std::make_unique<PoolLauncher>(std::move(options), std::move(identities), std::move(local),
                                        std::move(host));
}

std::string launch_text(const v1::Pool& pool, const LauncherOptions& options, const v1::Plan& plan,
                        const AttemptFolder& folder) {
  if (pool.has_slurm()) return slurm_launch_text(pool, options, plan, folder);
  if (pool.has_hosts()) return hosts_launch_text(pool, options, plan, folder);
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
