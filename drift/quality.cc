#include "drift/quality.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "drift/feed/evidence.h"
#include "drift/feed/flood.h"
#include "drift/feed/recode.h"
#include "drift/feed/repeats.h"
#include "drift/feed/units/units.h"

namespace rekindle::drift {

namespace {

using std::chrono::hours;

// Reasons and the natural extremes that these were set against: docs/drift.md.
constexpr double kMissingExcess = 0.25;      // over the reference's share, in a week
constexpr double kMissingExcessFast = 0.60;  // the same in two days
constexpr Micros kMissingFast = hours(48);
constexpr Micros kMissingSpan = hours(96);  // the weekly rule waits until it has seen this much
constexpr double kFarShare = 0.05;
constexpr double kUnknownExcess = 0.25;
constexpr double kUnknownAll = 0.90;  // so many new values are no values of this column
constexpr double kAbsentShare = 0.05;
constexpr int64_t kRowsMinWeek = 1000;
constexpr Micros kAtOnce = hours(6);  // what begins on all nodes within this began on all
constexpr double kTopShareMax = 0.5;  // a column that sits still half of the time may sit still
constexpr int64_t kRunsLonger = 2;    // times its longest run in the reference

std::string since(int64_t from_us) {
  return format_time(time_from_micros(from_us));
}

// The reference, as far as the checks need it.
struct Expected {
  double missing = 0;
  double other = 0;
  double top = 0;  // share of the fullest bin
  int64_t longest_run = 0;
};

Expected expected_of(const v1::FeatureProfile& profile) {
  Expected out;
  const int64_t rows = std::accumulate(profile.counts().begin(), profile.counts().end(), int64_t{0});
  if (rows == 0) return out;
  out.missing = static_cast<double>(profile.counts(0)) / static_cast<double>(rows);
  const auto present = static_cast<double>(std::max<int64_t>(rows - profile.counts(0), 1));
  if (profile.categorical()) out.other = static_cast<double>(profile.counts(1)) / present;
  for (int i = 2; i < profile.counts_size(); ++i)
    out.top = std::max(out.top, static_cast<double>(profile.counts(i)) / present);
  out.longest_run = profile.longest_run();
  return out;
}

// The checks of one feature.
class FeatureChecks {
 public:
  FeatureChecks(Stretches& stretches, const FeedColumn& column, size_t index,
                const v1::FeatureProfile& reference, std::span<const v1::Breach> ended)
      : stretches_(stretches),
        column_(column),
        index_(index),
        reference_(reference),
        ended_(ended),
        expected_(expected_of(reference)) {}

  void check() {
    absent();
    missing();
    if (column_.categorical) {
      unknown();
    } else {
      range();
      check_units(stretches_, reference_, column_.name, index_, ended_);
    }
    frozen();
  }

 private:
  using Measure = Part (*)(const SlotHealth&, const FeatureHealth&);

  const FeatureHealth& at(size_t slot) const { return stretches_.slots()[slot].features[index_]; }

  Stretches::Rule rule(std::string_view check, Measure measure, double threshold,
                       std::string_view what) const {
    Stretches::Rule rule;
    rule.check = check;
    rule.feature = column_.name;
    rule.part = [this, measure](size_t slot) { return measure(stretches_.slots()[slot], at(slot)); };
    rule.threshold = threshold;
    rule.reason = [this, what, threshold](const Part& all, int64_t from_us) {
      return fmt::format("{:.1f} % of {} {} since {}: over {:.1f} %", 100 * all.share(), column_.name, what,
                         since(from_us), 100 * threshold);
    };
    return rule;
  }

  void absent() {
    Stretches::Rule r = rule(
        "schema",
        [](const SlotHealth& s, const FeatureHealth& f) {
          return Part{s.rows - f.rows, s.rows};
        },
        kAbsentShare, "was not sent");
    r.fires = [&](size_t from) { return enough_in_a_day(stretches_, from, r); };
    stretches_.look(r);
  }

  void missing() {
    Stretches::Rule r = rule(
        "missing_share",
        [](const SlotHealth&, const FeatureHealth& f) {
          return Part{f.missing, f.rows};
        },
        expected_.missing + kMissingExcess, "is missing");
    r.fires = [&](size_t from) {
      const Part fast = stretches_.within(kMissingFast, from, r);
      if (fast.of >= kRowsMin && fast.share() >= expected_.missing + kMissingExcessFast) return true;
      const Part week = stretches_.within(kFeedMemory, from, r);
      return stretches_.end_us() - stretches_.slots().front().slot_us >= kMissingSpan.count() &&
             week.of >= kRowsMinWeek && week.share() >= r.threshold;
    };
    stretches_.look(r);
  }

  void range() {
    Stretches::Rule r = rule(
        "range",
        [](const SlotHealth&, const FeatureHealth& f) {
          return Part{f.far, f.rows - f.missing};
        },
        kFarShare, "lies far outside the reference's range");
    r.fires = [&](size_t from) { return enough_in_a_day(stretches_, from, r); };
    r.reason = [this, plain = r.reason](const Part& all, int64_t from_us) {
      const std::string like = looks_like(stretches_.slots(), reference_, index_, from_us);
      return plain(all, from_us) +
             (like.empty() ? "" : fmt::format("; it looks {}: a change of unit?", like));
    };
    stretches_.look(r);
  }

