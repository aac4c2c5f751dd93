#include "drift/feed/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "drift/distances/samples.h"
#include "drift/feed/evidence.h"

namespace rekindle::drift {

namespace {

constexpr std::string_view kCheck = "unit_change";
constexpr Micros kPastMin = std::chrono::hours(48);
constexpr size_t kPastValuesMin = 40;
constexpr size_t kRecentSlots = 6;     // decide whether a conversion is worth a closer look
constexpr double kRecentLikelier = 8;  // nats that they must be likelier for it
constexpr size_t kSlotsMin = 6;        // with values
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
// A wind that doubles is no unit: so small a factor is told on columns alone of which each slot has many
// values.
constexpr double kSmallScale = 2.5;
constexpr double kManyValues = 5;
constexpr double kAnew = 0.8;         // von Neumann's ratio: 1 where slots have nothing to do with each other
constexpr double kJump = 2;           // times the widest move from slot to slot that there was
constexpr size_t kSlowSlotsMin = 90;  // so many must have shown what moves there are
constexpr double kTail = 0.1;

void add_values(const SlotHealth& slot, size_t feature, std::vector<double>& into) {
  const FeatureHealth& f = slot.features[feature];
  for (uint32_t i = 0; i < f.sampled; ++i) into.push_back(number_of(f.sample[i]));
}

double quantile(std::span<const double> sorted, double q) {
  return sorted[std::min(sorted.size() - 1, static_cast<size_t>(q * static_cast<double>(sorted.size())))];
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return quantile(values, 0.5);
}

double spread_of(std::span<const double> sorted) {
  return quantile(sorted, 0.75) - quantile(sorted, 0.25);
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
      : slots_(slots), feature_(feature), usable_(usable) {}

  std::optional<UnitChange> find() const {
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
    double best_gain = kRecentLikelier;
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

  static double gain_of(std::span<const double> values, const Density& past, const Conversion& conversion) {
    double gain = 0;
    const double narrower = std::log(std::abs(conversion.scale));
    for (const double x : values)
      // What a conversion leaves where it is says nothing about it.
      if (conversion.of(x) != x) gain += past.log_at(conversion.back(x)) - narrower - past.log_at(x);
    return gain;
  }

 private:
  uint32_t sampled(size_t slot) const { return slots_[slot].features[feature_].sampled; }

  std::vector<double> values(size_t from, size_t until) const {
    std::vector<double> out;
    for (size_t i = from; i < until; ++i)
      if (usable_[i]) add_values(slots_[i], feature_, out);
    return out;
  }

  std::optional<UnitChange> closer(const Density& density, const Conversion& conversion) const {
    const std::vector<Part> parts = converted_slots(slots_, feature_, density, conversion);
    size_t from = slots_.size(), with_values = 0;
    int sound = 0;
    for (size_t i = slots_.size(); i-- > 0 && sound < kGoodSlotsToEnd;) {
      if (parts[i].of == 0 || !usable_[i]) continue;
      if (parts[i].bad == 0) {
        ++sound;
        continue;
      }
      sound = 0;
      from = i;
      ++with_values;
    }
    if (with_values < kSlotsMin) return std::nullopt;
    std::vector<double> after = values(from, slots_.size());
    std::vector<double> before = values(0, from);
    if (after.size() < kValuesMin || before.size() < kPastValuesMin) return std::nullopt;
    const Density past(std::move(before));
    std::sort(after.begin(), after.end());
    if (!jumped(from, conversion)) return std::nullopt;
    UnitChange change{conversion, from, past.median(), quantile(after, 0.5)};
    change.sure = alike(after, past, conversion, from, with_values);
    const bool lately = slots_.back().slot_us - slots_[from].slot_us < kUnsureMax.count();
    return change.sure || lately ? std::optional(change) : std::nullopt;
  }

  // Whether the new values are as the past would be, converted.
  bool alike(std::span<const double> after, const Density& past, const Conversion& conversion, size_t from,
             size_t with_values) const {
    const double scale = std::abs(conversion.scale);
    const bool small = conversion.offset == 0 && scale < kSmallScale && scale > 1 / kSmallScale;
    if (small && static_cast<double>(after.size()) < kManyValues * static_cast<double>(with_values))
      return false;
    std::vector<double> expected;
    for (const double x : past.sorted()) expected.push_back(conversion.of(x));
    std::sort(expected.begin(), expected.end());
    const bool beyond = (scale > kFarScale || scale < 1 / kFarScale) &&
                        (after.front() > past.sorted().back() || after.back() < past.sorted().front());
    if (!beyond && slots_.back().slot_us - slots_[from].slot_us < kInsideMin.count()) return false;
    const Habit habit = habit_of(past, from, after.size() / 2);
    if (habit.parts < 2) return false;
    const double apart = ks_distance(after, expected), as_they_are = ks_distance(after, past.sorted());
    if (apart > kFitSlack * habit.apart + kFitApart || apart > kBetter * as_they_are ||
        as_they_are < kFitSlack * habit.apart)
      return false;
    const double wide = spread_of(after) / spread_of(expected);
    return wide >= habit.narrowest / kSpreadSlack && wide <= habit.widest * kSpreadSlack;
  }

  Habit habit_of(const Density& past, size_t from, size_t values_min) const {
    Habit habit;
    const int64_t length = slots_.back().slot_us - slots_[from].slot_us + 1;
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

  // What moves slowly must have jumped as it never did, and onto the conversion of where it was; what comes
  // anew in each slot has no such place.
  bool jumped(size_t from, const Conversion& conversion) const {
    std::vector<double> medians;  // of the slots up to the third of the stretch
    size_t before = 0;
    for (size_t i = 0, after = 0; i < slots_.size() && after < kBadSlotsMin; ++i) {
      if (!usable_[i] || sampled(i) == 0) continue;
      std::vector<double> values;
      add_values(slots_[i], feature_, values);
      medians.push_back(median_of(std::move(values)));
      i < from ? ++before : ++after;
    }
    if (before < kSlotsMin) return false;
    double mean = 0, variance = 0, moves = 0, widest = 0;
    for (size_t i = 0; i < before; ++i) mean += medians[i] / static_cast<double>(before);
    for (size_t i = 0; i < before; ++i) variance += (medians[i] - mean) * (medians[i] - mean);
    for (size_t i = 1; i < before; ++i) {
      const double move = std::abs(medians[i] - medians[i - 1]);
      moves += move * move;
      widest = std::max(widest, move);
    }
    if (moves > kAnew * 2 * variance) return true;
    if (before < kSlowSlotsMin) return false;
    for (size_t i = before; i < medians.size(); ++i) {
      const double old = medians[i - 1], now = medians[i];
      if (std::abs(now - old) > kJump * widest &&
          std::abs(now - conversion.of(old)) <= std::abs(conversion.scale) * widest)
        return true;
    }
    return false;
  }

  std::span<const SlotHealth> slots_;
  size_t feature_;
  const std::vector<bool>& usable_;
};

std::string words(const Conversion& c) {
  std::string out;
  if (c.scale == 1)
    out = fmt::format("{:.4g} {}", std::abs(c.offset), c.offset > 0 ? "more" : "less");
  else if (c.scale < 1 && c.scale > 0 && c.offset == 0)
    out = fmt::format("divided by {:.4g}", 1 / c.scale);
  else
    out = fmt::format("multiplied by {:.4g}", c.scale);
  if (c.scale != 1 && c.offset != 0)
    out += fmt::format(" and {:.4g} {}", std::abs(c.offset), c.offset > 0 ? "more" : "less");
  if (!c.words.empty()) out += fmt::format(" ({}?)", c.words);
  return out;
}

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

Density::Density(std::vector<double> values) : sorted_(std::move(values)) {
  std::sort(sorted_.begin(), sorted_.end());
  median_ = quantile(sorted_, 0.5);
  spread_ = spread_of(sorted_);
  low_ = quantile(sorted_, 0.005);
  const double least = std::max(std::abs(median_) * 1e-6, 1e-12);
  cell_ = std::max((quantile(sorted_, 0.995) - low_) / static_cast<double>(logs_.size()), least);
  // Half the width of Freedman and Diaconis' bins, and no cell between two values may go unseen.
  width_ = std::max(spread_ / std::cbrt(static_cast<double>(sorted_.size())), cell_);
  scale_ = std::max(spread_, least);
  for (size_t i = 0; i < logs_.size(); ++i) logs_[i] = exact(low_ + (static_cast<double>(i) + 0.5) * cell_);
}

double Density::exact(double x) const {
  const auto from = std::lower_bound(sorted_.begin(), sorted_.end(), x - width_);
  const auto until = std::upper_bound(from, sorted_.end(), x + width_);
  const double near = static_cast<double>(until - from) / (static_cast<double>(sorted_.size()) * 2 * width_);
  const double z = (x - median_) / scale_;
  return std::log((1 - kTail) * near + kTail / (M_PI * scale_ * (1 + z * z)));
}

double Density::log_at(double x) const {
  const double cell = (x - low_) / cell_;
  return cell >= 0 && cell < static_cast<double>(logs_.size()) ? logs_[static_cast<size_t>(cell)] : exact(x);
}

std::optional<UnitChange> find_unit_change(std::span<const SlotHealth> slots, size_t feature,
                                           const std::vector<bool>& usable) {
  return Look(slots, feature, usable).find();
}

std::vector<Part> converted_slots(std::span<const SlotHealth> slots, size_t feature, const Density& past,
                                  const Conversion& conversion) {
  std::vector<Part> out(slots.size());
  std::vector<double> values;
  for (size_t i = 0; i < slots.size(); ++i) {
    values.clear();
    add_values(slots[i], feature, values);
    const double gain = Look::gain_of(values, past, conversion);
    if (gain == 0) continue;
    out[i].of = slots[i].rows;
    out[i].bad = gain > 0 ? slots[i].rows : 0;
  }
  return out;
}

std::string looks_like(std::span<const SlotHealth> slots, const v1::FeatureProfile& reference, size_t feature,
                       int64_t since_us) {
  std::vector<double> now;
  for (const SlotHealth& slot : slots)
    if (slot.slot_us >= since_us) add_values(slot, feature, now);
  if (now.size() < kSlotsMin) return {};
  const Density past = past_of(slots, feature, since_us, reference);
  const Conversion* best = nullptr;
  double best_gain = kRecentLikelier;
  for (const Conversion& conversion : conversions()) {
    const double gain = Look::gain_of(now, past, conversion);
    if (gain <= best_gain) continue;
    best = &conversion;
    best_gain = gain;
  }
  if (best == nullptr ||
      std::abs(best->back(median_of(std::move(now))) - past.median()) > std::max(past.spread(), 1e-12))
    return {};
  return words(*best);
}

void check_units(Stretches& stretches, const v1::FeatureProfile& reference, std::string_view column,
                 size_t feature, std::span<const v1::Breach> ended) {
  const auto slots = stretches.slots();
  const v1::Breach* open = stretches.open(kCheck, column);
  std::optional<UnitChange> change;
  if (open != nullptr) {
    change = UnitChange{{open->scale(), open->offset(), ""}};
  } else {
    if (stretches.found("range", column)) return;  // named already
    change = find_unit_change(slots, feature, usable_slots(slots, column, ended));
    if (!change) return;
    if (!change->sure) return stretches.suspect(kCheck, column, change->from);
  }
  const int64_t since = open ? open->from_us() : slots[change->from].slot_us;
  const Density past = past_of(slots, feature, since, reference);
  const std::vector<Part> parts = converted_slots(slots, feature, past, change->conversion);
  Stretches::Rule rule;
  rule.check = kCheck;
  rule.feature = column;
  rule.part = [&](size_t slot) { return parts[slot]; };
  rule.threshold = 0.5;
  rule.reason = [&](const Part&, int64_t from_us) {
    if (open != nullptr) return open->reason();
    return fmt::format(
        "{} looks {} since {}, with a median of {:.4g} before and {:.4g} now: a change of unit?", column,
        words(change->conversion), format_time(time_from_micros(from_us)), change->before, change->after);
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
