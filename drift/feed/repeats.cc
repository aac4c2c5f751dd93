#include "drift/feed/repeats.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "drift/feed/evidence.h"

namespace rekindle::drift {

namespace {

constexpr std::string_view kCheck = "repeated_rows";
// Rows repeat by nature, the more of them the longer one looks back: so always as far.
constexpr Micros kLookBack = std::chrono::hours(48);
constexpr int64_t kBaseRowsMin = 500;
constexpr double kBaseMax = 0.6;  // of a feed that repeats itself more than this nothing can be told
// Of what is not repeated by nature. A feed that is sent twice repeats half of it.
constexpr double kExcess = 0.25;

bool covered(const SlotHealth& slot, std::span<const v1::Breach> breaches) {
  return std::any_of(breaches.begin(), breaches.end(), [&](const v1::Breach& b) {
    return b.from_us() <= slot.slot_us && slot.slot_us < b.until_us();
  });
}

}  // namespace

std::vector<Part> repeats_of(std::span<const SlotHealth> slots) {
  std::vector<Part> out(slots.size());
  std::unordered_map<uint64_t, int64_t> seen;  // the slot that held it last
  seen.reserve(slots.size() * kContentsMax);
  for (size_t i = 0; i < slots.size(); ++i)
    for (const auto& kept : slots[i].contents) {
      const auto [at, first] = seen.try_emplace(kept.hash, slots[i].slot_us);
      const bool before = !first && at->second >= slots[i].slot_us - kLookBack.count();
      at->second = slots[i].slot_us;
      out[i].of += kept.rows;
      out[i].bad += kept.rows - (before ? 0 : 1);
    }
  return out;
}

void check_repeats(Stretches& stretches, std::span<const v1::Breach> open_now,
                   std::span<const v1::Breach> ended) {
  const auto slots = stretches.slots();
  const v1::Breach* open = stretches.open(kCheck, "");
  if (slots.back().contents.empty() && open == nullptr) return;
  // Rows in which a column is missing or stands still are alike for that.
  if (open == nullptr && stretches.any()) return;
  const std::vector<Part> repeats = repeats_of(slots);
  double threshold = open ? open->threshold() : 0;
  if (open == nullptr) {
    Part base;
    for (size_t i = 0; i < slots.size() && slots[i].slot_us < stretches.end_us() - kDay.count(); ++i) {
      if (slots[i].slot_us < slots[0].slot_us + kLookBack.count() || covered(slots[i], open_now) ||
          covered(slots[i], ended))
        continue;
      base.bad += repeats[i].bad;
      base.of += repeats[i].of;
    }
    if (base.of < kBaseRowsMin || base.share() > kBaseMax) return;
    threshold = base.share() + kExcess * (1 - base.share());
  }
  Stretches::Rule rule;
  rule.check = kCheck;
  rule.part = [&](size_t slot) { return repeats[slot]; };
  rule.threshold = threshold;
  rule.fires = [&](size_t from) { return enough_in_a_day(stretches, from, rule); };
  rule.reason = [&](const Part& all, int64_t from_us) {
    return fmt::format("{:.1f} % of the rows hold what other rows held since {}: over {:.1f} %: sent twice?",
                       100 * all.share(), format_time(time_from_micros(from_us)), 100 * threshold);
  };
  stretches.look(rule);
}

}  // namespace rekindle::drift
