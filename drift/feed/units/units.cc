#include "drift/feed/units/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "drift/distances/samples.h"
#include "drift/feed/evidence.h"
#include "drift/feed/units/conversions.h"
#include "drift/feed/units/density.h"
#include "drift/feed/units/levels.h"

namespace rekindle::drift {

namespace {

constexpr std::string_view kCheck = "unit_change";
constexpr Micros kPastMin = std::chrono::hours(48);
constexpr size_t kPastValuesMin = 40;
constexpr size_t kRecentSlots = 6;  // decide whether a conversion is worth a closer look
constexpr size_t kSlotsMin = 6;     // with values
constexpr size_t kValuesMin = 12;
// A stretch whose values all lie beyond the past, by as much as this, needs no more; others a day, for hours
// differ by themselves.
constexpr double kFarScale = 8;
constexpr Micros kInsideMin = std::chrono::hours(20);
constexpr Micros kUnsureMax = std::chrono::hours(48);
constexpr double kFitSlack = 1.25;  // over the largest distance of a part of the past from the whole
constexpr double kFitApart = 0.05;
constexpr double kBetter = 0.6;       // of the distance without conversion
constexpr double kSpreadSlack = 1.5;  // beyond the narrowest and the widest part of the past
// Of a column that comes anew: new values that lie so far from the converted past by chance alone. One that
// has shrunk to 0.42 of itself is not one in other units, which would be 0.54 of it.
constexpr double kByChance = 0.001;
constexpr double kNewSince = 0.01;  // likewise from the values of the day before
constexpr double kManyValues = 5;   // a slot: without them no small factor is told

// The conversion that the newest values of a feature seem to have been through, and since which slot.
struct UnitChange {
  Conversion conversion;
  size_t from = 0;
  double before = 0, after = 0;  // medians
  bool sure = true;              // else it began lately, and may yet become so
};

void add_values(const SlotHealth& slot, size_t feature, std::vector<double>& into) {
  const FeatureHealth& f = slot.features[feature];
  for (uint32_t i = 0; i < f.sampled; ++i) into.push_back(number_of(f.sample[i]));
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return order_statistic(values, 0.5);
}

// Nats by which values are likelier converted than as they are.
double gain_of(std::span<const double> values, const Density& past, const Conversion& conversion) {
  double gain = 0;
  const double narrower = std::log(std::abs(conversion.scale));
  for (const double x : values)
    // What a conversion leaves where it is says nothing about it.
    if (conversion.of(x) != x) gain += past.log_at(conversion.back(x)) - narrower - past.log_at(x);
  return gain;
}

// By slot, in nats: how much better the conversion explains it than no conversion, given the past.
std::vector<double> gains_of(std::span<const SlotHealth> slots, size_t feature, const Density& past,
                             const Conversion& conversion) {
  std::vector<double> out;
  out.reserve(slots.size());
  std::vector<double> values;
  for (const SlotHealth& slot : slots) {
    values.clear();
    add_values(slot, feature, values);
    out.push_back(gain_of(values, past, conversion));
  }
  return out;
}

// Slots that are better explained by the conversion than without it.
std::vector<Part> converted_slots(std::span<const SlotHealth> slots, std::span<const double> gains) {
  std::vector<Part> out(slots.size());
  for (size_t i = 0; i < slots.size(); ++i)
    if (gains[i] != 0) out[i] = {gains[i] > 0 ? slots[i].rows : 0, slots[i].rows};
  return out;
}

// How parts of the past, each as long as the stretch, differ from all of it.
struct Habit {
  double apart = 0;                  // at most
  double narrowest = 1, widest = 1;  // spread, of that of the whole
  int parts = 0;
};

class Look {
 public:
  Look(std::span<const SlotHealth> slots, size_t feature, const std::vector<bool>& usable)
      : slots_(slots), feature_(feature), usable_(usable), levels_(levels_of(slots, feature, usable)) {}

  std::optional<UnitChange> find() const {
    const auto jump = by_levels();
    return jump ? jump : by_values();
  }