  // New values are no fault: the world has new values. What is one: that they are the old ones under other
  // names, or that nearly no old one is left.
  void unknown() {
    const auto measure = [](const SlotHealth&, const FeatureHealth& f) {
      return Part{f.other, f.rows - f.missing};
    };
    Recode recode;
    Stretches::Rule recoded =
        rule("recoded_category", measure, expected_.other + kUnknownExcess, "is unknown to the reference");
    recoded.fires = [&](size_t from) {
      if (!enough_in_a_day(stretches_, from, recoded)) return false;
      const auto found = find_recode(reference_, stretches_.slots().subspan(from), index_);
      if (found) recode = *found;
      return found.has_value();
    };
    recoded.reason = [&](const Part& all, int64_t from_us) {
      if (const v1::Breach* open = stretches_.open("recoded_category", column_.name)) return open->reason();
      return fmt::format(
          "{:.1f} % of {} is unknown to the reference since {}: {} values came with the shares of {} that "
          "went: "
          "new codes for old?",
          100 * all.share(), column_.name, since(from_us), recode.came, recode.went);
    };
    if (stretches_.look(recoded) != nullptr) return;
    Stretches::Rule unknown =
        rule("unknown_categories", measure, std::max(kUnknownAll, expected_.other + kUnknownExcess),
             "is unknown to the reference");
    unknown.fires = [&](size_t from) {
      const Part day = stretches_.within(kDay, from, unknown);
      return day.of >= kRowsMin && day.share() >= expected_.other + kUnknownExcess &&
             stretches_.bad_slots(from, unknown) >= kBadSlotsMin;
    };
    stretches_.look(unknown);
  }

  static bool constant(const FeatureHealth& h, bool categorical) {
    return categorical ? h.only_text > FeatureHealth::kMany : h.least == h.greatest;
  }
  static bool same(const FeatureHealth& a, const FeatureHealth& b) {
    return a.only_text == b.only_text && a.least == b.least;
  }

  void frozen() {
    constexpr std::string_view kCheck = "frozen_column";
    const size_t n = stretches_.slots().size();
    const FeatureHealth* value = nullptr;
    int64_t rows = 0;
    size_t from = n;
    for (size_t i = n; i-- > 0;) {
      const FeatureHealth& h = at(i);
      if (h.rows == h.missing) continue;
      if (!constant(h, column_.categorical) || (value && !same(*value, h))) break;
      value = &h;
      rows += h.rows - h.missing;
      from = i;
    }
    if (value == nullptr) return;
    const bool calm = expected_.top > kTopShareMax;
    const bool lasted = stretches_.end_us() - stretches_.slots()[from].slot_us >= kDay.count();
    const int64_t longer = kRunsLonger * expected_.longest_run;
    if (!lasted ||
        (stretches_.open(kCheck, column_.name) == nullptr && (calm || rows < std::max(kRowsMin, longer)))) {
      const bool long_enough = stretches_.end_us() - stretches_.slots()[from].slot_us >= kDay.count() / 2;
      if (!calm && long_enough && rows > std::max(kRowsMin / 4, expected_.longest_run))
        stretches_.suspect(kCheck, column_.name, from);
      return;
    }
    v1::Breach* breach =
        stretches_.add(kCheck, column_.name, from, {rows, rows}, 0, [&](const Part&, int64_t from_us) {
          return fmt::format(
              "{} has had one value in {} rows since {}; its longest run in the reference was {}",
              column_.name, rows, since(from_us), expected_.longest_run);
        });
    breach->set_value(static_cast<double>(rows));
    breach->set_threshold(static_cast<double>(longer));
  }

  Stretches& stretches_;
  const FeedColumn& column_;
  size_t index_;
  const v1::FeatureProfile& reference_;
  std::span<const v1::Breach> ended_;
  Expected expected_;
};

}  // namespace

Findings check_feed(const v1::Profile& reference, std::span<const FeedColumn> columns,
                    std::span<const SlotHealth> slots, Micros slot, std::string_view source,
                    std::span<const v1::Breach> open, std::span<const v1::Breach> ended,
                    std::span<const SlotHealth> whole) {
  if (slots.empty()) return {{open.begin(), open.end()}, {}};
  Stretches stretches(slots, slot, source, open);
  for (size_t c = 0; c < columns.size(); ++c)
    for (const auto& profile : reference.features())
      if (profile.name() == columns[c].name) FeatureChecks(stretches, columns[c], c, profile, ended).check();
  check_repeats(stretches, open, ended);
  if (!whole.empty()) check_flood(stretches, whole);
  return stretches.take();
}

Findings attribute(Findings whole, std::vector<Findings> nodes, std::span<const v1::Breach* const> open) {
  const auto alike = [](const v1::Breach& a, const v1::Breach& b) {
    return a.check() == b.check() && a.feature() == b.feature();
  };
  const auto was_open = [&](const v1::Breach& b) {
    return std::any_of(open.begin(), open.end(),
                       [&](const v1::Breach* o) { return alike(*o, b) && o->source() == b.source(); });
  };
  Findings out;
  out.suspects = std::move(whole.suspects);
  for (v1::Breach& breach : whole.breaches) {
    size_t showing = 0;
    int64_t first = breach.from_us(), last = first;
    for (const Findings& node : nodes)
      for (const v1::Breach& b : node.breaches) {
        if (!alike(b, breach)) continue;
        ++showing;
        first = std::min(first, b.from_us());
        last = std::max(last, b.from_us());
      }
    const bool everybodys = showing == nodes.size() && last - first <= kAtOnce.count();
    const bool theirs = !was_open(breach) && showing > 0 && !everybodys;
    if (!theirs) out.breaches.push_back(std::move(breach));
  }
  const size_t of_all = out.breaches.size();
  for (Findings& node : nodes) {
    for (v1::Breach& b : node.breaches)
      if (std::none_of(out.breaches.begin(), out.breaches.begin() + static_cast<int64_t>(of_all),
                       [&](const v1::Breach& w) { return alike(w, b); }))
        out.breaches.push_back(std::move(b));
    for (v1::Breach& b : node.suspects) out.suspects.push_back(std::move(b));
  }
  return out;
}

}  // namespace rekindle::drift
