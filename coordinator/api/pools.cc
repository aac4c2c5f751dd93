// Pools: what there is, how a spec would be launched, and what stands in the way.
#include <fmt/format.h>

#include <algorithm>

#include "coordinator/api/api.h"
#include "core/place/timeline.h"
#include "core/schedule.h"
#include "jobs/pools/pools.h"
#include "jobs/ranks.h"
#include "launch/pools.h"

namespace rekindle::coordinator {

namespace {

using boost::asio::awaitable;
using net::Access;
using net::Caller;

struct Room {
  core::Capacity all;
  core::Capacity used;
  // A daemon that came back with less holds more than it has, for a while.
  uint32_t slots_free() const { return all.slots - std::min(all.slots, used.slots); }
  uint32_t gpus_free() const { return all.gpus - std::min(all.gpus, used.gpus); }
};

Room room_of(const Context& c, const std::string& pool) {
  Room out;
  out.all = core::capacity_of(c.core.cluster(), pool);
  out.used = core::used_now(c.core.state(), pool);
  return out;
}

// Without a cluster's own count only what the pool's limits say is known of it.
void check_room(const Room& room, const v1::JobSpec& spec, const v1::Pool& pool, v1::PlanRunResponse& out) {
  const uint32_t ranks = jobs::rank_range(spec.train().ranks()).min;
  const uint32_t gpus = ranks * spec.train().ranks().gpus();
  const std::string of = pool.has_local() ? "this host" : fmt::format("pool {}", pool.name());
  if (ranks > room.all.slots)
    out.add_problems(fmt::format("train.ranks asks for {} at once but {} has {} slots: lower it{}", ranks, of,
                                 room.all.slots,
                                 pool.has_local() ? fmt::format(", or start rekindled with --slots {}", ranks)
                                 : pool.has_hosts() ? ", or add hosts to the pool"
                                                    : ", or raise the pool's limits"));
  else if (ranks > room.slots_free())
    out.add_problems(
        fmt::format("{} slots are free now, {} are needed: it would wait", room.slots_free(), ranks));
  else if (gpus <= room.all.gpus && gpus > room.gpus_free())
    out.add_problems(
        fmt::format("{} GPUs are free now, {} are needed: it would wait", room.gpus_free(), gpus));
}

std::string in_words(const Room& room, const v1::JobSpec& spec, const v1::Pool& pool) {
  const jobs::RankRange ranks = jobs::rank_range(spec.train().ranks());
  const std::string count =
      ranks.elastic() ? fmt::format("{} to {}", ranks.min, ranks.max) : fmt::format("{}", ranks.max);
  if (pool.has_slurm())
    return fmt::format("pool {}: a job of Slurm's with {} {}; {} ranks of this pool's runs now", pool.name(),
                       count, count == "1" ? "rank" : "ranks", room.used.slots);
  std::string text = fmt::format(
      "pool {}: {} of {} {} slots, {} in use now", pool.name(), count,
      pool.has_local() ? "this host's" : fmt::format("its {} hosts'", pool.hosts().inventory_size()),
      room.all.slots, room.used.slots);
  if (spec.train().ranks().gpus() > 0)
    text += fmt::format("; a GPU for each rank, {} of {} in use now", room.used.gpus, room.all.gpus);
  return text + (ranks.max == 1 ? "; one rank" : fmt::format("; mpirun -n {}", count));
}

// As many ranks as fit, were the pool all free.
void seat(const v1::JobSpec& spec, const core::place::Pool& nodes, v1::Plan& plan) {
  const v1::Ranks& asked = spec.train().ranks();
  core::place::Gang gang;
  gang.min = jobs::rank_range(asked).min;
  gang.max = jobs::rank_range(asked).max;
  gang.rank = {1, asked.gpus(), asked.memory()};
  gang.labels.insert(asked.nodes().begin(), asked.nodes().end());
  core::place::Timeline timeline(nodes, 0);
  std::optional<core::place::Seat> found = timeline.earliest(gang);
  if (!found) return;
  timeline.take(found->shares, gang.rank, 0, core::place::kForever);
  timeline.widen(*found, gang, true);
  for (const core::place::Share& share : found->shares) {
    v1::NodeShare& one = *plan.add_shares();
    one.set_node(nodes.nodes[share.node].name);
    one.set_ranks(share.ranks);
  }
  plan.set_world(found->ranks());
}

// As the next run would be.
std::string launch_text_of(const Context& c, const v1::JobSpec& spec, const v1::Pool& pool) {
  v1::Plan plan;
  const v1::Job* job = core::find_job(c.core.state(), spec.name());
  plan.set_run(fmt::format("{}-{}", spec.name(), job ? job->next_run() : 1));
  plan.set_attempt(1);
  plan.set_task(v1::Plan::TRAIN);
  *plan.mutable_spec() = spec;
  plan.set_world(jobs::rank_range(spec.train().ranks()).max);
  plan.set_gpus_per_rank(spec.train().ranks().gpus());
  plan.set_start_nonce("NONCE");
  if (pool.has_hosts()) seat(spec, cluster_of(c.pools.now(), c.options, {}).at(pool.name()), plan);
  launch::LauncherOptions programs;
  programs.gang_program = c.options.gang_program;
  programs.trainer_program = c.options.trainer_program;
  return launch::launch_text(pool, programs, plan, launch::AttemptFolder(c.folder.attempt(plan.run(), 1)));
}

awaitable<Result<v1::ListPoolsResponse>> list_pools(Context& c, v1::ListPoolsRequest, Caller) {
  co_await c.core.durable();
  v1::ListPoolsResponse out;
  out.set_file(c.pools.file().string());
  out.set_found(c.pools.found());
  out.set_problem(c.pools.problem());
  for (const v1::Pool& pool : c.pools.now().pools()) {
    v1::PoolStatus& status = *out.add_pools();
    *status.mutable_pool() = pool;
    const Room room = room_of(c, pool.name());
    status.set_slots(room.all.slots);
    status.set_gpus(room.all.gpus);
    status.set_slots_used(room.used.slots);
    status.set_gpus_used(room.used.gpus);
    status.set_trouble(c.launcher.trouble(pool.name()));
    const core::State& state = c.core.state();
    for (const RunId& id : state.working) {
      const v1::Run& run = state.runs.at(id);
      if (core::live_attempt(run) && core::pool_of(state, run) == pool.name())
        status.set_runs(status.runs() + 1);
    }
    if (auto queue = state.queues.find(pool.name()); queue != state.queues.end())
      status.set_queued(static_cast<uint32_t>(queue->second.size()));
  }
  co_return out;
}

}  // namespace

Result<const v1::Pool*> pool_for(const Context& context, const v1::JobSpec& spec) {
  const v1::Pool* pool = jobs::find_pool(context.pools.now(), spec.pool());
  if (pool == nullptr) return jobs::no_such_pool(context.pools.now(), spec.pool());
  TRY_STATUS(jobs::check_pool(spec, *pool));
  return pool;
}

void describe_placement(const Context& c, const v1::JobSpec& spec, v1::PlanRunResponse& out) {
  const v1::Pool* pool = jobs::find_pool(c.pools.now(), spec.pool());
  if (pool == nullptr) {
    out.add_problems(jobs::no_such_pool(c.pools.now(), spec.pool()).message());
    return;
  }
  const Room room = room_of(c, pool->name());
  out.set_placement(in_words(room, spec, *pool));
  out.set_launch(launch_text_of(c, spec, *pool));
  for (v1::Unheeded& one : jobs::unheeded(spec, *pool)) *out.add_unheeded() = std::move(one);
  if (Status fits = jobs::check_pool(spec, *pool); !fits.ok()) out.add_problems(fits.message());
  if (pool->has_local())
    if (std::string missing = core::gpus_missing(spec, c.core.cluster()); !missing.empty())
      out.add_problems(std::move(missing));
  check_room(room, spec, *pool, out);
}

void add_pool_service(net::HttpServer& server, Context& context) {
  add_method(server, context, "AdminService/ListPools", Access::kViewer, &list_pools);
}

}  // namespace rekindle::coordinator
