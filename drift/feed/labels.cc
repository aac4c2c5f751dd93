#include "drift/feed/labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

#include "drift/distances/samples.h"
#include "drift/feed/evidence.h"

namespace rekindle::drift {

namespace {

constexpr std::string_view kInverted = "inverted_label", kLeaking = "leaking_label",
                           kPoisoned = "poisoned_feedback";
constexpr Micros kPastMin = std::chrono::hours(48);
constexpr double kSure = 5;  // standard errors
// Turned round: the model told labels apart this well, and now as badly, within this margin or two standard
// errors; and were each label the other one, it would lose what it lost before, within so many standard
// errors or what a day of the past was apart from the rest.
constexpr double kToldMin = 0.6;
constexpr double kMirrorApart = 0.05;
constexpr double kLossApart = 3;
// Given away: a column alone tells nearly all pairs apart, did not before, and left five times as many
// undecided. One that is distributed as ever gives nothing away: the world has come to go by it. So many
// values say that it is, with a chance of one in so many that it only seems otherwise.
constexpr double kGivenAway = 0.98;
constexpr double kUndecided = 0.2;
constexpr size_t kAsEverMin = 96;
constexpr double kSeemsOtherwise = 0.001;
// Poisoned: mean loss (of 1 at most) over that of the others in the same slots, beyond what it was before.
// One who is new has no before, and may be of a harder kind.
constexpr double kContradicts = 0.1;
constexpr double kContradictsNew = 0.15;
constexpr int kPairedSlotsMin = 8;
constexpr int64_t kRowsOfSlotMin = 2;

double share(double part, double of) {
  return of > 0 ? part / of : 0.5;
}

bool covered(std::span<const v1::Breach> breaches, std::string_view check, std::string_view feature,
             std::string_view source, int64_t slot_us) {
  return std::any_of(breaches.begin(), breaches.end(), [&](const v1::Breach& b) {
    return b.check() == check && b.feature() == feature && b.source() == source && b.from_us() <= slot_us &&
           slot_us < b.until_us();
  });
}

// The labels' slots, all senders together, and each sender's.
struct Slots {
  std::vector<SlotHealth> health;  // rows alone
  std::vector<v1::LabelSums> all;
  std::map<std::string, std::vector<const v1::LabelSums*>> by_source;  // null where it sent none
};

void add(v1::LabelSums& into, const v1::LabelSums& more) {
  into.set_rows(into.rows() + more.rows());
  into.set_loss(into.loss() + more.loss());
  into.set_pairs(into.pairs() + more.pairs());
  into.set_concordant(into.concordant() + more.concordant());
  into.set_chance(into.chance() + more.chance());
  into.set_mirrored_loss(into.mirrored_loss() + more.mirrored_loss());
}

Slots slots_of(std::span<const v1::LabelSums> sums) {
  Slots out;
  for (const auto& sum : sums) {
    if (out.all.empty() || out.all.back().slot_us() != sum.slot_us()) {
      out.all.emplace_back().set_slot_us(sum.slot_us());
      out.health.push_back({sum.slot_us(), 0, {}, {}});
    }
    if (sum.told_size() > 0) {  // of all senders: rows are counted with each
      *out.all.back().mutable_told() = sum.told();
      *out.all.back().mutable_told_of() = sum.told_of();
      *out.all.back().mutable_told_values() = sum.told_values();
    }
    if (sum.rows() == 0) continue;
    add(out.all.back(), sum);
    out.health.back().rows += sum.rows();
    auto& of_source = out.by_source[sum.source()];
    of_source.resize(out.all.size(), nullptr);
    of_source.back() = &sum;
  }
  for (auto& [source, of] : out.by_source) of.resize(out.all.size(), nullptr);
  return out;
}

// What rows lost in slots of the past on average, and how far from it a stretch of them may lie.
class UsualLoss {
 public:
  void add(const v1::LabelSums& slot) {
    slots_.push_back(&slot);
    rows_ += static_cast<double>(slot.rows());
    loss_ += slot.loss();
  }
  double mean() const { return rows_ > 0 ? loss_ / rows_ : 0; }

