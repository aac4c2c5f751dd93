#include "drift/feed/repeats.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "drift/feed/evidence.h"

namespace rekindle::drift {

namespace {

constexpr std::string_view kCheck = "repeated_rows";
constexpr Micros kBaseSpan = std::chrono::hours(48);  // rows repeat by nature: how many, must have been seen
constexpr int64_t kBaseRowsMin = 500;
constexpr double kBaseMax = 0.6;  // of a feed that repeats itself more than this nothing can be told
// Of what is not repeated by nature. A feed that is sent twice repeats half of it.
constexpr double kExcess = 0.25;

bool known_bad(const SlotHealth& slot, std::span<const v1::Breach> breaches) {
  return std::any_of(breaches.begin(), breaches.end(), [&](const v1::Breach& b) {
    return b.check() == kCheck && b.from_us() <= slot.slot_us && slot.slot_us < b.until_us();
  });
}

}  // namespace

std::vector<Part> repeats_of(std::span<const SlotHealth> slots) {
  std::vector<Part> out(slots.size());
  std::unordered_set<uint64_t> seen;
  seen.reserve(slots.size() * kContentsMax);
  for (size_t i = 0; i < slots.size(); ++i)
    for (const auto& kept : slots[i].contents) {
      out[i].of += kept.rows;
      out[i].bad += kept.rows - (seen.insert(kept.hash).second ? 1 : 0);
    }
  return out;
}

void check_repeats(Stretches& stretches, std::span<const v1::Breach> ended) {
  const auto slots = stretches.slots();
  const v1::Breach* open = stretches.open(kCheck, "");
  if (slots.back().contents.empty() && open == nullptr) return;
  const std::vector<Part> repeats = repeats_of(slots);
  double threshold = open ? open->threshold() : 0;
  if (open == nullptr) {
    Part base;
    for (size_t i = 0; i < slots.size() && slots[i].slot_us < stretches.end_us() - kDay.count(); ++i) {
      if (known_bad(slots[i], ended)) continue;
      base.bad += repeats[i].bad;
      base.of += repeats[i].of;
    }
    const bool enough = Micros(stretches.end_us() - slots.front().slot_us) >= kBaseSpan;
    if (!enough || base.of < kBaseRowsMin || base.share() > kBaseMax) return;
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
