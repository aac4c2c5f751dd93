// serving, quarantine.
#include <fmt/format.h>

#include <memory>
#include <vector>

#include "cli/exit_codes.h"
#include "cli/output.h"
#include "cli/verbs/verbs.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::cli {
namespace {

std::string plan_text(const v1::ServingPlan& plan) {
  std::vector<std::string> parts;
  for (const v1::PlannedVersion& version : plan.versions())
    parts.push_back(version.role() == v1::LIVE
                        ? fmt::format("{} ({:g}%)", version.version(), version.share() / 100.0)
                        : fmt::format("{} ({})", version.version(), lower(v1::Role_Name(version.role()))));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string versions_text(const v1::NodeReport& node) {
  std::vector<std::string> parts;
  for (const v1::VersionHealth& version : node.versions())
    parts.push_back(fmt::format("{} {} ({} answered, {} failed, p99 {:.1f} ms)", version.version(),
                                lower(v1::VersionHealth::State_Name(version.state())), version.answered(),
                                version.failed(), version.latency_p99_ms()));
  return fmt::format("{}", fmt::join(parts, "; "));
}

Result<int> serving(const Context& context, const std::string& model) {
  v1::ServingStatusRequest request;
  request.set_model(model);
  const auto s =
      TRY((call<v1::ServingStatusResponse>(context, "rekindle.v1.ServingService/ServingStatus", request)));
  if (context.json) {
    print(json_of(s));
    return kOk;
  }
  TextTable plans({"MODEL", "REVISION", "VERSIONS"});
  for (const v1::ServingPlan& plan : s.plans())
    plans.add({plan.model(), fmt::format("{}", plan.revision()), plan_text(plan)});
  TextTable nodes({"NODE", "URL", "MODEL", "REVISION", "UNSENT", "VERSIONS"});
  for (const v1::NodeReport& node : s.nodes())
    nodes.add({node.node(), node.url(), node.model(), fmt::format("{}", node.revision()),
               fmt::format("{}", node.spooled()), versions_text(node)});
  TextTable rollouts({"ROLLOUT", "VERSION", "FROM", "STATE", "WHY"});
  for (const v1::Rollout& rollout : s.rollouts())
    rollouts.add({rollout.model(), fmt::format("{}", rollout.version()), fmt::format("{}", rollout.from()),
                  lower(v1::Rollout::State_Name(rollout.state())), rollout.reason()});
  print(plans.empty() ? "nothing is served yet\n" : plans.text());
  print(nodes.empty() ? "no serving node is alive\n" : "\n" + nodes.text());
  if (!rollouts.empty()) print("\n" + rollouts.text());
  return kOk;
}

Result<int> list_quarantine(const Context& context, const std::string& model) {
  v1::ListQuarantineRequest request;
  request.set_model(model);
  const auto list =
      TRY((call<v1::ListQuarantineResponse>(context, "rekindle.v1.DataService/ListQuarantine", request)));
  if (context.json) {
    print(json_of(list));
    return kOk;
  }
  TextTable table({"ID", "MODEL", "STATE", "FROM", "UNTIL", "ROWS", "WHAT"});
  for (const v1::Quarantine& item : list.items())
    table.add({fmt::format("{}", item.id()), item.model(), lower(v1::Quarantine::State_Name(item.state())),
               time_text(item.breach().from_us()), time_text(item.breach().until_us()),
               fmt::format("{}", item.breach().rows()), item.breach().reason()});
  print(table.empty() ? "nothing is quarantined\n" : table.text());
  return kOk;
}

struct ResolveArguments {
  uint64_t id = 0;
  std::string reason;
};

Result<int> resolve_quarantine(const Context& context, const ResolveArguments& args, bool release) {
  v1::ResolveQuarantineRequest request;
  request.set_id(args.id);
  request.set_release(release);
  request.set_reason(args.reason);
  const auto item =
      TRY((call<v1::Quarantine>(context, "rekindle.v1.DataService/ResolveQuarantine", request)));
  if (context.json) print(json_of(item));
  context.say(release ? fmt::format("{} released: its rows may be trained on", args.id)
                      : fmt::format("{} dropped: its rows are never trained on", args.id));
  return kOk;
}

}  // namespace

void add_serving_verbs(CLI::App& app, Context& context, Verb& verb) {
  auto model = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand("serving", "which node serves which version");
  sub->add_option("MODEL", *model, "default: all");
  sub->callback([&context, &verb, model] { verb = [&context, model] { return serving(context, *model); }; });

  CLI::App* quarantine = app.add_subcommand("quarantine", "rows that failed a check and wait for a word");
  quarantine->require_subcommand(1);
  sub = quarantine->add_subcommand("list", "what is quarantined");
  sub->add_option("MODEL", *model, "default: all");
  sub->callback(
      [&context, &verb, model] { verb = [&context, model] { return list_quarantine(context, *model); }; });
  auto args = std::make_shared<ResolveArguments>();
  for (const bool release : {true, false}) {
    sub = quarantine->add_subcommand(
        release ? "release" : "drop",
        release ? "the rows were right: train on them" : "the rows were wrong: never train on them");
    sub->add_option("ID", args->id)->required();
    sub->add_option("--reason", args->reason)->required();
    sub->callback([&context, &verb, args, release] {
      verb = [&context, args, release] { return resolve_quarantine(context, *args, release); };
    });
  }
}

}  // namespace rekindle::cli
