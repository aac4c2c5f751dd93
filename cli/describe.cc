#include "cli/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/units.h"
#include "jobs/spec.h"

namespace rekindle::cli {
namespace {

std::string seconds_between(int64_t from_us, int64_t until_us) {
  if (from_us == 0 || until_us < from_us) return "-";
  return fmt::format("{:.1f}s", static_cast<double>(until_us - from_us) / 1e6);
}

std::string end_text(v1::EndClass end) {
  std::string word = lower(v1::EndClass_Name(end));
  if (word.starts_with("end_")) word.erase(0, 4);
  std::replace(word.begin(), word.end(), '_', ' ');
  return word;
}

struct Moment {
  int64_t time_us;
  std::string text;
};

std::vector<Moment> timeline(const v1::Run& run) {
  std::vector<Moment> moments = {
      {run.queued_us(), fmt::format("queued: {}{}{}", cause_text(run.cause()),
                                    run.cause_detail().empty() ? "" : ", ", run.cause_detail())}};
  for (const v1::Attempt& attempt : run.attempts()) {
    moments.push_back({attempt.placed_us(), fmt::format("attempt {}: placed on {} slot{}", attempt.number(),
                                                        attempt.slots(), attempt.slots() == 1 ? "" : "s")});
    if (attempt.gang().started_us() > 0)
      moments.push_back(
          {attempt.gang().started_us(), fmt::format("attempt {}: started on {}, pid {}", attempt.number(),
                                                    attempt.gang().host(), attempt.gang().pid())});
    if (attempt.ended_us() > 0)
      moments.push_back(
          {attempt.ended_us(), fmt::format("attempt {}: {}{}{}", attempt.number(), end_text(attempt.end()),
                                           attempt.message().empty() ? "" : ": ", attempt.message())});
  }
  if (run.ended_us() > 0)
    moments.push_back(
        {run.ended_us(), fmt::format("{}: {}", lower(v1::RunState_Name(run.state())), outcome_text(run))});
  std::stable_sort(moments.begin(), moments.end(),
                   [](const Moment& a, const Moment& b) { return a.time_us < b.time_us; });
  return moments;
}

std::string outcome_lines(const v1::Run& run) {
  const v1::Outcome& o = run.outcome();
  std::string text = fmt::format(
      "trained     {} rows in {:.1f} s ({:.0f} rows/s), {} steps, {} epochs, best {}; validation loss "
      "{:.4f}\n",
      o.train_rows(), o.train_seconds(), o.rows_per_second(), o.steps(), o.epochs(), o.best_epoch(),
      o.valid_loss());
  if (o.resumed_from_step() > 0) text += fmt::format("resumed     from step {}\n", o.resumed_from_step());
  for (const v1::ScoreResult& score : o.scores())
    text += fmt::format("scored      {}: {} rows, log-loss {:.4f}, AUROC {:.4f}\n",
                        score.version() > 0 ? fmt::format("version {}", score.version()) : score.run(),
                        score.rows(), score.log_loss(), score.auroc());
  return text;
}

}  // namespace

std::string state_text(v1::RunState state) {
  std::string word = state == v1::FAILED_RUN ? "failed" : lower(v1::RunState_Name(state));
  switch (state) {
    case v1::PUBLISHED:
    case v1::COMPLETED:
      return paint(Colour::kGreen, word);
    case v1::REJECTED:
    case v1::HELD:
      return paint(Colour::kYellow, word);
    case v1::FAILED_RUN:
      return paint(Colour::kRed, word);
    case v1::CANCELLED:
      return paint(Colour::kGrey, word);
    default:
      return word;
  }
}

std::string cause_text(v1::Cause cause) {
  const std::string word = lower(v1::Cause_Name(cause));
  return word.starts_with("cause_") ? word.substr(6) : word;
}

std::string outcome_text(const v1::Run& run) {
  if (!run.reason().empty()) return run.reason();
  if (run.state() == v1::PUBLISHED) return fmt::format("version {}", run.version());
  if (!run.verdict().reason().empty()) return run.verdict().reason();
  return run.outcome().message();
}

std::string runs_table(const google::protobuf::RepeatedPtrField<v1::Run>& runs) {
  TextTable table({"RUN", "STATE", "CAUSE", "AS OF", "QUEUED", "TOOK", "TRIES", "OUTCOME"});
  for (const v1::Run& run : runs)
    table.add({run.id(), state_text(run.state()), cause_text(run.cause()), time_text(run.as_of_us()),
               time_text(run.queued_us()), seconds_between(run.queued_us(), run.ended_us()),
               fmt::format("{}", run.attempts_size()), first_line(outcome_text(run))});
  return table.text();
}

std::string describe_run(const v1::Run& run) {
  std::string text =
      fmt::format("run         {}   {}\n", paint(Colour::kBold, run.id()), state_text(run.state()));
  text += fmt::format("job         {} revision {}, spec {}\n", run.job(), run.job_revision(),
                      run.spec_sha256().substr(0, 12));
  text += fmt::format("as of       {}\n", time_text(run.as_of_us()));
  if (run.has_windows())
    text += fmt::format("windows     train {} | validation {} | holdout {} | {}\n",
                        time_text(run.windows().train_from_us()), time_text(run.windows().valid_from_us()),
                        time_text(run.windows().holdout_from_us()), time_text(run.windows().until_us()));
  uint64_t rows = 0;
  for (const v1::DatasetSnapshot& snapshot : run.data()) rows += snapshot.rows();
  if (run.data_size() > 0)
    text += fmt::format("data        {} snapshots, {} rows: {}@{} to {}@{}\n", run.data_size(), rows,
                        run.data(0).dataset(), run.data(0).name(), run.data(run.data_size() - 1).dataset(),
                        run.data(run.data_size() - 1).name());
  if (run.has_outcome()) text += outcome_lines(run);
  if (run.verdict().kind() != v1::Verdict::KIND_UNSPECIFIED)
    text += fmt::format("gate        {}: {}\n", lower(v1::Verdict::Kind_Name(run.verdict().kind())),
                        run.verdict().reason());
  if (run.version() > 0) text += fmt::format("version     {}\n", run.version());
  if (!run.reason().empty()) text += fmt::format("reason      {}\n", run.reason());
  text += "timeline\n";
  for (const Moment& moment : timeline(run))
    text += fmt::format("  {}  {}\n", time_text(moment.time_us), moment.text);
  return text;
}

std::string describe_job(const v1::Job& job) {
  std::string text = fmt::format("job         {}   revision {}\nspec        {}\napplied     {}\n",
                                 paint(Colour::kBold, job.name()), job.revision(), job.spec_sha256(),
                                 time_text(job.applied_us()));
  const Result<jobs::Resolved> resolved = jobs::resolve(job.spec());
  if (!resolved.ok()) return text;
  TextTable table({"FIELD", "VALUE"});
  for (const jobs::ResolvedField& field : resolved->fields) table.add({field.path, field.value});
  return text + table.text();
}

std::string versions_table(const v1::ModelState& model) {
  TextTable table({"VERSION", "ALIASES", "RUN", "AS OF", "PUBLISHED", "MANIFEST", "NOTE"});
  for (const v1::Version& version : model.versions()) {
    std::vector<std::string> aliases;
    for (const auto& [alias, number] : model.aliases())
      if (number == version.number()) aliases.push_back(alias);
    std::sort(aliases.begin(), aliases.end());
    table.add({fmt::format("{}", version.number()),
               aliases.empty() ? "-" : fmt::format("{}", fmt::join(aliases, ",")), version.run(),
               time_text(version.as_of_us()), time_text(version.published_us()),
               version.manifest().substr(0, 12),
               version.barred() ? "barred: " + version.barred_reason() : ""});
  }
  return table.text();
}

std::string progress_text(const v1::Progress& progress) {
  return fmt::format("epoch {}/{}  step {}  loss {:.4f}  {:.0f} rows/s", progress.epoch(), progress.epochs(),
                     progress.step(), progress.loss(), progress.rows_per_second());
}

}  // namespace rekindle::cli
