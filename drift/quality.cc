#include "drift/quality.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>

#include "base/check.h"
#include "base/hash.h"

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
constexpr double kAbsentShare = 0.05;
constexpr Micros kDay = hours(24);
constexpr int64_t kRowsMin = 200;
constexpr int64_t kRowsMinWeek = 1000;
constexpr int kBadSlotsMin = 3;       // one bad hour is a glitch
constexpr int kGoodSlotsToEnd = 3;    // so many good ones in a row end a breach
constexpr double kTopShareMax = 0.5;  // a column that sits still half of the time may sit still
constexpr int64_t kRunsLonger = 2;    // times its longest run in the reference

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

// A part of the rows of a slot that is bad, and the rows that could be.
struct Part {
  int64_t bad = 0;
  int64_t of = 0;
  double share() const { return of == 0 ? 0 : static_cast<double>(bad) / static_cast<double>(of); }
};
using Measure = Part (*)(const SlotHealth&, const FeatureHealth&);

struct Feature {
  const FeedColumn* column;
  size_t index;
  Expected expected;
};

class Watch {
 public:
  Watch(std::span<const SlotHealth> slots, Micros slot, std::string_view source,
        std::span<const v1::Breach> open)
      : slots_(slots), length_(slot.count()), source_(source), open_(open) {}

  // Evidence of a stretch that began at this slot.
  using Fires = std::function<bool(int64_t from_us)>;

  // Shares: a stretch of bad slots that reaches the newest fires when `fires` says so; it lasts until
  // three slots in a row are not bad.
  void share(std::string_view check, const Feature& feature, Measure measure, double threshold,
             const Fires& fires, std::string_view what) {
    const auto bad = [&](const SlotHealth& s) {
      const Part part = measure(s, s.features[feature.index]);
      return part.of > 0 && part.share() >= threshold;
    };
    const v1::Breach* open = find(check, feature.column->name);
    const size_t n = slots_.size();
    if (open == nullptr) {
      if (!bad(slots_[n - 1])) return;
      size_t from = n - 1;
      for (size_t i = n; i-- > 0 && from - i <= static_cast<size_t>(kGoodSlotsToEnd);)
        if (bad(slots_[i])) from = i;
      if (!fires(slots_[from].slot_us)) return;
      add(check, feature, measure, threshold, what, slots_[from].slot_us, n - 1, nullptr);
      return;
    }
    for (size_t i = n; i-- > 0 && n - i <= static_cast<size_t>(kGoodSlotsToEnd);)
      if (bad(slots_[i])) {
        add(check, feature, measure, threshold, what, open->from_us(), i, open);
        return;
      }
  }

  void frozen(const Feature& feature) {
    const size_t n = slots_.size();
    const FeatureHealth* value = nullptr;
    int64_t rows = 0, from_us = 0;
    for (size_t i = n; i-- > 0;) {
      const FeatureHealth& h = slots_[i].features[feature.index];
      if (h.rows == h.missing) continue;
      if (!constant(h, feature.column->categorical) || (value && !same(*value, h))) break;
      value = &h;
      rows += h.rows - h.missing;
      from_us = slots_[i].slot_us;
    }
    if (value == nullptr || end() - from_us < kDay.count()) return;
    const v1::Breach* open = find("frozen_column", feature.column->name);
    if (open == nullptr && (feature.expected.top > kTopShareMax ||
                            rows < std::max(kRowsMin, kRunsLonger * feature.expected.longest_run)))
      return;
    v1::Breach breach = open ? *open : named("frozen_column", feature.column->name, from_us);
    breach.set_until_us(end());
    breach.set_rows(rows_between(breach.from_us(), end(), open));
    breach.set_value(static_cast<double>(rows));
    breach.set_threshold(static_cast<double>(kRunsLonger * feature.expected.longest_run));
    breach.set_reason(
        fmt::format("{} has had one value in {} rows since {}; its longest run in the reference was {}",
                    feature.column->name, rows, format_time(time_from_micros(breach.from_us())),
                    feature.expected.longest_run));
    out_.push_back(std::move(breach));
  }

