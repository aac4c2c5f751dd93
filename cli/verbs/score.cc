// score: predictions of versions or unpublished candidates on the rows of a dataset.
#include <fmt/format.h>

#include <charconv>
#include <memory>

#include "artifacts/store.h"
#include "base/files.h"
#include "base/ids.h"
#include "cli/exit_codes.h"
#include "cli/output.h"
#include "cli/verbs/verbs.h"
#include "cli/watch.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::cli {
namespace {

struct ScoreArguments {
  std::vector<std::string> words;  // targets, then the dataset
  std::string job, from, until, out, key;
};

struct Target {
  std::string job;  // empty: not said
  v1::ScoreTarget what;
};

// "3", "flight-delay@3" or the run "flight-delay-3".
Result<Target> parse_target(const std::string& word) {
  Target target;
  const size_t at = word.find('@');
  const std::string number = at == std::string::npos ? word : word.substr(at + 1);
  uint64_t version = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), version);
  if (error == std::errc() && end == number.data() + number.size() && version > 0) {
    if (at != std::string::npos) target.job = word.substr(0, at);
    target.what.set_version(version);
    return target;
  }
  const size_t dash = word.rfind('-');
  if (at != std::string::npos || dash == std::string::npos || dash == 0)
    return invalid_argument(
        fmt::format("'{}' is neither a version (3, flight-delay@3) nor a run (flight-delay-3)", word));
  target.job = word.substr(0, dash);
  target.what.set_run(word);
  return target;
}

Result<std::string> only_job(const Context& context) {
  const auto jobs =
      TRY((call<v1::ListJobsResponse>(context, "rekindle.v1.JobService/ListJobs", v1::ListJobsRequest())));
  if (jobs.jobs_size() == 1) return jobs.jobs(0).name();
  return invalid_argument("say whose versions they are: flight-delay@3, or --job flight-delay");
}

Result<v1::StartRunRequest> request_of(const Context& context, const ScoreArguments& args) {
  if (args.words.size() < 2)
    return invalid_argument("score needs at least one version or run, and then a dataset");
  v1::StartRunRequest request;
  std::string job = args.job;
  int64_t from = 0, until = 0;
  if (!args.from.empty()) from = to_micros(TRY(parse_time(args.from)));
  if (!args.until.empty()) until = to_micros(TRY(parse_time(args.until)));
  for (size_t i = 0; i + 1 < args.words.size(); ++i) {
    Target target = TRY(parse_target(args.words[i]));
    if (!target.job.empty() && !job.empty() && target.job != job)
      return invalid_argument(
          fmt::format("'{}' is of {}, not of {}; score one model at a time", args.words[i], target.job, job));
    if (job.empty()) job = target.job;
    target.what.set_from_us(from);
    target.what.set_until_us(until);
    *request.add_score() = target.what;
  }
  request.set_job(job.empty() ? TRY(only_job(context)) : job);
  request.set_dataset(args.words.back());
  request.set_idempotency_key(args.key.empty() ? new_uuid() : args.key);
  return request;
}

Status copy_predictions(const Context& context, const v1::ScoreResult& score, const std::string& out) {
  const auto status =
      TRY((call<v1::StatusResponse>(context, "rekindle.v1.AdminService/Status", v1::StatusRequest())));
  const auto store = TRY(artifacts::open_folder_store(status.artifacts()));
  const std::string bytes = TRY(store->get(score.predictions()));
  return write_file_durably(out, bytes, 0644);
}

// The columns that the kind of label has figures for.
TextTable figures_table(const v1::Run& run) {
  const v1::Label::Kind kind = run.spec().data().label().kind();
  const bool regression = kind == v1::Label::REGRESSION;
  const bool wide = kind == v1::Label::MULTICLASS || kind == v1::Label::MULTILABEL;
  TextTable table(
      regression ? std::vector<std::string>{"WHAT", "ROWS", "SQUARED ERROR", "ABSOLUTE ERROR"}
      : wide     ? std::vector<std::string>{"WHAT", "ROWS", "LOG-LOSS", "ACCURACY"}
                 : std::vector<std::string>{"WHAT", "ROWS", "POSITIVE", "LOG-LOSS", "AUROC", "ACCURACY"});
  for (const v1::ScoreResult& one : run.outcome().scores()) {
    std::vector<std::string> row = {one.version() > 0 ? fmt::format("version {}", one.version()) : one.run(),
                                    fmt::format("{}", one.rows())};
    if (!regression && !wide)
      row.push_back(one.rows() > 0 ? fmt::format("{:.1f}%", 100.0 * static_cast<double>(one.positives()) /
                                                                static_cast<double>(one.rows()))
                                   : "-");
    row.push_back(fmt::format("{:.4f}", one.log_loss()));
    if (!regression && !wide) row.push_back(fmt::format("{:.4f}", one.auroc()));
    row.push_back(fmt::format("{:.4f}", regression ? one.absolute_error() : one.accuracy()));
    table.add(std::move(row));
  }
  return table;
}

Result<int> score(const Context& context, const ScoreArguments& args) {
  const v1::StartRunRequest request = TRY(request_of(context, args));
  if (!args.out.empty() && request.score_size() != 1)
    return invalid_argument("--out holds the predictions of one version; name one");
  const auto started = TRY((call<v1::Run>(context, "rekindle.v1.RunService/StartRun", request)));
  const v1::Run run = TRY(wait_for_run(context, started.id(), {}));
  if (context.json) print(json_of(run));
  if (run.state() != v1::COMPLETED) {
    print_error(fmt::format("{} {}: {}", run.id(), lower(v1::RunState_Name(run.state())), run.reason()));
    return exit_code_of(run.state());
  }
  const TextTable table = figures_table(run);
  if (!context.json) print(table.text());
  if (!args.out.empty() && run.outcome().scores_size() == 1) {
    TRY_STATUS(copy_predictions(context, run.outcome().scores(0), args.out));
    context.say(fmt::format("predictions in {}", args.out));
  }
  return kOk;
}

}  // namespace

void add_score_verb(CLI::App& app, Context& context, Verb& verb) {
  auto args = std::make_shared<ScoreArguments>();
  CLI::App* sub = app.add_subcommand(
      "score",
      "how versions or runs do on a dataset's rows: log-loss, AUROC, accuracy, or errors of numbers");
  sub->add_option("VERSION|RUN... DATASET", args->words,
                  "versions (3, flight-delay@3) or runs (flight-delay-3), then rows: NAME[@FIRST..LAST]; the "
                  "model's name means its settled rows")
      ->required();
  sub->add_option("--job", args->job, "whose versions plain numbers are");
  sub->add_option("--from", args->from, "rows from this time on")->type_name("TIME");
  sub->add_option("--to", args->until, "rows before this time")->type_name("TIME");
  sub->add_option("--out", args->out,
                  "predictions as Parquet: time, id, label, and probability, value or probabilities[CLASS]")
      ->type_name("FILE");
  sub->add_option("--key", args->key, "idempotency key");
  sub->callback([&context, &verb, args] { verb = [&context, args] { return score(context, *args); }; });
}

}  // namespace rekindle::cli
