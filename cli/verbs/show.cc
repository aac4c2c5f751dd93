// get, list, describe, logs.
#include <fmt/format.h>

#include <memory>
#include <thread>

#include "cli/describe.h"
#include "cli/exit_codes.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/verbs/verbs.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::cli {
namespace {

Result<v1::Run> get_run(net::ConnectClient& client, const std::string& id) {
  v1::GetRunRequest request;
  request.set_id(id);
  return client.call<v1::GetRunRequest, v1::Run>("rekindle.v1.RunService/GetRun", request);
}

Result<v1::Job> get_job(net::ConnectClient& client, const std::string& name) {
  v1::GetJobRequest request;
  request.set_name(name);
  return client.call<v1::GetJobRequest, v1::Job>("rekindle.v1.JobService/GetJob", request);
}

// The run and how far it is: what a watcher is told first.
Result<v1::RunUpdate> run_now(net::ConnectClient& client, const std::string& id) {
  v1::WatchRunRequest request;
  request.set_id(id);
  v1::RunUpdate now;
  const auto first = [&now](const v1::RunUpdate& update) {
    if (update.heartbeat()) return true;
    now = update;
    return false;
  };
  const Status status =
      client.stream<v1::WatchRunRequest, v1::RunUpdate>("rekindle.v1.RunService/WatchRun", request, first);
  if (!now.has_run()) return status.ok() ? internal_error("the coordinator told nothing of " + id) : status;
  return now;
}

std::string in_a_line(const v1::Run& run) {
  return fmt::format("{} {}: {}\n", run.id(), state_text(run.state()), outcome_text(run));
}

Result<int> get_of_run(const Context& context, net::ConnectClient& client, const v1::Run& run, bool whole) {
  if (whole) {
    const v1::RunUpdate now = TRY(run_now(client, run.id()));
    print(context.json ? json_of(now) : describe_run(now));
  } else {
    print(context.json ? json_of(run) : in_a_line(run));
  }
  return kOk;
}

// A name is a run's or a job's; both are looked for.
Result<int> get(const Context& context, const std::string& name, bool whole) {
  net::ConnectClient client = TRY(context.connect());
  const Result<v1::Run> run = get_run(client, name);
  if (run.ok()) return get_of_run(context, client, *run, whole);
  if (run.status().code() != Code::kNotFound) return run.status();
  const Result<v1::Job> job = get_job(client, name);
  if (!job.ok())
    return job.status().code() == Code::kNotFound
               ? not_found(fmt::format("neither a run nor a job is named '{}'", name))
               : job.status();
  print(context.json ? json_of(*job)
        : whole      ? describe_job(*job)
                     : fmt::format("{} revision {}, applied {}\n", job->name(), job->revision(),
                                   time_text(job->applied_us())));
  return kOk;
}

struct ListArguments {
  std::string what = "runs";
  std::string job;
  uint32_t limit = 0;
};

Result<int> list(const Context& context, const ListArguments& args) {
  net::ConnectClient client = TRY(context.connect());
  if (args.what == "jobs") {
    const auto jobs =
        TRY((client.call<v1::ListJobsRequest, v1::ListJobsResponse>("rekindle.v1.JobService/ListJobs", {})));
    TextTable table({"JOB", "REVISION", "APPLIED", "SPEC"});
    for (const v1::Job& job : jobs.jobs())
      table.add({job.name(), fmt::format("{}", job.revision()), time_text(job.applied_us()),
                 job.spec_sha256().substr(0, 12)});
    print(context.json ? json_of(jobs) : table.text());
    return kOk;
  }
  v1::ListRunsRequest request;
  request.set_job(args.job);
  request.set_limit(args.limit);
  const auto runs = TRY(
      (client.call<v1::ListRunsRequest, v1::ListRunsResponse>("rekindle.v1.RunService/ListRuns", request)));
  if (context.json) {
    print(json_of(runs));
  } else if (context.quiet) {
    for (const v1::Run& run : runs.runs()) print(run.id() + "\n");
  } else {
    print(runs_table(runs.runs()));
  }
  return kOk;
}

struct LogArguments {
  std::string run;
  uint32_t attempt = 0, tail = 0;
  int32_t rank = -1;
  bool follow = false;
};

Result<int> logs(const Context& context, const LogArguments& args) {
  net::ConnectClient client = TRY(context.connect());
  Interrupt interrupt([&client] { client.cancel(); });
  v1::ReadLogsRequest request;
  request.set_run(args.run);
  request.set_attempt(args.attempt);
  request.set_rank(args.rank);
  request.set_follow(args.follow);
  request.set_tail_lines(args.tail);
  const auto show = [&](const v1::LogChunk& chunk) {
    if (chunk.heartbeat()) return true;
    if (context.json) {
      print(json_of(chunk));
      return true;
    }
    for (const std::string& line : chunk.lines())
      print(args.rank < 0
                ? fmt::format("{} {}\n",
                              paint(Colour::kGrey, fmt::format("[{}.{}]", chunk.attempt(), chunk.rank())),
                              line)
                : line + "\n");
    return true;
  };
  const Status status =
      client.stream<v1::ReadLogsRequest, v1::LogChunk>("rekindle.v1.RunService/ReadLogs", request, show);
  if (interrupt.happened()) return kOk;  // following ends when the reader has seen enough
  if (!status.ok()) return status;
  return kOk;
}

}  // namespace

void add_show_verbs(CLI::App& app, Context& context, Verb& verb) {
  auto name = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand("get", "a run or a job, in a line (--json: wholly)");
  sub->add_option("NAME", *name, "run or job")->required();
  sub->callback([&context, &verb, name] { verb = [&context, name] { return get(context, *name, false); }; });
  sub = app.add_subcommand("describe", "a run with its timeline, or a job with every value");
  sub->add_option("NAME", *name, "run or job")->required();
  sub->callback([&context, &verb, name] { verb = [&context, name] { return get(context, *name, true); }; });

  auto listing = std::make_shared<ListArguments>();
  sub = app.add_subcommand("list", "runs, newest first, or jobs");
  sub->add_option("WHAT", listing->what, "runs or jobs")->check(CLI::IsMember({"runs", "jobs"}));
  sub->add_option("--job", listing->job, "runs of this job alone");
  sub->add_option("--limit", listing->limit, "at most so many (default 100)")->check(CLI::Range(1, 1000));
  sub->callback(
      [&context, &verb, listing] { verb = [&context, listing] { return list(context, *listing); }; });

  auto args = std::make_shared<LogArguments>();
  sub = app.add_subcommand("logs", "what the ranks of a run wrote");
  sub->add_option("RUN", args->run)->required();
  sub->add_flag("-f,--follow", args->follow, "go on until the run has ended");
  sub->add_option("--rank", args->rank, "of this rank alone");
  sub->add_option("--attempt", args->attempt, "of this attempt (default: the newest)");
  sub->add_option("--tail", args->tail, "the last lines alone");
  sub->callback([&context, &verb, args] { verb = [&context, args] { return logs(context, *args); }; });
}

}  // namespace rekindle::cli