  double apart(double rows) const {
    double squares = 0, day_loss = 0, day_rows = 0, by_day = 0;
    int64_t day = INT64_MIN;
    const auto end_day = [&] {
      if (day_rows >= kRowsMin) by_day = std::max(by_day, std::abs(day_loss / day_rows - mean()));
      day_loss = day_rows = 0;
    };
    for (const v1::LabelSums* slot : slots_) {
      if (slot->slot_us() / kDay.count() != day) end_day();
      day = slot->slot_us() / kDay.count();
      const auto n = static_cast<double>(slot->rows());
      day_loss += slot->loss();
      day_rows += n;
      if (n > 0) squares += n * (slot->loss() / n - mean()) * (slot->loss() / n - mean());
    }
    end_day();
    // Of one row: rows of a slot go together, so that slots say it.
    const double variance = squares / std::max<double>(1, static_cast<double>(slots_.size()) - 1);
    return std::max(by_day, kLossApart * std::sqrt(variance * (1 / rows + 1 / rows_)));
  }

 private:
  std::vector<const v1::LabelSums*> slots_;
  double rows_ = 0, loss_ = 0;
};

// How well one column alone tells the labels of some slots.
struct Told {
  double told = 0, of = 0;
  int64_t rows = 0;
  void add(const v1::LabelSums& slot, int number) {
    if (number >= slot.told_size()) return;
    told += slot.told(number);
    of += slot.told_of(number);
    rows += slot.rows();
  }
  // A number may tell by being small; a category scores what it tells.
  double decided(bool categorical) const {
    const double d = share(told, of);
    return categorical ? d : std::max(d, 1 - d);
  }
};

void add_values(const v1::LabelSums& slot, int number, std::vector<double>& into) {
  const int first = number * static_cast<int>(kToldValues);
  for (int i = first; i < std::min(first + static_cast<int>(kToldValues), slot.told_values_size()); ++i)
    if (std::isfinite(slot.told_values(i))) into.push_back(slot.told_values(i));
}

// What a column holds beside what it held.
enum class Holds {
  kOtherwise,
  kUnknown,  // no values are kept, as of a category
  kAsEver,
  kTooFew  // to say that it is as ever
};
Holds holds(std::vector<double> now, std::vector<double> before) {
  if (now.empty() || before.empty()) return Holds::kUnknown;
  std::sort(now.begin(), now.end());
  std::sort(before.begin(), before.end());
  if (kolmogorov_smirnov(now, before).p < kSeemsOtherwise) return Holds::kOtherwise;
  return now.size() >= kAsEverMin ? Holds::kAsEver : Holds::kTooFew;
}

class LabelChecks {
 public:
  LabelChecks(const Slots& slots, std::string_view label, Micros slot, std::span<const v1::Breach> open,
              std::span<const v1::Breach> ended)
      : slots_(slots),
        label_(label),
        slot_(slot),
        open_(open),
        ended_(ended),
        all_(slots.health, slot, "", open) {}

  void inverted() {
    std::vector<size_t> before;
    if (!past(kInverted, label_, "", [&](size_t i) { before.push_back(i); })) return;
    const v1::Breach* open = all_.open(kInverted, label_);
    Stretches::Rule rule;
    rule.check = kInverted;
    rule.feature = label_;
    rule.threshold = 0.5;
    rule.part = [&](size_t i) {
      const v1::LabelSums& s = slots_.all[i];
      if (s.pairs() == 0) return Part{};
      return Part{2 * s.concordant() < s.pairs() ? s.rows() : 0, s.rows()};
    };
    double told = 0, now = 0;
    bool suspicious = false;
    rule.fires = [&](size_t from) {
      UsualLoss usual;
      v1::LabelSums past, since;
      for (const size_t i : before) {
        if (i >= from) break;  // of the stretch itself: a day old and no breach yet
        usual.add(slots_.all[i]);
        add(past, slots_.all[i]);
      }
      for (size_t i = from; i < slots_.all.size(); ++i) add(since, slots_.all[i]);
      told = share(past.concordant(), past.pairs());
      now = share(since.concordant(), since.pairs());
      if (told < kToldMin || past.concordant() - past.pairs() / 2 < kSure * std::sqrt(past.chance()))
        return suspicious = false;
      const double chance = std::sqrt(since.chance());
      const double errors = chance > 0 ? (since.pairs() / 2 - since.concordant()) / chance : 0;
      const auto rows = static_cast<double>(since.rows());
      const bool mirrors = std::abs(now - (1 - told)) <= std::max(kMirrorApart, 2 * chance / since.pairs()) &&
                           std::abs(since.mirrored_loss() / rows - usual.mean()) <= usual.apart(rows);
      suspicious = errors > kSure / 2 && (mirrors || since.rows() < kRowsMin);
      return since.rows() >= kRowsMin && all_.bad_slots(from, rule) >= kBadSlotsMin && errors > kSure &&
             mirrors;
    };
    rule.suspicious = [&] { return suspicious; };
    rule.reason = [&](const Part&, int64_t from_us) {
      if (open != nullptr) return open->reason();
      return fmt::format(
          "of pairs of a positive and a negative row predictions put {:.0f} % in order before, and {:.0f} % "
          "since "
          "{}: {} turned round?",
          100 * told, 100 * now, format_time(time_from_micros(from_us)), label_);
    };
    if (v1::Breach* breach = all_.look(rule)) breach->set_of_labels(true);
  }

