// The report for a terminal.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "backtest/report/report.h"
#include "base/clock.h"
#include "base/units.h"

namespace rekindle::backtest {
namespace {

using Cells = std::vector<std::string>;

std::string number(double value, int digits) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : "-";
}

std::string day(int64_t us) {
  return format_time(time_from_micros(us)).substr(0, 10);
}

// Names to the left, figures to the right.
std::string lines(const std::vector<Cells>& rows) {
  std::vector<size_t> widths;
  for (const Cells& row : rows)
    for (size_t i = 0; i < row.size(); ++i) {
      if (widths.size() <= i) widths.push_back(0);
      widths[i] = std::max(widths[i], row[i].size());
    }
  std::string text;
  for (const Cells& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i)
      line += i == 0 ? fmt::format("{:<{}}", row[i], widths[i]) : fmt::format("  {:>{}}", row[i], widths[i]);
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

std::string policies(const Report& report) {
  std::vector<Cells> rows{{"POLICY", report.loss_name, report.score_name, "FITS", "ROWS", "SECONDS",
                           "OF THE GAIN", "DELAY", "FRONT"}};
  for (const PolicyLine& one : report.policies)
    rows.push_back({one.name, number(one.loss, 4), number(one.score, 4), fmt::format("{}", one.fits),
                    fmt::format("{}", one.rows), number(one.seconds, 1),
                    std::isnan(one.share) ? "-" : fmt::format("{:.0f} %", 100 * one.share),
                    std::isnan(one.delay_days) ? "-" : fmt::format("{:.1f} d", one.delay_days),
                    one.front ? "*" : ""});
  if (const auto& trees = report.trees.line)
    rows.push_back({trees->name, number(trees->loss, 4), number(trees->score, 4),
                    fmt::format("{}", trees->fits), fmt::format("{}", trees->rows),
                    number(trees->seconds, 1)});
  if (report.seeds > 1) {
    rows.front().push_back(fmt::format("OVER {} SEEDS", report.seeds));
    for (size_t i = 0; i < report.policies.size(); ++i)
      rows[i + 1].push_back(
          fmt::format("{:.4f} to {:.4f}", report.policies[i].least, report.policies[i].most));
  }
  return lines(rows);
}

std::string slices(const Report& report) {
  std::vector<Cells> rows{{report.loss_name + " from", "LABELLED"}};
  for (const PolicyLine& one : report.policies) rows.front().push_back(one.name);
  for (size_t i = 0; i < report.slices.size(); ++i) {
    rows.push_back({day(report.slices[i].from_us), fmt::format("{}", report.slices[i].rows)});
    for (const PolicyLine& one : report.policies) rows.back().push_back(number(one.losses[i], 4));
  }
  return lines(rows);
}

std::string no_trees(const Report& report) {
  return report.trees.missing.empty() ? "" : "no reference of boosted trees: " + report.trees.missing + "\n";
}

std::string own_runs(const Report& report) {
  const PolicyLine* own = find_policy(report, kOwn);
  if (!own || own->runs.empty()) return "";
  std::vector<Cells> rows;
  for (const RunLine& run : own->runs)
    rows.push_back({fmt::format("{}  {:<9} {:<9}  {}{}", format_time(time_from_micros(run.as_of_us)),
                                run.outcome, run.cause, run.detail,
                                run.outcome == "published" ? "" : "; " + run.outcome + ": " + run.reason)});
  return "\nruns of rekindle\n" + lines(rows);
}

std::string held_back(const Report& report) {
  if (report.held.empty()) return "";
  std::string text = "\nheld back as a broken feed, and never released\n";
  for (const HeldLine& one : report.held)
    text += fmt::format("{} to {}  {} rows, {}{}: {}\n", format_time(time_from_micros(one.from_us)),
                        format_time(time_from_micros(one.until_us)), one.rows, one.check,
                        one.source.empty() ? "" : " from " + one.source, one.reason);
  return text;
}

}  // namespace

std::string table_of(const Report& report) {
  std::string best;
  for (size_t fits = 1; fits <= report.best.size(); ++fits) {
    if (fits > 1 && !(report.best[fits - 1] < report.best[fits - 2])) break;
    best += fmt::format("{}{} {:.4f}", fits == 1 ? "" : ", ", fits, report.best[fits - 1]);
    if (fits == 8 && report.best.size() > 8) {
      best += fmt::format(", ... {} {:.4f}", report.best.size(), report.best.back());
      break;
    }
  }
  const std::string suggestion = suggestion_of(report);
  return fmt::format(
      "\n{}: {} rows of {}, {} labelled, from {} to {}; labels after {}, a run takes {}\n\n{}\n{}{}\n"
      "best possible by fits: {}\n{}{}{} fits trained, {} made before; {:.0f} s in all\n\n{}\n",
      report.model, report.rows, report.data, report.labelled, day(report.from_us), day(report.until_us),
      format_duration(Micros(report.label_delay_us)), format_duration(Micros(report.run_takes_us)),
      policies(report), slices(report), own_runs(report) + held_back(report), best,
      suggestion.empty() ? "" : suggestion + "\n", no_trees(report), report.fits_made, report.fits_kept,
      report.seconds, report.verdict);
}

}  // namespace rekindle::backtest