 private:
  std::optional<UnitChange> by_levels() const {
    const auto jump = find_jump(levels_);
    if (!jump) return std::nullopt;
    std::vector<double> before, after;
    for (size_t i = 0; i < levels_.size(); ++i) (i < jump->at ? before : after).push_back(levels_[i].value);
    std::sort(before.begin(), before.end());
    std::sort(after.begin(), after.end());
    UnitChange change{jump->conversion, levels_[jump->at].slot, order_statistic(before, 0.5),
                      order_statistic(after, 0.5)};
    change.sure = jump->gain > kLikelier && after.size() >= kSlotsMin &&
                  lasted(change.from, jump->conversion, before, after);
    return change.sure || lately(change.from) || jump->gain > 0 ? std::optional(change) : std::nullopt;
  }

  std::optional<UnitChange> by_values() const {
    std::vector<double> newest;
    size_t first = slots_.size(), with_values = 0;
    for (size_t i = slots_.size(); i-- > 0 && with_values < kRecentSlots;) {
      if (!usable_[i] || sampled(i) == 0) continue;
      add_values(slots_[i], feature_, newest);
      first = i;
      ++with_values;
    }
    const int64_t day_ago = slots_.back().slot_us - kDay.count();
    size_t past_until = 0;
    while (past_until < first && slots_[past_until].slot_us < day_ago) ++past_until;
    std::vector<double> past = values(0, past_until);
    if (with_values < kRecentSlots || past.size() < kPastValuesMin || past_until == 0 ||
        slots_[past_until - 1].slot_us - slots_[0].slot_us < kPastMin.count())
      return std::nullopt;
    const Density density(std::move(past));
    if (!(density.spread() > 0)) return std::nullopt;
    std::optional<UnitChange> best;
    double best_gain = kLikelier;
    for (const Conversion& conversion : conversions()) {
      const double gain = gain_of(newest, density, conversion);
      if (gain <= best_gain) continue;
      const auto change = closer(density, conversion);
      if (!change || (best && best->sure && !change->sure)) continue;
      best = change;
      best_gain = gain;
    }
    return best;
  }

  uint32_t sampled(size_t slot) const { return slots_[slot].features[feature_].sampled; }

  std::vector<double> values(size_t from, size_t until) const {
    std::vector<double> out;
    for (size_t i = from; i < until; ++i)
      if (usable_[i]) add_values(slots_[i], feature_, out);
    return out;
  }

  // The stretch of slots that look converted, and the part of it from which on the conversion explains most:
  // slots before that may look converted by chance, and half a stretch of the past makes any drift look like
  // it; but to have chosen the part is a chance too. It is sure when both are.
  std::optional<UnitChange> closer(const Density& density, const Conversion& conversion) const {
    const std::vector<double> gains = gains_of(slots_, feature_, density, conversion);
    size_t first = slots_.size(), best = slots_.size(), converted = 0, converted_best = 0;
    double sum = 0, most = 0;
    int sound = 0;
    for (size_t i = slots_.size(); i-- > 0 && sound < kGoodSlotsToEnd;) {
      if (gains[i] == 0 || !usable_[i]) continue;
      sum += gains[i];
      if (gains[i] < 0) {
        ++sound;
        continue;
      }
      sound = 0;
      first = i;
      ++converted;
      if (sum <= most) continue;
      most = sum;
      best = i;
      converted_best = converted;
    }
    std::optional<UnitChange> change = changed_since(best, converted_best, conversion);
    if (!change || best == first || !change->sure) return change;
    const auto whole = changed_since(first, converted, conversion);
    change->sure = whole && whole->sure;
    return change->sure || lately(best) ? change : std::nullopt;
  }

  std::optional<UnitChange> changed_since(size_t from, size_t converted, const Conversion& conversion) const {
    if (converted < kSlotsMin) return std::nullopt;
    std::vector<double> after = values(from, slots_.size());
    std::vector<double> before = values(0, from);
    if (after.size() < kValuesMin || before.size() < kPastValuesMin) return std::nullopt;
    const Density past(std::move(before));
    std::sort(after.begin(), after.end());
    if (!says_enough(from, conversion)) return std::nullopt;
    UnitChange change{conversion, from, past.median(), order_statistic(after, 0.5)};
    const bool many = static_cast<double>(after.size()) >= kManyValues * static_cast<double>(converted);
    change.sure = (many || !conversion.small()) && alike(after, past, conversion, from);
    return change.sure || lately(from) ? std::optional(change) : std::nullopt;
  }

