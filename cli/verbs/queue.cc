// why-not, top, pools: what waits, what for, and where it may run.
#include <fmt/format.h>

#include <memory>

#include "base/units.h"
#include "cli/describe.h"
#include "cli/exit_codes.h"
#include "cli/output.h"
#include "cli/verbs/verbs.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::cli {
namespace {

std::string ranks_text(const v1::QueuePlace& place) {
  std::string nodes;
  for (const v1::NodeShare& share : place.shares())
    nodes += fmt::format("{}{} x {}", nodes.empty() ? "" : ", ", share.ranks(), share.node());
  return nodes.empty() ? fmt::format("{}", place.ranks()) : fmt::format("{} ({})", place.ranks(), nodes);
}

Result<int> why_not(const Context& context, const std::string& id) {
  v1::WhyNotRequest request;
  request.set_id(id);
  const auto answer = TRY((call<v1::WhyNotResponse>(context, "rekindle.v1.RunService/WhyNot", request)));
  if (context.json) {
    print(json_of(answer));
    return kOk;
  }
  const v1::Run& run = answer.run();
  std::string text = fmt::format("{} {}", run.id(), state_text(run.state()));
  if (answer.has_place()) {
    const v1::QueuePlace& place = answer.place();
    text += fmt::format(", {} of {} in pool {}", place.position(), place.queued(), place.pool());
    text += place.start_us() != 0
                ? fmt::format("; starts by {} on {}", time_text(place.start_us()), ranks_text(place))
                : "; nobody can say when it starts";
  }
  text += "\n";
  for (const std::string& reason : answer.reasons()) text += fmt::format("  {}\n", reason);
  print(text);
  return kOk;
}

std::string used_of(uint64_t used, uint64_t all) {
  return all == 0 ? "-" : fmt::format("{}/{}", used, all);
}

std::string memory_of(const v1::NodeUse& node) {
  return node.memory_bytes() == 0
             ? "-"
             : fmt::format("{}/{}", format_bytes(node.memory_used()), format_bytes(node.memory_bytes()));
}

std::string nodes_of(const v1::Run& run) {
  const v1::Attempt& attempt = *run.attempts().rbegin();
  std::string text;
  for (const v1::NodeShare& share : attempt.shares())
    text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", share.ranks(), share.node());
  return text.empty() ? fmt::format("{}", attempt.world()) : text;
}

std::string top_text(const v1::TopResponse& top) {
  TextTable nodes({"POOL", "NODE", "SLOTS", "GPUS", "MEMORY", "STATE"});
  TextTable waiting({"POOL", "#", "RUN", "PRIORITY", "RANKS", "SINCE", "STARTS BY", "WAITS BECAUSE"});
  std::string more;
  for (const v1::PoolUse& pool : top.pools()) {
    for (const v1::NodeUse& node : pool.nodes())
      nodes.add({pool.pool(), node.node(), used_of(node.slots_used(), node.slots()),
                 used_of(node.gpus_used(), node.gpus()), memory_of(node),
                 node.closed().empty() ? "open" : node.closed()});
    for (const v1::QueuePlace& place : pool.waiting())
      waiting.add({pool.pool(), fmt::format("{}", place.position()), place.run(),
                   fmt::format("{}", place.priority()), fmt::format("{}", place.ranks()),
                   time_text(place.waits_since_us()), time_text(place.start_us()), place.reason()});
    if (const auto shown = static_cast<uint32_t>(pool.waiting_size()); pool.queued() > shown)
      more += fmt::format("{} more wait in pool {}\n", pool.queued() - shown, pool.pool());
  }
  TextTable running({"RUN", "PRIORITY", "ATTEMPT", "RANKS", "PLACED"});
  for (const v1::Run& run : top.running()) {
    const v1::Attempt& attempt = *run.attempts().rbegin();
    running.add({run.id(), fmt::format("{}", run.priority()), fmt::format("{}", attempt.number()),
                 nodes_of(run), time_text(attempt.placed_us())});
  }
  std::string text = nodes.text();
  if (!running.empty()) text += "\n" + running.text();
  if (!waiting.empty()) text += "\n" + waiting.text();
  return text + more;
}

Result<int> top(const Context& context, uint32_t limit) {
  v1::TopRequest request;
  request.set_limit(limit);
  const auto answer = TRY((call<v1::TopResponse>(context, "rekindle.v1.RunService/Top", request)));
  print(context.json ? json_of(answer) : top_text(answer));
  return kOk;
}

std::string launcher_of(const v1::Pool& pool) {
  if (pool.has_local()) return "local";
  if (pool.has_hosts())
    return fmt::format("{} hosts by {}", pool.hosts().inventory_size(), pool.hosts().agent(0));
  const v1::SlurmPool& slurm = pool.slurm();
  std::string text = "slurm";
  if (!slurm.partition().empty()) text += " " + slurm.partition();
  if (!slurm.config().empty()) text += " (" + slurm.config() + ")";
  return text;
}

std::string limits_of(const v1::PoolLimits& limits) {
  std::vector<std::string> parts;
  const auto add = [&parts](uint32_t value, std::string_view what) {
    if (value > 0) parts.push_back(fmt::format("{} {}", value, what));
  };
  add(limits.runs(), "runs");
  add(limits.ranks(), "ranks");
  add(limits.gpus(), "GPUs");
  add(limits.ranks_per_run(), "ranks a run");
  if (limits.has_attempt()) parts.push_back(fmt::format("{}s an attempt", limits.attempt().seconds()));
  return parts.empty() ? "-" : fmt::format("{}", fmt::join(parts, ", "));
}

// A cluster has more than this coordinator knows of.
std::string used_of(uint32_t used, uint32_t all, bool known) {
  return known ? fmt::format("{}/{}", used, all) : fmt::format("{}", used);
}

Result<int> pools(const Context& context) {
  const auto answer = TRY(
      (call<v1::ListPoolsResponse>(context, "rekindle.v1.AdminService/ListPools", v1::ListPoolsRequest())));
  if (context.json) {
    print(json_of(answer));
    return kOk;
  }
  TextTable table({"POOL", "LAUNCHER", "RANKS", "GPUS", "RUNS", "QUEUED", "LIMITS"});
  for (const v1::PoolStatus& status : answer.pools()) {
    const bool known = !status.pool().has_slurm();
    table.add({status.pool().name(), launcher_of(status.pool()),
               used_of(status.slots_used(), status.slots(), known),
               used_of(status.gpus_used(), status.gpus(), known), fmt::format("{}", status.runs()),
               fmt::format("{}", status.queued()), limits_of(status.pool().limits())});
  }
  print(table.text());
  for (const v1::PoolStatus& status : answer.pools())
    if (!status.trouble().empty())
      print(fmt::format("{} {}: {}\n", paint(Colour::kYellow, "trouble"), status.pool().name(),
                        status.trouble()));
  context.say(
      fmt::format("from {}{}", answer.file(), answer.found() ? "" : ", which is not there: this host"));
  if (answer.problem().empty()) return kOk;
  print_error(fmt::format("not taken over, the pools above stay in force:\n{}", answer.problem()));
  return kFailed;
}

}  // namespace

void add_queue_verbs(CLI::App& app, Context& context, Verb& verb) {
  auto name = std::make_shared<std::string>();
  CLI::App* sub =
      app.add_subcommand("why-not", "why a run is not running, where it stands and when it may start");
  sub->add_option("RUN", *name)->required();
  sub->callback([&context, &verb, name] { verb = [&context, name] { return why_not(context, *name); }; });

  auto limit = std::make_shared<uint32_t>(0);
  sub = app.add_subcommand("top", "nodes and who holds them, and the first of each pool's queue");
  sub->add_option("--limit", *limit, "waiting runs of each pool (default 20)")->check(CLI::Range(1, 1000));
  sub->callback([&context, &verb, limit] { verb = [&context, limit] { return top(context, *limit); }; });

  app.add_subcommand("pools", "where runs may be launched, how, and what is in use")->callback([&] {
    verb = [&context] { return pools(context); };
  });
}

}  // namespace rekindle::cli
