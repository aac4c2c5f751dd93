#include "coordinator/pools.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/clock.h"
#include "base/log.h"
#include "core/place/outside.h"
#include "jobs/pools/pools.h"

namespace rekindle::coordinator {
namespace {

constexpr uint64_t kFileBytesMax = 2 << 20;

// What an edit would take away from under live attempts; empty: nothing.
std::string taken_away(const v1::PoolsFile& before, const v1::PoolsFile& after,
                       const std::set<std::string>& in_use) {
  for (const std::string& name : in_use) {
    const v1::Pool* had = jobs::find_pool(before, name);
    const v1::Pool* has = jobs::find_pool(after, name);
    if (had == nullptr || (has != nullptr && has->launcher_case() == had->launcher_case())) continue;
    return fmt::format("pool '{}' has attempts under way: keep it as it was until they have ended", name);
  }
  return {};
}

// What a cluster takes at once of ours where no limit is set: more than any has, few enough to count with.
constexpr uint32_t kClusterSlots = 100'000;
constexpr uint32_t kClusterGpus = 10'000;

core::place::Pool hosts_of(const v1::HostsPool& hosts) {
  core::place::Pool out;
  out.suspects = {hosts.suspect().faults(), hosts.suspect().of()};
  for (const v1::Host& host : hosts.inventory()) {
    core::place::Node& node = out.nodes.emplace_back();
    node.name = host.name();
    node.room = {host.slots(), host.gpus(), host.memory()};
    node.labels.insert(host.labels().begin(), host.labels().end());
  }
  return out;
}

core::place::Pool nodes_of(const v1::Pool& pool, const Options& options) {
  if (pool.has_hosts()) return hosts_of(pool.hosts());
  core::place::Pool out;
  core::place::Node node;
  if (pool.has_local()) {
    node.name = core::place::kThisHost;
    node.room.slots = pool.local().slots() > 0 ? pool.local().slots() : options.slots;
    node.room.gpus = pool.local().has_gpus() ? pool.local().gpus() : options.gpus;
  } else {
    node.name = core::place::kOutside;
    node.room.slots = kClusterSlots;
    node.room.gpus = pool.slurm().gpu().empty() ? 0 : kClusterGpus;
  }
  const v1::PoolLimits& limits = pool.limits();
  if (limits.ranks() > 0) node.room.slots = std::min(node.room.slots, limits.ranks());
  if (limits.gpus() > 0) node.room.gpus = std::min(node.room.gpus, limits.gpus());
  out.nodes.push_back(std::move(node));
  return out;
}

}  // namespace

core::place::Cluster cluster_of(const v1::PoolsFile& pools, const Options& options,
                                const std::vector<v1::Credential>& credentials) {
  core::place::Cluster out;
  for (const v1::Pool& pool : pools.pools()) {
    core::place::Pool& made = out[pool.name()] = nodes_of(pool, options);
    made.runs = pool.limits().runs();
    if (pool.slurm().submit_as() != v1::SlurmPool::OWNER) continue;
    made.owners.emplace();
    for (const v1::Credential& one : credentials)
      if (one.pool() == pool.name())
        (*made.owners)[one.owner()] = one.expires_us() == 0 ? core::place::kForever : one.expires_us();
  }
  return out;
}

void close_silent(core::place::Pool& pool, const std::vector<launch::NodeSight>& sights) {
  for (const launch::NodeSight& sight : sights) {
    if (sight.kind == launch::NodeSight::kAnswers) continue;
    for (core::place::Node& node : pool.nodes)
      if (node.name == sight.node)
        node.closed =
            sight.kind == launch::NodeSight::kUnheard
                ? "has not answered yet"
                : fmt::format("unreachable{}{}: {}", sight.answered_us > 0 ? ", last heard at " : "",
                              sight.answered_us > 0 ? format_time(time_from_micros(sight.answered_us)) : "",
                              sight.detail);
  }
}

Pools::Pools(fs::path file) : file_(std::move(file)), now_(jobs::default_pools()) {}

Status Pools::load() {
  stamp_ = stamp();
  now_ = TRY(read());
  return ok_status();
}

bool Pools::refresh(const std::set<std::string>& in_use) {
  std::string stamp = this->stamp();
  // What stood in the way of an edit may have gone since.
  if (stamp == stamp_ && problem_.empty()) return false;
  const bool fresh = stamp != stamp_;
  stamp_ = std::move(stamp);
  Result<v1::PoolsFile> next = read();
  std::string problem = next.ok() ? taken_away(now_, *next, in_use) : next.status().message();
  if (!problem.empty() && (fresh || problem != problem_))
    log_error("pools.yaml not taken over: the pools before stay in force",
              {{"file", file_.string()}, {"problem", problem}});
  problem_ = std::move(problem);
  if (!problem_.empty() || next->SerializeAsString() == now_.SerializeAsString()) return false;
  now_ = std::move(*next);
  log_info("pools taken over", {{"file", file_.string()}, {"pools", now_.pools_size()}});
  return true;
}

Result<v1::PoolsFile> Pools::read() {
  const Result<std::string> text = read_file(file_, kFileBytesMax);
  found_ = text.ok() || text.status().code() != Code::kNotFound;
  if (!found_) return jobs::default_pools();
  if (!text.ok()) return text.status();
  return jobs::parse_pools(*text, file_.string());
}

std::string Pools::stamp() const {
  struct stat info {};
  if (::stat(file_.c_str(), &info) != 0) return {};
  return fmt::format("{}:{}:{}:{}", info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

}  // namespace rekindle::coordinator