  void given_away(std::string_view column, int number, bool categorical) {
    std::vector<size_t> before;
    if (!past(kLeaking, column, "", [&](size_t i) { before.push_back(i); })) return;
    const v1::Breach* open = all_.open(kLeaking, column);
    Stretches::Rule rule;
    rule.check = kLeaking;
    rule.feature = column;
    rule.threshold = 0.5;
    rule.part = [&](size_t i) {
      Told slot;
      slot.add(slots_.all[i], number);
      if (slot.of == 0) return Part{};
      return Part{slot.decided(categorical) >= kGivenAway ? slots_.all[i].rows() : 0, slots_.all[i].rows()};
    };
    double told = 0, now = 0;
    bool few = false;
    rule.fires = [&](size_t from) {
      // Not of the stretch itself: a day old and no breach yet.
      const std::span<const size_t> past(before.begin(),
                                         std::lower_bound(before.begin(), before.end(), from));
      Told earlier, since;
      for (const size_t i : past) earlier.add(slots_.all[i], number);
      for (size_t i = from; i < slots_.all.size(); ++i) since.add(slots_.all[i], number);
      told = earlier.decided(categorical);
      now = since.decided(categorical);
      few = false;
      if (past.empty() || told >= kGivenAway || now < kGivenAway || 1 - now > kUndecided * (1 - told))
        return false;
      std::vector<double> values, held;
      for (const size_t i : past) add_values(slots_.all[i], number, held);
      for (size_t i = from; i < slots_.all.size(); ++i) add_values(slots_.all[i], number, values);
      const Holds what = holds(std::move(values), std::move(held));
      few = what != Holds::kAsEver && since.rows >= kRowsMin / 4;
      return (what == Holds::kOtherwise || what == Holds::kUnknown) && since.rows >= kRowsMin &&
             all_.bad_slots(from, rule) >= kBadSlotsMin;
    };
    rule.suspicious = [&] { return few; };
    rule.reason = [&](const Part&, int64_t from_us) {
      if (open != nullptr) return open->reason();
      return fmt::format(
          "{} alone puts {:.1f} % of pairs of a positive and a negative row in order since {}, {:.1f} % "
          "before: "
          "does it hold {}?",
          column, 100 * now, format_time(time_from_micros(from_us)), 100 * told, label_);
    };
    all_.look(rule);
  }

