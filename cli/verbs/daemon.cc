// up, down, status, doctor.
#include <fmt/format.h>

#include <memory>

#include "base/files.h"
#include "cli/daemon_process.h"
#include "cli/exit_codes.h"
#include "cli/output.h"
#include "cli/verbs/verbs.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::cli {
namespace {

constexpr std::chrono::seconds kStartPatience{60}, kStopPatience{120};

struct UpArguments {
  std::string listen;
  uint32_t slots = 0;
  std::vector<std::string> more;
};

Result<int> up(const Context& context, const UpArguments& args) {
  const fs::path state = context.state_folder();
  const Result<std::string> known = context.server_url();
  if (known.ok() && answers(*known, context.authority_file())) {
    context.say(fmt::format("already up: {}", *known));
    return kOk;
  }
  if (!context.server.empty())
    return invalid_argument("up starts a coordinator on this host; --server names another");
  // A daemon that is only slow to answer still holds its lock: a second one would be refused by it.
  if (!wait_until_released(state, std::chrono::seconds(10)))
    return failed_precondition(fmt::format("a coordinator holds {} but does not answer; see {}/rekindled.log",
                                           state.string(), state.string()));
  const fs::path program = TRY(sibling_program("rekindled"));
  std::vector<std::string> words;
  if (!args.listen.empty()) words.insert(words.end(), {"--listen", args.listen});
  if (args.slots > 0) words.insert(words.end(), {"--slots", fmt::format("{}", args.slots)});
  words.insert(words.end(), args.more.begin(), args.more.end());
  const std::string url = TRY(start_daemon(program, fs::absolute(state), words, kStartPatience));
  if (context.json)
    print(fmt::format("{{\"address\": \"{}\", \"state\": \"{}\"}}\n", url, state.string()));
  else if (context.quiet)
    print(url + "\n");
  else
    print(fmt::format("coordinator up at {}, state in {}\n", url, state.string()));
  return kOk;
}

Result<int> down(const Context& context) {
  const Result<std::string> url = context.server_url();
  if (!url.ok() || !answers(*url, context.authority_file())) {
    if (!wait_until_released(context.state_folder(), std::chrono::seconds(0)))
      return failed_precondition("a coordinator holds the state folder but does not answer");
    context.say("no coordinator was up");
    return kOk;
  }
  TRY((call<v1::ShutdownResponse>(context, "rekindle.v1.AdminService/Shutdown", v1::ShutdownRequest())));
  const bool local = context.server.empty();
  if (local && !wait_until_released(context.state_folder(), kStopPatience))
    return deadline_exceeded("the coordinator was asked to end and still holds its state folder");
  context.say(local ? "coordinator down" : "coordinator asked to end");
  return kOk;
}

std::string model_row_text(const v1::ModelState& model) {
  if (!model.replay_session().empty()) return "replay at " + time_text(model.replay_clock_us());
  return model.frozen() ? "frozen: " + model.frozen_reason() : "";
}

Result<int> status(const Context& context) {
  const auto s =
      TRY((call<v1::StatusResponse>(context, "rekindle.v1.AdminService/Status", v1::StatusRequest())));
  if (context.json) {
    print(json_of(s));
    return kOk;
  }
  print(fmt::format("rekindled {} up since {}, {}\n", s.version(), time_text(s.started_us()),
                    TRY(context.server_url())));
  print(fmt::format("state {}   artifacts {}   journal {} events\n", s.state_folder(), s.artifacts(),
                    s.journal_seq()));
  const std::string gpus =
      s.gpus() > 0 ? fmt::format("   GPUs {}/{} in use", s.gpus_used(), s.gpus()) : std::string();
  print(fmt::format("slots {}/{} in use{}   runs {} active, {} queued   serving nodes {}\n", s.slots_used(),
                    s.slots(), gpus, s.runs_active(), s.runs_queued(), s.nodes()));
  TextTable table({"MODEL", "VERSIONS", "CHAMPION", "NOTE"});
  for (const v1::ModelState& model : s.models()) {
    const auto champion = model.aliases().find("champion");
    table.add({model.name(), fmt::format("{}", model.versions_size()),
               champion == model.aliases().end() ? "-" : fmt::format("{}", champion->second),
               model_row_text(model)});
  }
  print(table.text());
  return kOk;
}

Result<int> doctor(const Context& context) {
  const auto findings =
      TRY((call<v1::DoctorResponse>(context, "rekindle.v1.AdminService/Doctor", v1::DoctorRequest())));
  if (context.json) print(json_of(findings));
  bool healthy = true;
  for (const v1::Finding& finding : findings.findings()) {
    healthy &= finding.level() != v1::Finding::ERROR;
    if (context.json || (context.quiet && finding.level() == v1::Finding::OK)) continue;
    const std::string word = finding.level() == v1::Finding::OK        ? paint(Colour::kGreen, "ok     ")
                             : finding.level() == v1::Finding::WARNING ? paint(Colour::kYellow, "warning")
                                                                       : paint(Colour::kRed, "error  ");
    print(fmt::format("{}  {}\n", word, finding.what()));
    if (!finding.fix().empty()) print(fmt::format("         {}\n", finding.fix()));
  }
  return healthy ? kOk : kFailed;
}

}  // namespace

void add_daemon_verbs(CLI::App& app, Context& context, Verb& verb) {
  auto args = std::make_shared<UpArguments>();
  CLI::App* sub = app.add_subcommand("up", "start a coordinator on this host and wait until it answers");
  sub->add_option("--listen", args->listen, "address and port (default: loopback, any port)")
      ->type_name("HOST:PORT");
  sub->add_option("--slots", args->slots, "slots of this host (default: its cores)");
  sub->add_option("rekindled", args->more, "more flags for rekindled, after --");
  sub->callback([&context, &verb, args] { verb = [&context, args] { return up(context, *args); }; });
  app.add_subcommand("down", "end the coordinator gracefully; running attempts go on")->callback([&] {
    verb = [&context] { return down(context); };
  });
  app.add_subcommand("status", "what the coordinator is doing")->callback([&] {
    verb = [&context] { return status(context); };
  });
  app.add_subcommand("doctor", "look for what is wrong with this installation")->callback([&] {
    verb = [&context] { return doctor(context); };
  });
}

}  // namespace rekindle::cli
