// How a spec and a pool go together.
#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"
#include "jobs/pools/pools.h"
#include "jobs/ranks.h"
#include "proto/time.h"

namespace rekindle::jobs {
namespace {

std::vector<v1::Unheeded> unheeded_by_slurm(const v1::JobSpec& spec, const v1::SlurmPool& slurm) {
  std::vector<v1::Unheeded> out;
  const auto add = [&out](std::string field, std::string reason) {
    v1::Unheeded& one = out.emplace_back();
    one.set_field(std::move(field));
    one.set_reason(std::move(reason));
  };
  const RankRange ranks = rank_range(spec.train().ranks());
  if (ranks.elastic())
    add("train.ranks.min",
        "a job of Slurm's keeps its size from start to end: growing means a new job in Slurm's queue");
  const Micros attempt = from_proto(spec.train().limits().attempt());
  if (slurm.has_time() && attempt > from_proto(slurm.time()))
    add("train.limits.attempt",
        fmt::format("the pool's time limit of {} comes before {}: the ranks save and "
                    "leave then, and the next attempt goes on",
                    format_duration(from_proto(slurm.time())), format_duration(attempt)));
  if (spec.priority() != 0)
    add("priority", "it orders submissions alone: Slurm orders its queue by its own rules");
  return out;
}

std::vector<v1::Unheeded> unheeded_by_hosts(const v1::JobSpec& spec, const v1::HostsPool& hosts) {
  std::vector<v1::Unheeded> out;
  if (spec.train().ranks().memory() == 0) return out;
  for (const v1::Host& host : hosts.inventory()) {
    if (host.memory() > 0) continue;
    v1::Unheeded& one = out.emplace_back();
    one.set_field("train.ranks.memory");
    one.set_reason(
        fmt::format("the inventory says no `memory` of {}, which takes ranks all the same", host.name()));
    break;
  }
  return out;
}

void check_limits(const v1::JobSpec& spec, const v1::Pool& pool, std::vector<std::string>& wrong) {
  const RankRange ranks = rank_range(spec.train().ranks());
  const v1::PoolLimits& limits = pool.limits();
  const uint32_t gpus = ranks.min * spec.train().ranks().gpus();
  const auto over = [&](uint32_t limit, uint32_t asked, std::string_view name, std::string_view what) {
    if (limit != 0 && asked > limit)
      wrong.push_back(fmt::format("train.ranks: {} {} are asked for, limits.{} of pool {} allows {}", asked,
                                  what, name, pool.name(), limit));
  };
  // A gang of Slurm's has all its ranks or none.
  const uint32_t asked = pool.has_slurm() ? ranks.max : ranks.min;
  over(limits.ranks_per_run(), asked, "ranks_per_run", "ranks");
  over(limits.ranks(), asked, "ranks", "ranks");
  over(limits.gpus(), gpus, "gpus", "GPUs");
  const Micros attempt = from_proto(spec.train().limits().attempt());
  if (limits.has_attempt() && (attempt == Micros(0) || attempt > from_proto(limits.attempt())))
    wrong.push_back(fmt::format("train.limits.attempt: pool {} allows at most {}{}", pool.name(),
                                format_duration(from_proto(limits.attempt())),
                                attempt == Micros(0) ? ", and the spec says none: write one" : ""));
  if (pool.has_slurm() && spec.train().ranks().nodes_size() > 0)
    wrong.push_back(
        fmt::format("train.ranks.nodes: Slurm knows its nodes by features: name those in "
                    "`constraint` of pool {}, or take the labels out",
                    pool.name()));
  if (pool.has_slurm() && gpus > 0 && pool.slurm().gpu().empty())
    wrong.push_back(
        fmt::format("train.ranks.gpus: pool {} says no `gpu` in pools.yaml: name the type that its nodes "
                    "have there, or write gpus: 0",
                    pool.name()));
}

}  // namespace

std::vector<v1::Unheeded> unheeded(const v1::JobSpec& spec, const v1::Pool& pool) {
  std::vector<v1::Unheeded> out;
  if (pool.has_slurm()) out = unheeded_by_slurm(spec, pool.slurm());
  if (pool.has_hosts()) out = unheeded_by_hosts(spec, pool.hosts());
  for (v1::Unheeded& one : out)
    one.set_waived(std::find(spec.waive().begin(), spec.waive().end(), one.field()) != spec.waive().end());
  return out;
}

Status check_pool(const v1::JobSpec& spec, const v1::Pool& pool) {
  std::vector<std::string> wrong;
  check_limits(spec, pool, wrong);
  for (const v1::Unheeded& one : unheeded(spec, pool))
    if (!one.waived())
      wrong.push_back(fmt::format("{}: not as written in pool {}: {}; change it, or write `waive: [{}]`",
                                  one.field(), pool.name(), one.reason(), one.field()));
  if (wrong.empty()) return ok_status();
  return failed_precondition(fmt::format("{}", fmt::join(wrong, "\n")));
}

}  // namespace rekindle::jobs