  // Bad rows of the stretch alone among all rows of the time looked back on: what an earlier stretch
  // left behind is no evidence against this one.
  Part within(Micros back, int64_t from_us, const Feature& feature, Measure measure) const {
    Part sum;
    for (size_t i = slots_.size(); i-- > 0 && slots_[i].slot_us >= end() - back.count();) {
      const Part part = measure(slots_[i], slots_[i].features[feature.index]);
      if (slots_[i].slot_us >= from_us) sum.bad += part.bad;
      sum.of += part.of;
    }
    return sum;
  }
  int bad_slots(int64_t from_us, const Feature& feature, Measure measure, double threshold) const {
    return static_cast<int>(std::count_if(slots_.begin(), slots_.end(), [&](const SlotHealth& s) {
      const Part part = measure(s, s.features[feature.index]);
      return s.slot_us >= from_us && part.of > 0 && part.share() >= threshold;
    }));
  }
  Micros span() const { return Micros(end() - slots_.front().slot_us); }
  std::vector<v1::Breach> take() { return std::move(out_); }

 private:
  int64_t end() const { return slots_.back().slot_us + length_; }
  static bool constant(const FeatureHealth& h, bool categorical) {
    return categorical ? h.only_text > FeatureHealth::kMany : h.least == h.greatest;
  }
  static bool same(const FeatureHealth& a, const FeatureHealth& b) {
    return a.only_text == b.only_text && a.least == b.least;
  }
  const v1::Breach* find(std::string_view check, std::string_view feature) const {
    for (const auto& breach : open_)
      if (breach.check() == check && breach.feature() == feature) return &breach;
    return nullptr;
  }
  v1::Breach named(std::string_view check, std::string_view feature, int64_t from_us) const {
    v1::Breach breach;
    breach.set_check(std::string(check));
    breach.set_feature(std::string(feature));
    breach.set_source(std::string(source_));
    breach.set_from_us(from_us);
    return breach;
  }
  // Rows of the breach: those known before, and those of the slots since.
  int64_t rows_between(int64_t from_us, int64_t until_us, const v1::Breach* open) const {
    int64_t rows = open ? open->rows() : 0;
    const int64_t known_until = open ? open->until_us() : from_us;
    for (const auto& s : slots_)
      if (s.slot_us >= known_until && s.slot_us < until_us) rows += s.rows;
    return rows;
  }
  void add(std::string_view check, const Feature& feature, Measure measure, double threshold,
           std::string_view what, int64_t from_us, size_t last, const v1::Breach* open) {
    v1::Breach breach = open ? *open : named(check, feature.column->name, from_us);
    const int64_t until = std::max(slots_[last].slot_us + length_, breach.until_us());
    breach.set_rows(rows_between(from_us, until, open));
    breach.set_until_us(until);
    Part part;
    for (const auto& s : slots_) {
      if (s.slot_us < from_us || s.slot_us >= until) continue;
      const Part here = measure(s, s.features[feature.index]);
      part.bad += here.bad;
      part.of += here.of;
    }
    breach.set_value(part.share());
    breach.set_threshold(threshold);
    breach.set_reason(fmt::format("{:.1f} % of {} {} since {}: over {:.1f} %", 100 * part.share(),
                                  feature.column->name, what, format_time(time_from_micros(from_us)),
                                  100 * threshold));
    out_.push_back(std::move(breach));
  }

  std::span<const SlotHealth> slots_;
  int64_t length_;
  std::string_view source_;
  std::span<const v1::Breach> open_;
  std::vector<v1::Breach> out_;
};

Part missing_part(const SlotHealth&, const FeatureHealth& f) {
  return {f.missing, f.rows};
}
Part far_part(const SlotHealth&, const FeatureHealth& f) {
  return {f.far, f.rows - f.missing};
}
Part other_part(const SlotHealth&, const FeatureHealth& f) {
  return {f.other, f.rows - f.missing};
}
Part absent_part(const SlotHealth& s, const FeatureHealth& f) {
  return {s.rows - f.rows, s.rows};
}

