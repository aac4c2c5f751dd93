#include "cli/rows/replay/report.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>

#include "base/clock.h"
#include "base/stats.h"
#include "cli/output.h"

namespace rekindle::cli::replay {
namespace {

namespace json = boost::json;

std::string time_of(int64_t us) {
  return format_time(time_from_micros(us));
}

// JSON has no NaN.
json::value number(double value) {
  return std::isfinite(value) ? json::value(value) : json::value(nullptr);
}

// A line is a glance; the whole words are in the report.
constexpr size_t kDecisionShown = 120;

double ratio(double value, double threshold) {
  return threshold > 0 ? value / threshold : 0;
}

// What the figures of a kind of label are called: at the head of a column, in a line, and in JSON.
struct Names {
  const char *loss_head, *loss, *loss_key;
  const char *score_head, *score, *score_key;
};
const Names& names_of(const dataio::LabelRule& rule) {
  static const Names binary = {"LOG-LOSS", "log-loss", "logloss", "AUROC", "AUROC", "auroc"};
  static const Names classes = {"LOG-LOSS", "log-loss", "logloss", "ACCURACY", "accuracy", "accuracy"};
  static const Names numbers = {"SQUARED ERROR",  "squared error",  "squared_error",
                                "ABSOLUTE ERROR", "absolute error", "absolute_error"};
  return rule.regression() ? numbers : rule.binary() ? binary : classes;
}

struct Means {
  double loss = std::nan(""), score = std::nan("");
};

// Each week counts the same; weeks without a figure are left out.
template <typename Pick>
Means weekly_means(const std::vector<Week>& weeks, Pick pick) {
  std::vector<double> losses, scores;
  for (const Week& week : weeks) {
    const Figures* figures = pick(week);
    if (figures == nullptr || figures->rows == 0) continue;
    losses.push_back(figures->loss);
    if (std::isfinite(figures->score)) scores.push_back(figures->score);
  }
  return {mean(losses), mean(scores)};
}

const Figures* served_of(const Week& week) {
  return &week.served;
}
const Figures* frozen_of(const Week& week) {
  return week.frozen ? &*week.frozen : nullptr;
}

void put(json::object& out, const Names& names, const std::string& name,
         const std::optional<Figures>& figures) {
  out[fmt::format("{}_{}", names.score_key, name)] = figures ? number(figures->score) : json::value(nullptr);
  out[fmt::format("{}_{}", names.loss_key, name)] = figures ? number(figures->loss) : json::value(nullptr);
}

void put_means(json::object& out, const Names& names, const std::string& name, const Means& means) {
  out[fmt::format("weekly_mean_{}_{}", names.score_key, name)] = number(means.score);
  out[fmt::format("weekly_mean_{}_{}", names.loss_key, name)] = number(means.loss);
}

json::object week_json(const Names& names, const Week& week) {
  json::object versions;
  for (const auto& [version, rows] : week.versions) versions[std::to_string(version)] = rows;
  json::object out{{"from", time_of(week.from_us)},
                   {"until", time_of(week.until_us)},
                   {"rows", week.rows},
                   {"rows_labelled", week.served.rows},
                   {"version_in_service", week.in_service},
                   {"rows_by_version", versions},
                   {"drift_score", number(week.drift)},
                   {"drift_threshold", number(week.drift_threshold)},
                   {"drift_feature", week.drift_feature},
                   {"quality_fired", json::array(week.quality_fired.begin(), week.quality_fired.end())},
                   {"runs", json::array(week.runs.begin(), week.runs.end())},
                   {"decision", week.decision}};
  put(out, names, "served", week.served);
  put(out, names, "frozen", week.frozen);
  return out;
}

json::array runs_json(const std::vector<TriggeredRun>& runs) {
  json::array out;
  for (const TriggeredRun& run : runs)
    out.push_back({{"id", run.id},
                   {"cause", run.cause},
                   {"detail", run.detail},
                   {"as_of", time_of(run.as_of_us)},
                   {"outcome", run.outcome},
                   {"version", run.version}});
  return out;
}

std::vector<std::string> summary_row(const std::string& name, const Figures& figures, const Means& means) {
  const auto text = [](double value) {
    return std::isfinite(value) ? fmt::format("{:.4f}", value) : std::string("-");
  };
  return {name, text(figures.loss), text(figures.score), text(means.loss), text(means.score)};
}

}  // namespace

void note_window(Week& week, const v1::JudgedWindow& window, int64_t length_us) {
  const bool whole = window.from_us() <= window.until_us() - length_us;
  for (const v1::Score& score : window.drift()) {
    if (!whole) break;
    if (!std::isfinite(score.value()) ||
        ratio(score.value(), score.threshold()) <= ratio(week.drift, week.drift_threshold))
      continue;
    week.drift = score.value();
    week.drift_threshold = score.threshold();
    week.drift_feature = score.feature();
  }
  for (const v1::Score& score : window.quality())
    if (score.fired() && (week.quality_fired.empty() || week.quality_fired.back() != score.reason()))
      week.quality_fired.push_back(score.reason());
}

std::string week_line(const dataio::LabelRule& rule, const Week& week, uint64_t compared) {
  const Names& names = names_of(rule);
  std::string line = fmt::format("{}  {:>6} rows  v{:<3} {} {:.3f}", time_of(week.from_us).substr(0, 10),
                                 week.rows, week.in_service, names.score, week.served.score);
  if (week.frozen) line += fmt::format(" (v{} {:.3f})", compared, week.frozen->score);
  line += fmt::format("  {} {:.4f}", names.loss, week.served.loss);
  if (week.frozen) line += fmt::format(" ({:.4f})", week.frozen->loss);
  const std::string drift =
      week.drift_feature.empty()
          ? "not judged"
          : fmt::format("{:.2f}/{:.2f} {}", week.drift, week.drift_threshold, week.drift_feature);
  const bool cut = week.decision.size() > kDecisionShown;
  return line + fmt::format("  drift {:<22}  {}{}", drift, week.decision.substr(0, kDecisionShown),
                            cut ? "..." : "");
}

std::string summary(const Report& report) {
  std::string text = fmt::format(
      "\n{}: {} rows in {} requests, {} failed; {} unrecorded answered, {} failed; {} label records\n",
      report.model, report.rows, report.requests_answered, report.requests_failed, report.unrecorded_answered,
      report.unrecorded_failed, report.labels_sent);
  text += fmt::format("{} runs triggered: {} versions published, {} rejected", report.runs.size(),
                      report.versions_published, report.versions_rejected);
  if (!report.trigger_to_serving_seconds.empty())
    text +=
        fmt::format("; from trigger to serving {:.1f} s (median)", median(report.trigger_to_serving_seconds));
  text += "\n\n";
  const Names& names = names_of(report.rule);
  TextTable table({fmt::format("over {} labelled rows", report.served.rows), names.loss_head,
                   names.score_head, "WEEKLY MEAN", "WEEKLY MEAN"});
  table.add(summary_row("served by the loop", report.served, weekly_means(report.weeks, served_of)));
  if (report.cron) table.add(summary_row(fmt::format("cron, {} fits", report.cron_fits), *report.cron, {}));
  if (report.frozen)
    table.add(summary_row(fmt::format("version {} frozen", report.compared), *report.frozen,
                          weekly_means(report.weeks, frozen_of)));
  if (report.table) table.add(summary_row("table by " + report.table_by, *report.table, {}));
  if (report.constant)
    table.add(summary_row(report.rule.binary()       ? "constant rate"
                          : report.rule.regression() ? "constant mean"
                                                     : "class shares",
                          *report.constant, {}));
  return text + table.text();
}

std::string json_of(const Report& report) {
  const Means served = weekly_means(report.weeks, served_of), frozen = weekly_means(report.weeks, frozen_of);
  json::object out{{"model", report.model},
                   {"dataset", report.dataset},
                   {"from", time_of(report.from_us)},
                   {"until", time_of(report.until_us)},
                   {"rows", report.rows},
                   {"rows_labelled", report.served.rows},
                   {"labels_sent", report.labels_sent},
                   {"requests_answered", report.requests_answered},
                   {"requests_failed", report.requests_failed},
                   {"unrecorded_answered", report.unrecorded_answered},
                   {"unrecorded_failed", report.unrecorded_failed},
                   {"runs_triggered", report.runs.size()},
                   {"versions_published", report.versions_published},
                   {"versions_rejected", report.versions_rejected},
                   {"trigger_to_serving_seconds", json::array(report.trigger_to_serving_seconds.begin(),
                                                              report.trigger_to_serving_seconds.end())},
                   {"replay_seconds", report.replay_seconds},
                   {"retry_seconds", report.retry_seconds},
                   {"cron_seconds", report.cron_seconds},
                   {"compared_version", report.compared},
                   {"cron_fits", report.cron_fits},
                   {"table_by", report.table_by}};
  const Names& names = names_of(report.rule);
  put_means(out, names, "served", served);
  put_means(out, names, "frozen", frozen);
  put(out, names, "served", report.served);
  put(out, names, "frozen", report.frozen);
  put(out, names, "cron", report.cron);
  put(out, names, "constant", report.constant);
  put(out, names, "table", report.table);
  out["runs"] = runs_json(report.runs);
  json::array weeks;
  for (const Week& week : report.weeks) weeks.push_back(week_json(names, week));
  out["weeks"] = std::move(weeks);
  return json::serialize(out) + "\n";
}

}  // namespace rekindle::cli::replay