  // One sender against all others in the same slots.
  void poisoned(const std::string& source, const std::vector<const v1::LabelSums*>& of_source) {
    std::vector<std::optional<double>> apart(slots_.all.size());
    for (size_t i = 0; i < apart.size(); ++i) {
      const v1::LabelSums* s = of_source[i];
      const int64_t others = s == nullptr ? 0 : slots_.all[i].rows() - s->rows();
      if (s == nullptr || s->rows() < kRowsOfSlotMin || others < kRowsOfSlotMin) continue;
      apart[i] = s->loss() / static_cast<double>(s->rows()) -
                 (slots_.all[i].loss() - s->loss()) / static_cast<double>(others);
    }
    double habit = 0;
    int slots = 0;
    const bool known = past(kPoisoned, label_, source, [&](size_t i) {
      if (!apart[i]) return;
      habit += *apart[i];
      ++slots;
    });
    habit = known && slots >= kPairedSlotsMin ? habit / slots : 0;
    const double least = known && slots >= kPairedSlotsMin ? kContradicts : kContradictsNew;
    std::vector<v1::Breach> open;
    for (const auto& b : open_)
      if (b.check() == kPoisoned && b.source() == source) open.push_back(b);
    if (!open.empty()) habit = open.front().threshold() - kContradicts;
    Stretches mine(slots_.health, slot_, source, open);
    const size_t from = start(apart, habit + least / 2);
    Stretches::Rule rule;
    rule.check = kPoisoned;
    rule.feature = label_;
    rule.threshold = 0.5;
    rule.part = [&](size_t i) {
      if (!apart[i]) return Part{};
      // What lies within a stretch is of it, whatever one slot says.
      const bool bad = open.empty() ? i >= from : *apart[i] > habit + least / 2;
      return Part{bad ? of_source[i]->rows() : 0, of_source[i]->rows()};
    };
    double now = 0;
    bool few = false;
    rule.fires = [&](size_t begin) {
      double sum = 0, squares = 0;
      int n = 0;
      for (size_t i = begin; i < apart.size(); ++i) {
        if (!apart[i]) continue;
        sum += *apart[i] - habit;
        squares += (*apart[i] - habit) * (*apart[i] - habit);
        ++n;
      }
      if (n < kBadSlotsMin) return false;
      now = sum / n;
      const double errors = now / std::sqrt(std::max(squares / n - now * now, 1e-6) / (n - 1));
      few = now >= least && errors >= kSure / 2;
      return n >= kPairedSlotsMin && now >= least && errors >= kSure;
    };
    rule.suspicious = [&] { return few; };
    rule.reason = [&](const Part&, int64_t from_us) {
      if (!open.empty()) return open.front().reason();
      return fmt::format(
          "labels sent by {} contradict the answers {:.2f} more (of 1) than those of others in the same "
          "hours since "
          "{}, {:.2f} before: poisoned?",
          source, habit + now, format_time(time_from_micros(from_us)), habit);
    };
    if (v1::Breach* breach = mine.look(rule)) {
      breach->set_of_labels(true);
      breach->set_threshold(habit + kContradicts);
      if (open.empty()) breach->set_value(habit + now);
    }
    Findings found = mine.take();
    for (auto& b : found.breaches) findings_.breaches.push_back(std::move(b));
    for (auto& s : found.suspects) findings_.suspects.push_back(std::move(s));
  }

  Findings take() {
    Findings all = all_.take();
    for (auto& b : all.breaches) findings_.breaches.push_back(std::move(b));
    for (auto& s : all.suspects) findings_.suspects.push_back(std::move(s));
    return std::move(findings_);
  }

 private:
  // Adds up the slots more than a day old that no breach covers; whether they are two days.
  template <typename Add>
  bool past(std::string_view check, std::string_view feature, std::string_view source, Add add) {
    const int64_t end = slots_.health.back().slot_us + slot_.count();
    for (size_t i = 0; i < slots_.health.size() && slots_.health[i].slot_us < end - kDay.count(); ++i)
      if (!covered(open_, check, feature, source, slots_.health[i].slot_us) &&
          !covered(ended_, check, feature, source, slots_.health[i].slot_us))
        add(i);
    return end - slots_.health.front().slot_us >= kPastMin.count() ||
           std::any_of(open_.begin(), open_.end(), [&](const auto& b) { return b.check() == check; });
  }

  // Where the sum of what lies over `level` last began to rise (Page's test): one slot is too few rows to
  // say.
  static size_t start(const std::vector<std::optional<double>>& apart, double level) {
    double sum = 0;
    size_t from = apart.size();
    for (size_t i = 0; i < apart.size(); ++i) {
      if (!apart[i]) continue;
      sum += *apart[i] - level;
      if (sum <= 0) {
        sum = 0;
        from = apart.size();
      } else if (from == apart.size()) {
        from = i;
      }
    }
    return from;
  }

  const Slots& slots_;
  std::string label_;
  Micros slot_;
  std::span<const v1::Breach> open_, ended_;
  Stretches all_;
  Findings findings_;
};

}  // namespace

bool found_by_labels(const v1::Breach& breach) {
  return breach.check() == kInverted || breach.check() == kLeaking || breach.check() == kPoisoned;
}

Findings check_labels(std::span<const v1::LabelSums> sums, std::string_view label,
                      std::span<const FeedColumn> columns, Micros slot, std::span<const v1::Breach> open,
                      std::span<const v1::Breach> ended) {
  if (sums.empty()) return {{open.begin(), open.end()}, {}};
  const Slots slots = slots_of(sums);
  LabelChecks checks(slots, label, slot, open, ended);
  checks.inverted();
  for (size_t c = 0; c < columns.size(); ++c)
    checks.given_away(columns[c].name, static_cast<int>(c), columns[c].categorical);
  if (slots.by_source.size() > 1)
    for (const auto& [source, of] : slots.by_source) checks.poisoned(source, of);
  return checks.take();
}

}  // namespace rekindle::drift
