// Stretches of bad slots: which of them are breaches, how long these last, and what they hold.
//
// A stretch is a run of bad slots that up to two sound ones may interrupt: three in a row end it. It is a
// breach when its check says that the evidence is enough; until then it is a suspicion. Pure.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "drift/feed/health.h"

namespace rekindle::drift {

inline constexpr int kGoodSlotsToEnd = 3;

// A part of the rows of a slot that is bad, and the rows that could be.
struct Part {
  int64_t bad = 0;
  int64_t of = 0;
  double share() const { return of == 0 ? 0 : static_cast<double>(bad) / static_cast<double>(of); }
};

// A breach that lasts has the from_us that it had, and a later until_us.
struct Findings {
  std::vector<v1::Breach> breaches;
  std::vector<v1::Breach> suspects;  // without a reason: nobody is told
};

class Stretches {
 public:
  struct Rule {
    std::string_view check, feature;
    std::function<Part(size_t slot)> part;  // by its place; of = 0: the slot says nothing either way
    double threshold = 0;                   // share of bad rows from which a slot is bad
    // Whether the stretch from this slot on is a breach.
    std::function<bool(size_t from)> fires;
    // Asked when it is not: whether it may become one. Unset: it may.
    std::function<bool()> suspicious;
    std::function<std::string(const Part& all, int64_t from_us)> reason;
  };

  // `slots`: those with rows, oldest first, at least one; `open` of this source alone.
  Stretches(std::span<const SlotHealth> slots, Micros slot, std::string_view source,
            std::span<const v1::Breach> open)
      : slots_(slots), length_(slot.count()), source_(source), open_(open) {}

  // The breach that the rule finds, new or going on; null when there is none. Valid until the next look.
  v1::Breach* look(const Rule& rule);
  // Likewise of a breach that a check of its own has found (slots from `from` on).
  v1::Breach* add(std::string_view check, std::string_view feature, size_t from, Part all, double threshold,
                  const std::function<std::string(const Part&, int64_t)>& reason);
  void suspect(std::string_view check, std::string_view feature, size_t from);
  // Where the stretch of bad slots begins that reaches the newest slot; the number of slots when there is
  // none.
  size_t start_of(const Rule& rule) const;

  const v1::Breach* open(std::string_view check, std::string_view feature) const;
  bool found(std::string_view check, std::string_view feature) const;
  bool any() const { return !findings_.breaches.empty() || !findings_.suspects.empty(); }  // found so far

  // Bad rows of the stretch alone among all rows of the time looked back on: what an earlier stretch
  // left behind is no evidence against this one.
  Part within(Micros back, size_t from, const Rule& rule) const;
  int bad_slots(size_t from, const Rule& rule) const;
  std::span<const SlotHealth> slots() const { return slots_; }
  int64_t end_us() const { return slots_.back().slot_us + length_; }
  Findings take() { return std::move(findings_); }

 private:
  static bool bad(const Rule& rule, size_t slot);
  v1::Breach named(std::string_view check, std::string_view feature, int64_t from_us) const;
  int64_t rows_between(int64_t from_us, int64_t until_us, const v1::Breach* open) const;

  std::span<const SlotHealth> slots_;
  int64_t length_;
  std::string_view source_;
  std::span<const v1::Breach> open_;
  Findings findings_;
};

}  // namespace rekindle::drift
