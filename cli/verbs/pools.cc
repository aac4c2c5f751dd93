// pools.
#include <fmt/format.h>

#include "cli/exit_codes.h"
#include "cli/output.h"
#include "cli/verbs/verbs.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::cli {
namespace {

std::string launcher_of(const v1::Pool& pool) {
  if (pool.has_local()) return "local";
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
    const bool known = status.pool().has_local();
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

void add_pool_verbs(CLI::App& app, Context& context, Verb& verb) {
  app.add_subcommand("pools", "where runs may be launched, how, and what is in use")->callback([&] {
    verb = [&context] { return pools(context); };
  });
}

}  // namespace rekindle::cli