  int64_t since(size_t from) const { return slots_.back().slot_us - slots_[from].slot_us; }
  bool lately(size_t from) const { return since(from) < kUnsureMax.count(); }
  bool lasted(size_t from, const Conversion& conversion, std::span<const double> before,
              std::span<const double> after) const {
    const double scale = std::abs(conversion.scale);
    const bool beyond = (scale > kFarScale || scale < 1 / kFarScale) &&
                        (after.front() > before.back() || after.back() < before.front());
    return beyond || since(from) >= kInsideMin.count();
  }

  size_t levels_before(size_t slot) const {
    size_t at = 0;
    while (at < levels_.size() && levels_[at].slot < slot) ++at;
    return at;
  }

  // Whether the values from a slot on say enough: where slots come anew. Others must have jumped, and of slow
  // ones the levels say it but for small factors.
  bool says_enough(size_t from, const Conversion& conversion) const {
    const size_t at = levels_before(from);
    const Pace pace = pace_of(std::span(levels_).first(at));
    if (pace == Pace::kAnew) return at >= kSlotsMin;
    if (pace == Pace::kSlow && !conversion.small()) return false;
    for (size_t i = at; i < at + kBadSlotsMin; ++i)
      if (jumps_onto(levels_, i, conversion)) return true;
    return false;
  }

  // Whether the new values are as the past would be, converted.
  bool alike(std::span<const double> after, const Density& past, const Conversion& conversion,
             size_t from) const {
    if (!lasted(from, conversion, past.sorted(), after)) return false;
    std::vector<double> expected;
    for (const double x : past.sorted()) expected.push_back(conversion.of(x));
    std::sort(expected.begin(), expected.end());
    const Habit habit = habit_of(past, from, after.size() / 2);
    if (habit.parts < 2) return false;
    const double apart = ks_distance(after, expected), as_they_are = ks_distance(after, past.sorted());
    if (apart > kFitSlack * habit.apart + kFitApart || apart > kBetter * as_they_are ||
        as_they_are < kFitSlack * habit.apart)
      return false;
    if (pace_of(std::span(levels_).first(levels_before(from))) == Pace::kAnew &&
        (unlike(after, expected) || unlike(later_half(from), expected) || !new_since(from, after)))
      return false;
    const double wide = spread_of(after) / spread_of(expected);
    return wide >= habit.narrowest / kSpreadSlack && wide <= habit.widest * kSpreadSlack;
  }

  static bool unlike(std::span<const double> values, std::span<const double> expected) {
    return !values.empty() && mann_whitney(values, expected).p < kByChance;
  }
  // Where a stretch begins is a guess: some of its first slots may be as ever, and make up for what the
  // others are beyond the conversion.
  std::vector<double> later_half(size_t from) const {
    std::vector<double> out = values(from + (slots_.size() - from) / 2, slots_.size());
    std::sort(out.begin(), out.end());
    return out;
  }

  // Whether the day before was another one: a past that holds some days of a world that changed looks like
  // it, converted, as no part of it would.
  bool new_since(size_t from, std::span<const double> after) const {
    size_t day = from;
    while (day > 0 && slots_[day - 1].slot_us >= slots_[from].slot_us - kDay.count()) --day;
    std::vector<double> before = values(day, from);
    std::sort(before.begin(), before.end());
    return before.empty() || mann_whitney(after, before).p < kNewSince;
  }

  Habit habit_of(const Density& past, size_t from, size_t values_min) const {
    Habit habit;
    const int64_t length = since(from) + 1;
    std::vector<double> part;
    int64_t until = slots_[from].slot_us;
    for (size_t i = from; i-- > 0;) {
      if (slots_[i].slot_us < until - length) {
        count_part(part, past, values_min, habit);
        until -= (until - slots_[i].slot_us) / length * length;
      }
      if (usable_[i]) add_values(slots_[i], feature_, part);
    }
    count_part(part, past, values_min, habit);
    return habit;
  }
  static void count_part(std::vector<double>& part, const Density& past, size_t values_min, Habit& habit) {
    if (part.size() >= std::max(values_min, kSlotsMin)) {
      std::sort(part.begin(), part.end());
      habit.apart = std::max(habit.apart, ks_distance(part, past.sorted()));
      const double wide = spread_of(part) / past.spread();
      habit.narrowest = std::min(habit.narrowest, wide);
      habit.widest = std::max(habit.widest, wide);
      ++habit.parts;
    }
    part.clear();
  }

