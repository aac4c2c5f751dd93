// The report as one page: the table, quality over time with a mark for each fit, and quality against cost.
// Plain SVG in the page itself; it asks nothing of anybody.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "backtest/report/report.h"
#include "base/clock.h"

namespace rekindle::backtest {
namespace {

constexpr double kWidth = 860, kHeight = 300, kLeft = 60, kRight = 20, kTop = 16, kBottom = 34;
constexpr const char* kColours[] = {"#c2410c", "#475569", "#2563eb", "#059669", "#7c3aed", "#ca8a04",
                                    "#be185d", "#0891b2", "#4d7c0f", "#b91c1c", "#334155"};

const char* colour(size_t i) {
  return kColours[i % std::size(kColours)];
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else
      out += c;
  }
  return out;
}

std::string day(int64_t us) {
  return format_time(time_from_micros(us)).substr(0, 10);
}

std::string cell(double value, int digits, const char* unit = "") {
  return std::isfinite(value) ? fmt::format("<td>{:.{}f}{}</td>", value, digits, unit) : "<td>-</td>";
}

// From values to places on the drawing; a little air above and below.
class Axis {
 public:
  void take(double value) {
    if (!std::isfinite(value)) return;
    least_ = std::min(least_, value);
    most_ = std::max(most_, value);
  }
  void widen(double share) {
    const double air = most_ > least_ ? (most_ - least_) * share : std::max(1e-9, std::abs(most_) * share);
    least_ -= air;
    most_ += air;
  }
  double at(double value, double from, double to) const {
    return from + (to - from) * (value - least_) / (most_ - least_);
  }
  double least() const { return least_; }
  double most() const { return most_; }

 private:
  double least_ = HUGE_VAL, most_ = -HUGE_VAL;
};

double right() {
  return kWidth - kRight;
}
double bottom() {
  return kHeight - kBottom;
}

std::string frame(const Axis& y, const std::string& left, const std::string& below) {
  std::string out = fmt::format(R"(<svg viewBox="0 0 {} {}" role="img">)", kWidth, kHeight);
  for (int i = 0; i <= 4; ++i) {
    const double value = y.least() + (y.most() - y.least()) * i / 4;
    const double place = y.at(value, bottom(), kTop);
    out += fmt::format(R"(<line x1="{0}" y1="{1:.1f}" x2="{2}" y2="{1:.1f}" class="grid"/>)", kLeft, place,
                       right());
    out += fmt::format(R"(<text x="{}" y="{:.1f}" text-anchor="end">{:.3f}</text>)", kLeft - 6, place + 4,
                       value);
  }
  out += fmt::format(R"(<text x="{}" y="12">{}</text>)", kLeft, escaped(left));
  out +=
      fmt::format(R"(<text x="{}" y="{}" text-anchor="end">{}</text>)", right(), kHeight - 4, escaped(below));
  return out;
}

std::string quality_over_time(const Report& report) {
  Axis x, y;
  x.take(static_cast<double>(report.from_us));
  x.take(static_cast<double>(report.until_us));
  for (const PolicyLine& one : report.policies)
    for (const double loss : one.losses) y.take(loss);
  y.widen(0.08);
  std::string out = frame(y, report.loss_name + " by slice; ticks are fits", "");
  const auto place = [&x](int64_t us) { return x.at(static_cast<double>(us), kLeft, right()); };
  for (const SliceLine& slice : report.slices)
    out += fmt::format(R"(<text x="{:.1f}" y="{}">{}</text>)", place(slice.from_us), bottom() + 16,
                       day(slice.from_us).substr(5));
  for (const int64_t turn : report.best_turns)
    out += fmt::format(R"(<line x1="{0:.1f}" y1="{1}" x2="{0:.1f}" y2="{2}" class="best"/>)", place(turn),
                       kTop, bottom());
  for (size_t i = 0; i < report.policies.size(); ++i) {
    const PolicyLine& one = report.policies[i];
    std::string points;
    for (size_t k = 0; k < one.losses.size(); ++k) {
      if (!std::isfinite(one.losses[k])) continue;
      const int64_t middle =
          report.slices[k].from_us + (report.slices[k].until_us - report.slices[k].from_us) / 2;
      points += fmt::format("{:.1f},{:.1f} ", place(middle), y.at(one.losses[k], bottom(), kTop));
    }
    out += fmt::format(R"(<polyline points="{}" stroke="{}"><title>{}</title></polyline>)", points, colour(i),
                       escaped(one.name));
    for (const RunLine& run : one.runs)
      out += fmt::format(
          R"(<line x1="{0:.1f}" y1="{1:.1f}" x2="{0:.1f}" y2="{2:.1f}" stroke="{3}"><title>{4}: {5}, {6}</title></line>)",
          place(run.as_of_us), bottom() - 6 - static_cast<double>(i) * 6,
          bottom() - static_cast<double>(i) * 6, colour(i), escaped(one.name), day(run.as_of_us),
          escaped(run.outcome));
  }
  return out + "</svg>";
}

std::string quality_against_cost(const Report& report) {
  Axis x, y;
  x.take(0);
  for (const PolicyLine& one : report.policies) {
    x.take(static_cast<double>(one.rows));
    y.take(one.loss);
  }
  for (const double best : report.best) y.take(best);
  y.widen(0.15);
  x.widen(0.08);
  std::string out = frame(y, report.loss_name, "rows trained; on the front: filled");
  for (size_t i = 0; i < report.policies.size(); ++i) {
    const PolicyLine& one = report.policies[i];
    if (!std::isfinite(one.loss)) continue;
    const double at = x.at(static_cast<double>(one.rows), kLeft, right());
    const double height = y.at(one.loss, bottom(), kTop);
    out += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="5" stroke="{}" fill="{}"/>)", at, height,
                       colour(i), one.front ? colour(i) : "#fff");
    out += fmt::format(R"(<text x="{:.1f}" y="{:.1f}">{}, {} fits</text>)", at + 9, height + 4,
                       escaped(one.name), one.fits);
  }
  const double best = y.at(report.best.back(), bottom(), kTop);
  out += fmt::format(R"(<line x1="{0}" y1="{1:.1f}" x2="{2}" y2="{1:.1f}" class="best"/>)", kLeft, best,
                     right());
  out += fmt::format(R"(<text x="{}" y="{:.1f}" text-anchor="end">best possible</text>)", right(), best - 4);
  return out + "</svg>";
}

