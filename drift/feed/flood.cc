#include "drift/feed/flood.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "drift/feed/evidence.h"

namespace rekindle::drift {

namespace {

constexpr std::string_view kCheck = "flood";
constexpr int64_t kTimes = 4;  // the fullest slot of all sources, and what the others send at the same time
constexpr size_t kSlotsBefore = 24;  // that show how full slots are

}  // namespace

void check_flood(Stretches& stretches, std::span<const SlotHealth> whole) {
  const v1::Breach* open = stretches.open(kCheck, "");
  std::unordered_map<int64_t, int64_t> all;
  int64_t fullest = 0;
  size_t before = 0;
  for (const SlotHealth& slot : whole) {
    all[slot.slot_us] = slot.rows;
    if (slot.slot_us >= stretches.end_us() - kDay.count()) continue;
    fullest = std::max(fullest, slot.rows);
    ++before;
  }
  if (open == nullptr && before < kSlotsBefore) return;
  const int64_t limit = open ? static_cast<int64_t>(open->threshold()) : kTimes * fullest;
  Stretches::Rule rule;
  rule.check = kCheck;
  rule.threshold = 1;
  rule.part = [&](size_t i) {
    const SlotHealth& slot = stretches.slots()[i];
    const bool flooded = slot.rows > limit && slot.rows > kTimes * (all[slot.slot_us] - slot.rows);
    return Part{flooded ? slot.rows : 0, slot.rows};
  };
  rule.fires = [](size_t) { return true; };
  rule.reason = [&](const Part& sent, int64_t from_us) {
    return fmt::format("{} rows from one source since {}: over {} in a slot, {} times what all sent before",
                       sent.bad, format_time(time_from_micros(from_us)), limit, kTimes);
  };
  if (v1::Breach* breach = stretches.look(rule)) breach->set_threshold(static_cast<double>(limit));
}

}  // namespace rekindle::drift