void check_feature(const Feature& feature, Watch& watch) {
  // A share over the last day, in enough rows and in more than a glitch of slots.
  const auto daily = [&](Measure measure, double threshold) {
    return [&feature, &watch, measure, threshold](int64_t from_us) {
      const Part part = watch.within(kDay, from_us, feature, measure);
      return part.of >= kRowsMin && part.share() >= threshold &&
             watch.bad_slots(from_us, feature, measure, threshold) >= kBadSlotsMin;
    };
  };
  watch.share("schema", feature, absent_part, kAbsentShare, daily(absent_part, kAbsentShare), "was not sent");
  const double missing = feature.expected.missing + kMissingExcess;
  watch.share(
      "missing_share", feature, missing_part, missing,
      [&](int64_t from_us) {
        const Part fast = watch.within(kMissingFast, from_us, feature, missing_part);
        if (fast.of >= kRowsMin && fast.share() >= feature.expected.missing + kMissingExcessFast) return true;
        const Part week = watch.within(kFeedMemory, from_us, feature, missing_part);
        return watch.span() >= kMissingSpan && week.of >= kRowsMinWeek && week.share() >= missing;
      },
      "is missing");
  if (feature.column->categorical) {
    const double unknown = feature.expected.other + kUnknownExcess;
    watch.share("unknown_categories", feature, other_part, unknown, daily(other_part, unknown),
                "is unknown to the reference");
  } else {
    watch.share("range", feature, far_part, kFarShare, daily(far_part, kFarShare),
                "lies far outside the reference's range");
  }
  watch.frozen(feature);
}

uint64_t only_text_of(const v1::FeatureCounts& counts, const v1::FeatureProfile* profile) {
  int found = -1;
  for (int i = 1; i < counts.counts_size(); ++i) {
    if (counts.counts(i) == 0) continue;
    if (found >= 0 || i == 1) return FeatureHealth::kMany;
    found = i;
  }
  if (found < 0) return FeatureHealth::kNone;
  if (profile == nullptr || found - 2 >= profile->values_size()) return FeatureHealth::kMany;
  return std::max(stable_hash(profile->values(found - 2)), FeatureHealth::kMany + 1);
}

}  // namespace

SlotHealth health_of(const v1::SlotCounts& counts, const v1::Profile* profile,
                     std::span<const FeedColumn> columns) {
  SlotHealth out{counts.slot_us(), counts.rows(), {}};
  out.features.resize(columns.size());
  for (size_t c = 0; c < columns.size(); ++c) {
    FeatureHealth& health = out.features[c];
    for (const auto& feature : counts.features()) {
      if (feature.name() != columns[c].name || feature.counts_size() < 2) continue;
      health.rows = std::accumulate(feature.counts().begin(), feature.counts().end(), int64_t{0});
      health.missing = feature.counts(0);
      if (columns[c].categorical) {
        const v1::FeatureProfile* of = nullptr;
        if (profile != nullptr)
          for (const auto& p : profile->features())
            if (p.name() == feature.name()) of = &p;
        health.other = feature.counts(1);
        health.only_text = only_text_of(feature, of);
      } else {
        health.far = feature.far();
        if (feature.has_least()) health.least = feature.least();
        if (feature.has_greatest()) health.greatest = feature.greatest();
      }
    }
  }
  return out;
}

void merge(SlotHealth& into, const SlotHealth& more) {
  CHECK(into.slot_us == more.slot_us && into.features.size() == more.features.size(),
        "health of different slots");
  into.rows += more.rows;
  for (size_t i = 0; i < into.features.size(); ++i) {
    FeatureHealth& a = into.features[i];
    const FeatureHealth& b = more.features[i];
    a.rows += b.rows;
    a.missing += b.missing;
    a.other += b.other;
    a.far += b.far;
    a.least = std::min(a.least, b.least);
    a.greatest = std::max(a.greatest, b.greatest);
    if (a.only_text == FeatureHealth::kNone)
      a.only_text = b.only_text;
    else if (b.only_text != FeatureHealth::kNone && b.only_text != a.only_text)
      a.only_text = FeatureHealth::kMany;
  }
}

std::vector<v1::Breach> check_feed(const v1::Profile& reference, std::span<const FeedColumn> columns,
                                   std::span<const SlotHealth> slots, Micros slot, std::string_view source,
                                   std::span<const v1::Breach> open) {
  if (slots.empty()) return {open.begin(), open.end()};
  Watch watch(slots, slot, source, open);
  for (size_t c = 0; c < columns.size(); ++c)
    for (const auto& profile : reference.features())
      if (profile.name() == columns[c].name) check_feature({&columns[c], c, expected_of(profile)}, watch);
  return watch.take();
}

}  // namespace rekindle::drift