std::string table(const Report& report) {
  std::string out = fmt::format(
      "<table><tr><th>policy</th><th>{}</th><th>{}</th><th>fits</th><th>rows</th><th>seconds</th><th>of the "
      "gain</th><th>delay</th></tr>",
      escaped(report.loss_name), escaped(report.score_name));
  for (size_t i = 0; i < report.policies.size(); ++i) {
    const PolicyLine& one = report.policies[i];
    out += fmt::format(R"(<tr><td><span style="color:{}">&#9632;</span> {}{}</td>)", colour(i),
                       escaped(one.name), one.front ? " *" : "");
    out += cell(one.loss, 4) + cell(one.score, 4) + fmt::format("<td>{}</td><td>{}</td>", one.fits, one.rows);
    out += cell(one.seconds, 1) + cell(100 * one.share, 0, " %") + cell(one.delay_days, 1, " d") + "</tr>";
  }
  if (const auto& trees = report.trees.line)
    out += fmt::format("<tr><td>{}</td>", escaped(trees->name)) + cell(trees->loss, 4) +
           cell(trees->score, 4) + fmt::format("<td>{}</td><td>{}</td>", trees->fits, trees->rows) +
           cell(trees->seconds, 1) + "<td></td><td></td></tr>";
  return out + "</table>";
}

std::string held_back(const Report& report) {
  if (report.held.empty()) return "";
  std::string out = "<h2>Held back as a broken feed, and never released</h2><ul>";
  for (const HeldLine& one : report.held)
    out += fmt::format("<li>{} to {}, {} rows, {}: {}</li>", format_time(time_from_micros(one.from_us)),
                       format_time(time_from_micros(one.until_us)), one.rows, escaped(one.check),
                       escaped(one.reason));
  return out + "</ul>";
}

}  // namespace

std::string html_of(const Report& report) {
  return fmt::format(
      R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>backtest of {0}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 900px; margin: 2em auto; padding: 0 1em; color: #1e293b }}
table {{ border-collapse: collapse }} td, th {{ padding: .2em .8em; text-align: right }}
td:first-child, th:first-child {{ text-align: left }} tr + tr {{ border-top: 1px solid #e2e8f0 }}
svg {{ width: 100%; font: 11px system-ui, sans-serif; fill: #475569 }}
polyline {{ fill: none; stroke-width: 1.8 }} .grid {{ stroke: #e2e8f0 }}
.best {{ stroke: #94a3b8; stroke-dasharray: 3 3 }}
.verdict {{ font-size: 1.15em; border-left: 4px solid #c2410c; padding-left: .8em }}
</style></head><body>
<h1>backtest of {0}</h1>
<p class="verdict">{1}</p>
<p>{2} rows of {3}, {4} of them labelled, from {5} to {6}. Of the gain: what a schedule of as many fits, chosen
knowing the rows to come, would have gained over never fitting again. Delay: from a turn of that schedule to the
policy's next fit. *: no other policy is both cheaper and better. Dashed: the turns of the best schedule of as many
fits as rekindle made.</p>
{7}
<h2>Quality over time</h2>
{8}
<h2>Quality against cost</h2>
{9}
{10}
</body></html>
)",
      escaped(report.model), escaped(report.verdict), report.rows, escaped(report.data), report.labelled,
      day(report.from_us), day(report.until_us), table(report), quality_over_time(report),
      quality_against_cost(report), held_back(report));
}

}  // namespace rekindle::backtest
