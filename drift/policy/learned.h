// How much of the world since it changed a run would learn from now, and how much the version in service has.
//
// Pure. Rows that are held back for the verdict teach nothing: the newest of a changed world are the first to
// be held back, and a run that starts as soon as the change is noticed would learn the old world once more.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "drift/policy.h"

namespace rekindle::drift {

// What a fit loses to chance goes as one over its rows. Of a world that has just changed a version knows
// days: so many times the rows, and two thirds of what too few of them cost is won back.
inline constexpr int64_t kTimesTheChanged = 3;

// Of a world that stands still it knows months. What the first refit wins stays won the longest, and nobody
// has tried yet what more rows bring; then as often as the rows double.
inline constexpr double kTimesTheFirst = 1.5, kTimesTheRows = 2;
// Each candidate in a row that was no better has tried it, and asks for so many times more.
inline constexpr double kTimesRejected = 3;

// A run would learn from less of the world since `from_us` than is held back to judge it by.
inline bool too_new(const PolicyContext& context, int64_t from_us) {
  return from_us != 0 && context.holdout_us > 0 && context.learns_until_us - from_us < context.holdout_us;
}

// What goes on changing while a run waits for rows is the change that it waits for: else it might wait for
// ever.
inline bool same_change(const PolicyContext& context, int64_t clock_us, int64_t from_us, int64_t since_us) {
  const int64_t learned_by_then_us = since_us - (clock_us - context.learns_until_us) - from_us;
  return from_us != 0 && context.holdout_us > 0 && learned_by_then_us < context.holdout_us;
}

// The version in service came after the change was noticed, in the time of `noticed_version`, and knows
// little of it: a run would learn from many times as much. One that was there before speaks for itself.
inline bool outgrown(const PolicyContext& context, int64_t from_us, uint64_t noticed_version) {
  if (from_us == 0 || context.holdout_us <= 0 || context.champion == noticed_version) return false;
  const int64_t learned = std::max<int64_t>(0, context.learned_until_us - from_us);
  return context.learns_until_us - from_us >= std::max(context.holdout_us, kTimesTheChanged * learned);
}

// The world is what it was when the rows began that the version in service learned from, and a run would
// learn from many times as many.
inline bool outgrown_unchanged(const PolicyContext& context, int64_t changed_us, uint32_t rejections) {
  const bool changed = changed_us != 0 && changed_us >= context.learned_from_us;
  if (context.learned_from_us == 0 || changed || context.holdout_us <= 0) return false;
  const auto learned = static_cast<double>(context.learned_until_us - context.learned_from_us);
  const double times = context.versions <= 1 ? kTimesTheFirst : kTimesTheRows;
  return static_cast<double>(context.learns_until_us - context.learns_from_us) >=
         std::max(static_cast<double>(context.holdout_us),
                  learned * times * std::pow(kTimesRejected, rejections));
}

}  // namespace rekindle::drift