  std::span<const SlotHealth> slots_;
  size_t feature_;
  const std::vector<bool>& usable_;
  std::vector<Level> levels_;
};

// What the feature was like before it changed: the past, or once that is too long ago the reference.
Density past_of(std::span<const SlotHealth> slots, size_t feature, int64_t until_us,
                const v1::FeatureProfile& reference) {
  std::vector<double> values;
  for (const SlotHealth& slot : slots)
    if (slot.slot_us < until_us) add_values(slot, feature, values);
  if (values.size() < kPastValuesMin) {
    values.assign(reference.edges().begin(), reference.edges().end());
    values.push_back(reference.low());
    values.push_back(reference.high());
  }
  return Density(std::move(values));
}

std::vector<bool> usable_slots(std::span<const SlotHealth> slots, std::string_view column,
                               std::span<const v1::Breach> ended) {
  std::vector<bool> out(slots.size(), true);
  for (size_t i = 0; i < slots.size(); ++i)
    for (const auto& b : ended)
      if (b.feature() == column && b.from_us() <= slots[i].slot_us && slots[i].slot_us < b.until_us())
        out[i] = false;
  return out;
}

}  // namespace

std::string looks_like(std::span<const SlotHealth> slots, const v1::FeatureProfile& reference, size_t feature,
                       int64_t since_us) {
  std::vector<double> now;
  for (const SlotHealth& slot : slots)
    if (slot.slot_us >= since_us) add_values(slot, feature, now);
  if (now.size() < kSlotsMin) return {};
  const Density past = past_of(slots, feature, since_us, reference);
  const Conversion* best = nullptr;
  double best_gain = kLikelier;
  for (const Conversion& conversion : conversions()) {
    const double gain = gain_of(now, past, conversion);
    if (gain <= best_gain) continue;
    best = &conversion;
    best_gain = gain;
  }
  if (best == nullptr ||
      std::abs(best->back(median_of(std::move(now))) - past.median()) > std::max(past.spread(), 1e-12))
    return {};
  return in_words(*best);
}

void check_units(Stretches& stretches, const v1::FeatureProfile& reference, std::string_view column,
                 size_t feature, std::span<const v1::Breach> ended) {
  const auto slots = stretches.slots();
  const v1::Breach* open = stretches.open(kCheck, column);
  const std::vector<bool> usable = usable_slots(slots, column, ended);
  std::optional<UnitChange> change;
  if (open != nullptr) {
    change = UnitChange{{open->scale(), open->offset(), ""}};
  } else {
    if (stretches.found("range", column)) return;  // named already
    change = Look(slots, feature, usable).find();
    if (!change) return;
    if (!change->sure) return stretches.suspect(kCheck, column, change->from);
  }
  const int64_t since = open ? open->from_us() : slots[change->from].slot_us;
  const int64_t until = open ? open->until_us() : stretches.end_us();
  const auto by_levels = converted_levels(slots, feature, usable, change->conversion, since, until);
  const std::vector<Part> parts =
      by_levels ? *by_levels
                : converted_slots(slots, gains_of(slots, feature, past_of(slots, feature, since, reference),
                                                  change->conversion));
  Stretches::Rule rule;
  rule.check = kCheck;
  rule.feature = column;
  rule.part = [&](size_t slot) { return parts[slot]; };
  rule.threshold = 0.5;
  rule.reason = [&](const Part&, int64_t from_us) {
    if (open != nullptr) return open->reason();
    return fmt::format(
        "{} looks {} since {}, with a median of {:.4g} before and {:.4g} now: a change of unit?", column,
        in_words(change->conversion), format_time(time_from_micros(from_us)), change->before, change->after);
  };
  if (open != nullptr) {
    stretches.look(rule);
    return;
  }
  Part all;
  for (size_t i = change->from; i < slots.size(); ++i) {
    all.bad += parts[i].bad;
    all.of += parts[i].of;
  }
  v1::Breach* breach = stretches.add(kCheck, column, change->from, all, rule.threshold, rule.reason);
  breach->set_scale(change->conversion.scale);
  breach->set_offset(change->conversion.offset);
}

}  // namespace rekindle::drift
