// run, wait, cancel, approve.
#include <fmt/format.h>

#include <map>
#include <memory>

#include "base/ids.h"
#include "base/units.h"
#include "cli/describe.h"
#include "cli/exit_codes.h"
#include "cli/output.h"
#include "cli/verbs/verbs.h"
#include "cli/watch.h"
#include "rekindle/v1/api.pb.h"
#include "rekindle/v1/array.pb.h"

namespace rekindle::cli {
namespace {

struct RunArguments {
  std::string job, as_of, key, fault;
  bool no_publish = false, wait = false;
  uint32_t count = 0;  // 0: one run, no array
};

// Of all runs the exit code that is worst; of several bad ones the first.
Result<int> wait_for_all(const Context& context, const v1::StartRunsResponse& array) {
  Context quiet = context;
  quiet.quiet = true;
  std::map<std::string, int> ends;
  int worst = kOk;
  for (const std::string& id : array.runs()) {
    const v1::Run run = TRY(wait_for_run(quiet, id, {}));
    if (context.json)
      print(json_of(run));
    else if (exit_code_of(run.state()) != kOk)
      context.say(fmt::format("{} {}: {}", run.id(), state_text(run.state()), outcome_text(run)));
    ++ends[state_text(run.state())];
    if (worst == kOk) worst = exit_code_of(run.state());
  }
  std::string text;
  for (const auto& [state, count] : ends)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, state);
  context.say(fmt::format("{} runs: {}", array.runs_size(), text));
  return worst;
}

Result<int> run_array(const Context& context, const v1::StartRunRequest& request, const RunArguments& args) {
  v1::StartRunsRequest array;
  *array.mutable_run() = request;
  array.set_count(args.count);
  const auto started =
      TRY((call<v1::StartRunsResponse>(context, "rekindle.v1.ArrayService/StartRuns", array)));
  if (args.wait) return wait_for_all(context, started);
  if (context.json) {
    print(json_of(started));
  } else if (context.quiet) {
    for (const std::string& id : started.runs()) print(id + "\n");
  } else {
    print(fmt::format("{} to {} queued; see them with: rekindle list\n", *started.runs().begin(),
                      *started.runs().rbegin()));
  }
  return kOk;
}

Result<int> run(const Context& context, const RunArguments& args) {
  v1::StartRunRequest request;
  request.set_job(args.job);
  request.set_idempotency_key(args.key.empty() ? new_uuid() : args.key);
  request.set_no_publish(args.no_publish);
  request.set_fault(args.fault);
  if (!args.as_of.empty()) request.set_as_of_us(to_micros(TRY(parse_time(args.as_of))));
  if (args.count > 0) return run_array(context, request, args);
  const auto started = TRY((call<v1::Run>(context, "rekindle.v1.RunService/StartRun", request)));
  if (args.wait) return report_end(context, TRY(wait_for_run(context, started.id(), {})));
  if (context.json)
    print(json_of(started));
  else if (context.quiet)
    print(started.id() + "\n");
  else
    print(fmt::format("{} queued; follow it with: rekindle wait {}\n", started.id(), started.id()));
  return kOk;
}

struct WaitArguments {
  std::string run, timeout;
  bool through_hold = false;
};

Result<int> wait(const Context& context, const WaitArguments& args) {
  WaitOptions options{.timeout = std::nullopt, .through_hold = args.through_hold};
  if (!args.timeout.empty())
    options.timeout =
        std::chrono::duration_cast<std::chrono::milliseconds>(TRY(parse_duration(args.timeout)));
  return report_end(context, TRY(wait_for_run(context, args.run, options)));
}

struct Named {
  std::string run, reason;
};

Result<int> cancel(const Context& context, const Named& args) {
  v1::CancelRunRequest request;
  request.set_id(args.run);
  request.set_reason(args.reason);
  const auto run = TRY((call<v1::Run>(context, "rekindle.v1.RunService/CancelRun", request)));
  if (context.json) print(json_of(run));
  context.say(fmt::format("{} will be cancelled: its ranks save a checkpoint and leave", run.id()));
  return kOk;
}

Result<int> approve(const Context& context, const Named& args) {
  v1::ApproveRunRequest request;
  request.set_id(args.run);
  request.set_reason(args.reason);
  const auto run = TRY((call<v1::Run>(context, "rekindle.v1.RunService/ApproveRun", request)));
  if (context.json) print(json_of(run));
  context.say(run.version() > 0 ? fmt::format("{} approved: version {}", run.id(), run.version())
                                : fmt::format("{} approved", run.id()));
  return kOk;
}

}  // namespace

void add_run_verbs(CLI::App& app, Context& context, Verb& verb) {
  auto args = std::make_shared<RunArguments>();
  CLI::App* sub = app.add_subcommand("run", "start a run of a job");
  sub->add_option("JOB", args->job)->required();
  sub->add_option("--as-of", args->as_of, "use only what was known then")->type_name("TIME");
  sub->add_flag("--no-publish", args->no_publish, "train and judge, publish nothing");
  sub->add_option("--key", args->key, "idempotency key: the same key never makes a second run");
  sub->add_option("--count", args->count,
                  "an array of so many runs, all accepted or none; each finds its number in $REKINDLE_INDEX")
      ->check(CLI::Range(1, 10'000));
  sub->add_flag("--wait", args->wait, "wait until it has ended");
  sub->add_option("--fault", args->fault, "for tests of rekindle itself")->group("");
  sub->callback([&context, &verb, args] { verb = [&context, args] { return run(context, *args); }; });

  auto waiting = std::make_shared<WaitArguments>();
  sub = app.add_subcommand("wait", "wait until a run has ended");
  sub->add_option("RUN", waiting->run)->required();
  sub->add_option("--timeout", waiting->timeout, "give up after this long (the run goes on)")
      ->type_name("DURATION");
  sub->add_flag("--through-hold", waiting->through_hold, "wait on while it is held for approval");
  sub->callback(
      [&context, &verb, waiting] { verb = [&context, waiting] { return wait(context, *waiting); }; });

  auto named = std::make_shared<Named>();
  sub = app.add_subcommand("cancel", "end a run; its ranks get time for a checkpoint");
  sub->add_option("RUN", named->run)->required();
  sub->add_option("--reason", named->reason);
  sub->callback([&context, &verb, named] { verb = [&context, named] { return cancel(context, *named); }; });

  sub = app.add_subcommand("approve", "publish the candidate of a held or rejected run");
  sub->add_option("RUN", named->run)->required();
  sub->add_option("--reason", named->reason, "kept with the version")->required();
  sub->callback([&context, &verb, named] { verb = [&context, named] { return approve(context, *named); }; });
}

}  // namespace rekindle::cli
