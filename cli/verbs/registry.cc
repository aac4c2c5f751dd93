// versions, alias, rollback, why, freeze.
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "cli/describe.h"
#include "cli/exit_codes.h"
#include "cli/output.h"
#include "cli/verbs/verbs.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::cli {
namespace {

struct VersionsArguments {
  std::string model;
  bool history = false;
};

Result<v1::ModelState> model_state(const Context& context, const std::string& model) {
  v1::ListVersionsRequest request;
  request.set_model(model);
  return call<v1::ModelState>(context, "rekindle.v1.RegistryService/ListVersions", request);
}

Result<int> versions(const Context& context, const VersionsArguments& args) {
  const v1::ModelState model = TRY(model_state(context, args.model));
  if (context.json) {
    print(json_of(model));
    return kOk;
  }
  print(versions_table(model));
  if (!args.history) return kOk;
  TextTable table({"WHEN", "ALIAS", "FROM", "TO", "BY", "WHY"});
  for (const v1::AliasMove& move : model.history())
    table.add({time_text(move.time_us()), move.alias(), fmt::format("{}", move.from()),
               fmt::format("{}", move.to()), move.actor(), move.reason()});
  print("\n" + table.text());
  return kOk;
}

struct AliasArguments {
  std::string model, alias, reason;
  uint64_t version = 0;
  std::optional<uint64_t> expected;
};

Result<int> alias(const Context& context, const AliasArguments& args) {
  v1::SetAliasRequest request;
  request.set_model(args.model);
  request.set_alias(args.alias);
  request.set_version(args.version);
  request.set_reason(args.reason);
  if (args.expected) request.set_expected(*args.expected);
  const auto model = TRY((call<v1::ModelState>(context, "rekindle.v1.RegistryService/SetAlias", request)));
  if (context.json) print(json_of(model));
  context.say(fmt::format("{}: {} -> version {}{}", args.model, args.alias, args.version,
                          args.alias == "champion" ? "; the serving nodes take it over now" : ""));
  return kOk;
}

struct RollbackArguments {
  std::string model, reason;
  uint64_t to = 0;
};

Result<int> rollback(const Context& context, const RollbackArguments& args) {
  v1::RollbackRequest request;
  request.set_model(args.model);
  request.set_reason(args.reason);
  request.set_to(args.to);
  const auto model = TRY((call<v1::ModelState>(context, "rekindle.v1.RegistryService/Rollback", request)));
  if (context.json) print(json_of(model));
  const auto champion = model.aliases().find("champion");
  context.say(fmt::format("{}: back to version {}", args.model,
                          champion == model.aliases().end() ? 0 : champion->second));
  return kOk;
}

struct WhyArguments {
  std::string model;
  uint64_t version = 0;
};

Result<int> why(const Context& context, const WhyArguments& args) {
  v1::WhyRequest request;
  request.set_model(args.model);
  request.set_version(args.version);
  if (args.version == 0) {
    const v1::ModelState model = TRY(model_state(context, args.model));
    const auto champion = model.aliases().find("champion");
    if (champion == model.aliases().end())
      return not_found(fmt::format("{} has no champion yet; name a version", args.model));
    request.set_version(champion->second);
  }
  const auto thread = TRY((call<v1::WhyResponse>(context, "rekindle.v1.RegistryService/Why", request)));
  if (context.json) {
    print(json_of(thread));
    return kOk;
  }
  context.say(fmt::format("why {} version {} serves", args.model, request.version()));
  for (const v1::WhyStep& step : thread.steps())
    print(fmt::format("  {}  {}  {}\n", time_text(step.time_us()),
                      paint(Colour::kBold, fmt::format("{:<10}", step.what())), step.text()));
  return kOk;
}

struct FreezeArguments {
  std::string model, reason;
  bool off = false;
};

Result<int> freeze(const Context& context, const FreezeArguments& args) {
  if (!args.off && args.reason.empty())
    return invalid_argument("say why with --reason: it is shown where a trigger would have started a run");
  v1::FreezeRequest request;
  request.set_model(args.model);
  request.set_frozen(!args.off);
  request.set_reason(args.reason);
  const auto model = TRY((call<v1::ModelState>(context, "rekindle.v1.RegistryService/Freeze", request)));
  if (context.json) print(json_of(model));
  context.say(args.off ? fmt::format("{} is no longer frozen", args.model)
                       : fmt::format("{} is frozen: no trigger starts a run, no rollout begins", args.model));
  return kOk;
}

}  // namespace

void add_registry_verbs(CLI::App& app, Context& context, Verb& verb) {
  auto v = std::make_shared<VersionsArguments>();
  CLI::App* sub = app.add_subcommand("versions", "versions of a model with their aliases");
  sub->add_option("MODEL", v->model)->required();
  sub->add_flag("--history", v->history, "every move of an alias, with who and why");
  sub->callback([&context, &verb, v] { verb = [&context, v] { return versions(context, *v); }; });

  auto a = std::make_shared<AliasArguments>();
  sub = app.add_subcommand("alias", "point an alias at a version");
  sub->add_option("MODEL", a->model)->required();
  sub->add_option("ALIAS", a->alias, "champion, candidate or a name of your own")->required();
  sub->add_option("VERSION", a->version)->required();
  sub->add_option("--expected", a->expected, "refuse unless it points at this version now (0: at none)");
  sub->add_option("--reason", a->reason);
  sub->callback([&context, &verb, a] { verb = [&context, a] { return alias(context, *a); }; });

  auto r = std::make_shared<RollbackArguments>();
  sub = app.add_subcommand("rollback", "back to the champion before; the version left is barred");
  sub->add_option("MODEL", r->model)->required();
  sub->add_option("--to", r->to, "back to this version instead");
  sub->add_option("--reason", r->reason)->required();
  sub->callback([&context, &verb, r] { verb = [&context, r] { return rollback(context, *r); }; });

  auto w = std::make_shared<WhyArguments>();
  sub = app.add_subcommand("why", "from the drift window to the rollout: why a version is there");
  sub->add_option("MODEL", w->model)->required();
  sub->add_option("VERSION", w->version, "default: the champion");
  sub->callback([&context, &verb, w] { verb = [&context, w] { return why(context, *w); }; });

  auto f = std::make_shared<FreezeArguments>();
  sub = app.add_subcommand("freeze", "no trigger starts a run and no rollout begins, until --off");
  sub->add_option("MODEL", f->model)->required();
  sub->add_flag("--off", f->off, "end it");
  sub->add_option("--reason", f->reason);
  sub->callback([&context, &verb, f] { verb = [&context, f] { return freeze(context, *f); }; });
}

}  // namespace rekindle::cli
