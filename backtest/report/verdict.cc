// The verdict in words: what a reader who reads one line should know.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "backtest/report/report.h"
#include "base/clock.h"

namespace rekindle::backtest {
namespace {

std::string fits_text(uint64_t fits) {
  return fits == 1 ? "1 fit" : fmt::format("{} fits", fits);
}

// What a sceptic would do instead for a like price: of those that make at most three times rekindle's fits
// the one that lost least, of equals the cheaper.
const PolicyLine* rival(const Report& report) {
  const PolicyLine* own = find_policy(report, kOwn);
  const PolicyLine* best = nullptr;
  for (const PolicyLine& one : report.policies) {
    if (one.name == kOwn || one.name == "never" || std::isnan(one.loss)) continue;
    if (own && one.fits > 3 * own->fits) continue;
    if (!best || one.loss < best->loss || (one.loss == best->loss && one.rows < best->rows)) best = &one;
  }
  return best;
}

std::string said(const PolicyLine& policy, uint32_t seeds) {
  std::string text = fmt::format("{} with {} {:.4f}", policy.name, fits_text(policy.fits), policy.loss);
  if (seeds > 1) text += fmt::format(" ({:.4f} to {:.4f} over {} seeds)", policy.least, policy.most, seeds);
  return text;
}

}  // namespace

const PolicyLine* find_policy(const Report& report, const std::string& name) {
  const auto found = std::find_if(report.policies.begin(), report.policies.end(),
                                  [&name](const PolicyLine& one) { return one.name == name; });
  return found == report.policies.end() ? nullptr : &*found;
}

void widen_bands(Report& report, const Report& other) {
  ++report.seeds;
  report.fits_made += other.fits_made;
  report.fits_kept += other.fits_kept;
  for (PolicyLine& one : report.policies) {
    const PolicyLine* same = find_policy(other, one.name);
    if (!same) continue;
    one.least = std::min(one.least, same->loss);
    one.most = std::max(one.most, same->loss);
  }
}

std::string suggestion_of(const Report& report) {
  const SuggestedLine& one = report.suggested;
  if (one.name.empty()) return "";
  const auto day = [](int64_t us) { return format_time(time_from_micros(us)).substr(0, 10); };
  return fmt::format(
      "for {} a history: {}{}. Tuned on {} to {} alone; on the rows after that it loses {:.4f} with {} after "
      "version 1 (never "
      "{:.4f}, rekindle as it is {:.4f})",
      fits_text(one.budget), one.name, one.spec.empty() ? "" : ", in a spec `" + one.spec + "`",
      day(report.from_us), day(one.tuned_until_us), one.loss, fits_text(one.fits), one.never, one.own);
}

namespace {

std::string of_the_schedule(const Report& report) {
  if (!report.gain.real())
    return fmt::format(
        "do not bother: nothing drifts. The first version lost {:.4f} ({}), the best of all schedules "
        "{:.4f}; "
        "the difference of {:.4f} is within what chance makes ({:.4f} a standard error)",
        report.never, report.loss_name, report.best.back(), report.gain.mean, report.gain.standard_error);
  if (report.still > kStill)
    return fmt::format(
        "do not bother: nothing drifts, as far as can be told. Fits differ by the same amount at all times "
        "(p {:.2g}): more rows "
        "make a "
        "better version ({} {:.4f} at first, {:.4f} with one fit more, {:.4f} with any number), and older "
        "ones do "
        "not grow worse",
        report.still, report.loss_name, report.never,
        report.best[std::min<size_t>(1, report.best.size() - 1)], report.best.back());
  const PolicyLine* own = find_policy(report, kOwn);
  const PolicyLine* other = rival(report);
  std::string text = fmt::format("{}, less is better: never {:.4f}", report.loss_name, report.never);
  if (other) text += "; " + said(*other, report.seeds);
  if (own) text += "; " + said(*own, report.seeds);
  const PolicyLine* last = own ? own : other;
  if (!last) return text;
  text += fmt::format("; best possible with {} {:.4f}", fits_text(last->fits), last->best);
  if (!std::isnan(last->share))
    text += fmt::format(" ({} has {:.0f} % of that gain)", last->name, 100 * last->share);
  return text;
}

}  // namespace

std::string verdict_of(const Report& report) {
  const TreesLine& trees = report.trees;
  if (!trees.line || !trees.over_own.real()) return of_the_schedule(report);
  return fmt::format(
      "{}. Boosted trees, refitted every slice, lose {:.4f}: {:.4f} less than what rekindle served, which no "
      "schedule of this model gives",
      of_the_schedule(report), trees.line->loss, trees.over_own.mean);
}

}  // namespace rekindle::backtest
