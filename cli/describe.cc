#include "cli/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/units.h"
#include "jobs/spec.h"
#include "jobs/values.h"
#include "proto/candidates.h"

namespace rekindle::cli {
namespace {

std::string seconds_between(int64_t from_us, int64_t until_us) {
  if (from_us == 0 || until_us < from_us) return "-";
  return fmt::format("{:.1f}s", static_cast<double>(until_us - from_us) / 1e6);
}

// "350ms", "12s", "3m20s", "2h05m": two units at most.
std::string short_seconds(double seconds) {
  if (seconds < 1) return fmt::format("{:.0f}ms", seconds * 1e3);
  const auto whole = static_cast<uint64_t>(std::min(seconds, 1e12));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 48 * 3600) return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d{:02}h", whole / 86400, whole / 3600 % 24);
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

std::string counted(uint64_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

// Its ranks; journals of old do not say it and had as many as slots.
uint32_t world_of(const v1::Attempt& attempt) {
  return attempt.world() > 0 ? attempt.world() : attempt.slots();
}

std::string placed_text(const v1::Attempt& attempt, const v1::Attempt* before) {
  std::string text =
      fmt::format("attempt {}: placed on {}", attempt.number(), counted(world_of(attempt), "rank"));
  if (before && world_of(*before) != world_of(attempt)) text += fmt::format(", {} before", world_of(*before));
  if (attempt.devices_size() > 0)
    text +=
        fmt::format(", GPU{} {}", attempt.devices_size() == 1 ? "" : "s", fmt::join(attempt.devices(), ", "));
  return text;
}

std::string end_of_attempt(const v1::Attempt& attempt) {
  std::string text = fmt::format("attempt {}: {}", attempt.number(), end_text(attempt.end()));
  if (attempt.until_step() > 0) text += fmt::format(" at step {}", attempt.until_step());
  if (attempt.from_step() > 0) text += fmt::format(", having gone on from step {}", attempt.from_step());
  return attempt.message().empty() ? text : text + ": " + attempt.message();
}

std::vector<Moment> timeline(const v1::Run& run) {
  std::vector<Moment> moments = {
      {run.queued_us(), fmt::format("queued: {}{}{}", cause_text(run.cause()),
                                    run.cause_detail().empty() ? "" : ", ", run.cause_detail())}};
  const v1::Attempt* before = nullptr;
  for (const v1::Attempt& attempt : run.attempts()) {
    moments.push_back({attempt.placed_us(), placed_text(attempt, before)});
    before = &attempt;
    if (attempt.gang().started_us() > 0)
      moments.push_back(
          {attempt.gang().started_us(), fmt::format("attempt {}: started on {}, pid {}", attempt.number(),
                                                    attempt.gang().host(), attempt.gang().pid())});
    if (attempt.yield_requested_us() > 0) {
      std::string asked = fmt::format("attempt {}: asked to {}", attempt.number(),
                                      attempt.resize_requested() ? "leave so as to grow" : "leave");
      const bool lives = attempt.ended_us() == 0 && !attempt.message().empty();
      moments.push_back({attempt.yield_requested_us(), lives ? asked + ": " + attempt.message() : asked});
    }
    if (attempt.ended_us() > 0) moments.push_back({attempt.ended_us(), end_of_attempt(attempt)});
  }
  if (run.ended_us() > 0)
    moments.push_back(
        {run.ended_us(), fmt::format("{}: {}", lower(v1::RunState_Name(run.state())), outcome_text(run))});
  std::stable_sort(moments.begin(), moments.end(),
                   [](const Moment& a, const Moment& b) { return a.time_us < b.time_us; });
  return moments;
}

std::string figures_text(const v1::ScoreResult& score, v1::Label::Kind kind) {
  if (kind == v1::Label::REGRESSION)
    return fmt::format("squared error {:.4f}, absolute error {:.4f}", score.log_loss(),
                       score.absolute_error());
  if (kind == v1::Label::MULTICLASS || kind == v1::Label::MULTILABEL)
    return fmt::format("log-loss {:.4f}, accuracy {:.4f}", score.log_loss(), score.accuracy());
  return fmt::format("log-loss {:.4f}, AUROC {:.4f}", score.log_loss(), score.auroc());
}

std::string verdict_lines(const v1::Verdict& verdict) {
  std::string text =
      fmt::format("gate        {}: {}\n", lower(v1::Verdict::Kind_Name(verdict.kind())), verdict.reason());
  // A lone check is the reason itself.
  if (verdict.checks_size() > 1)
    for (const v1::GateCheck& check : verdict.checks()) {
      std::string result = lower(v1::GateCheck::Result_Name(check.result()));
      std::replace(result.begin(), result.end(), '_', ' ');
      text += fmt::format("            {:<10}  {}\n", result, check.text());
    }
  if (verdict.has_detectable_gain())
    text += fmt::format("            so many rows show a gain of {:.4f} four times in five\n",
                        verdict.detectable_gain());
  return text;
}

// What a candidate says in the spec: "{start: champion}".
std::string candidate_words(const v1::Run& run, uint32_t number) {
  const std::string name = candidate_name(number);
  const auto& candidates = run.spec().train().candidates();
  if (number == 0 || number > static_cast<uint32_t>(candidates.size())) return name;
  return fmt::format("{} {}", name, jobs::format_message(candidates[static_cast<int>(number) - 1]));
}

// The chosen one with a star, figures by the gate's metric on the validation rows.
std::string candidate_lines(const v1::Run& run) {
  std::string text;
  for (const v1::CandidateFit& fit : run.outcome().candidates()) {
    text += text.empty() ? "candidates  " : "            ";
    text += fmt::format("{} {}", fit.chosen() ? "*" : " ", candidate_words(run, fit.number()));
    if (fit.passed_over().empty())
      text += fmt::format(": {:.4f}, {} rows from {}, {} steps in {:.1f} s\n", fit.figure(), fit.train_rows(),
                          time_text(fit.train_from_us()), fit.steps(), fit.train_seconds());
    else
      text += fmt::format(": passed over, {}\n", fit.passed_over());
  }
  return text;
}

std::string outcome_lines(const v1::Run& run) {
  const v1::Outcome& o = run.outcome();
  std::string text;
  if (o.train_rows() > 0)
    text = fmt::format(
        "trained     {} rows in {:.1f} s ({:.0f} rows/s), {} steps, {} epochs, best {}; validation loss "
        "{:.4f}\n",
        o.train_rows(), o.train_seconds(), o.rows_per_second(), o.steps(), o.epochs(), o.best_epoch(),
        o.valid_loss());
  text += candidate_lines(run);
  if (o.resumed_from_step() > 0) text += fmt::format("resumed     from step {}\n", o.resumed_from_step());
  if (!o.started_from().empty()) text += fmt::format("began with  {}\n", o.started_from());
  if (!o.reduction().empty()) text += fmt::format("reduction   {}\n", o.reduction());
  if (o.stall_seconds() > 0)
    text += fmt::format("checkpoints {} waited for in all\n", short_seconds(o.stall_seconds()));
  for (const v1::ScoreResult& score : o.scores())
    text += fmt::format("scored      {}: {} rows, {}\n",
                        score.version() > 0 ? fmt::format("version {}", score.version()) : score.run(),
                        score.rows(), figures_text(score, run.spec().data().label().kind()));
  return text;
}

// Of the newest attempt, and how often it changed: "2", "4 (3 sizes)".
std::string ranks_text(const v1::Run& run) {
  if (run.attempts().empty()) return "-";
  int sizes = 1;
  for (int i = 1; i < run.attempts_size(); ++i)
    sizes += world_of(run.attempts(i)) != world_of(run.attempts(i - 1));
  const uint32_t world = world_of(*run.attempts().rbegin());
  return sizes == 1 ? fmt::format("{}", world) : fmt::format("{} ({} sizes)", world, sizes);
}

std::string version_note(const v1::Version& version) {
  std::string text = version.proved_worse() ? "promoted, and proved worse" : "";
  if (version.barred()) text += (text.empty() ? "" : "; ") + ("barred: " + version.barred_reason());
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

std::string attempt_text(const v1::Run& run) {
  if (run.attempts().empty()) return {};
  const v1::Attempt& newest = *run.attempts().rbegin();
  if (newest.state() == v1::Attempt::ENDED) return {};
  const std::string text =
      fmt::format("attempt {} on {}", newest.number(), counted(world_of(newest), "rank"));
  return newest.message().empty() ? text : fmt::format("{}; {}", text, newest.message());
}

std::string runs_table(const google::protobuf::RepeatedPtrField<v1::Run>& runs) {
  TextTable table({"RUN", "STATE", "CAUSE", "AS OF", "QUEUED", "TOOK", "TRIES", "RANKS", "OUTCOME"});
  for (const v1::Run& run : runs)
    table.add({run.id(), state_text(run.state()), cause_text(run.cause()), time_text(run.as_of_us()),
               time_text(run.queued_us()), seconds_between(run.queued_us(), run.ended_us()),
               fmt::format("{}", run.attempts_size()), ranks_text(run), first_line(outcome_text(run))});
  return table.text();
}

std::string describe_run(const v1::RunUpdate& update) {
  const v1::Run& run = update.run();
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
  if (update.has_progress()) text += fmt::format("now         {}\n", progress_text(update.progress()));
  if (!update.note().empty()) text += fmt::format("note        {}\n", update.note());
  if (run.has_outcome()) text += outcome_lines(run);
  if (run.verdict().kind() != v1::Verdict::KIND_UNSPECIFIED) text += verdict_lines(run.verdict());
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
               version.manifest().substr(0, 12), version_note(version)});
  }
  return table.text();
}

// What the ranks did not say is left out: a script tells less than a built-in kind.
std::string progress_text(const v1::Progress& p) {
  std::vector<std::string> parts;
  if (p.fits() > 0) parts.push_back(fmt::format("fit {}/{}", p.fit(), p.fits()));
  if (p.epochs() > 0) parts.push_back(fmt::format("epoch {}/{}", p.epoch(), p.epochs()));
  parts.push_back(p.steps() > 0 ? fmt::format("step {}/{}", p.step(), p.steps())
                                : fmt::format("step {}", p.step()));
  parts.push_back(fmt::format("loss {:.4f}", p.loss()));
  if (p.rows_per_second() > 0) parts.push_back(fmt::format("{:.0f} rows/s", p.rows_per_second()));
  if (p.eta_seconds() > 0) parts.push_back("ends in " + short_seconds(p.eta_seconds()));
  if (p.rate() > 0) parts.push_back(fmt::format("rate {:.3g}", p.rate()));
  if (p.gradient_norm() > 0) parts.push_back(fmt::format("gradient {:.3g}", p.gradient_norm()));
  if (p.memory_bytes() > 0)
    parts.push_back(fmt::format("{:.0f} MB", static_cast<double>(p.memory_bytes()) / 1e6));
  if (p.stall_seconds() > 0) parts.push_back("checkpoints " + short_seconds(p.stall_seconds()));
  return fmt::format("{}", fmt::join(parts, "  "));
}

}  // namespace rekindle::cli
