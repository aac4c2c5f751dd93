#include "drift/feed/units/levels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "drift/feed/units/density.h"

namespace rekindle::drift {

namespace {

// Von Neumann's ratio is 1 - the correlation of a slot and the next. Where they have nothing to do with each
// other it is 1 with a standard error of 1 / sqrt(slots); below this the one explains more than half of the
// other's variance.
constexpr double kSlowRatio = 0.29;
constexpr double kChance = 4;      // standard errors
constexpr double kJump = 2;        // times the widest move that there was: no move of the world
constexpr size_t kLevelsMin = 90;  // so many must have shown what moves there are
constexpr size_t kMovesMin = 40;   // of them

std::vector<double> moves_of(std::span<const Level> levels) {
  std::vector<double> out;
  for (size_t i = 1; i < levels.size(); ++i)
    if (levels[i].value != levels[i - 1].value) out.push_back(levels[i].value - levels[i - 1].value);
  return out;
}

double widest_move(std::span<const Level> levels) {
  double widest = 0;
  for (size_t i = 1; i < levels.size(); ++i)
    widest = std::max(widest, std::abs(levels[i].value - levels[i - 1].value));
  return widest;
}

struct Course {
  double gain = 0;
  size_t until;  // the first level that is in the old unit again, or the number of levels
};

// What became of a column that is converted from a level on. It may come back, at any of the levels with
// the same chance. One that stands still does so in every unit and says nothing.
Course course_of(std::span<const Level> levels, size_t from, const Conversion& conversion,
                 const Density& moves) {
  const double narrower = std::log(std::abs(conversion.scale));
  const double any_level = std::log(static_cast<double>(levels.size()));
  const auto before = [&](size_t i) { return i < from ? levels[i].value : conversion.back(levels[i].value); };
  double converted = 0, as_they_are = 0, came_back = -std::numeric_limits<double>::infinity();
  size_t until = levels.size();
  for (size_t i = std::max<size_t>(from, 1); i < levels.size(); ++i) {
    const double now = levels[i].value, old = levels[i - 1].value;
    if (now == old) continue;
    const double plain = moves.log_at(now - old);
    as_they_are += plain;
    came_back += plain;
    const double comes_back = converted + moves.log_at(now - before(i - 1)) - any_level;
    if (i > from && comes_back > came_back) {
      came_back = comes_back;
      until = i;
    }
    converted += moves.log_at(before(i) - before(i - 1)) - narrower;
  }
  return {converted - as_they_are, came_back > converted ? until : levels.size()};
}

std::optional<Jump> jump_at(std::span<const Level> levels, size_t at) {
  const auto before = levels.first(at);
  if (pace_of(before) != Pace::kSlow) return std::nullopt;
  const Density moves(moves_of(before));
  std::optional<Jump> best;
  for (const Conversion& conversion : conversions()) {
    if (conversion.small() || !jumps_onto(levels, at, conversion)) continue;
    const Course course = course_of(levels, at, conversion, moves);
    if (course.until == levels.size() && (!best || course.gain > best->gain))
      best = Jump{at, conversion, course.gain};
  }
  return best;
}

}  // namespace

std::vector<Level> levels_of(std::span<const SlotHealth> slots, size_t feature,
                             const std::vector<bool>& usable) {
  std::vector<Level> out;
  out.reserve(slots.size());
  for (size_t i = 0; i < slots.size(); ++i) {
    const FeatureHealth& f = slots[i].features[feature];
    if (!usable[i] || f.sampled == 0) continue;
    std::array<double, kSampleMax> values;
    std::transform(f.sample.begin(), f.sample.begin() + f.sampled, values.begin(), number_of);
    const auto middle = values.begin() + f.sampled / 2;
    std::nth_element(values.begin(), middle, values.begin() + f.sampled);
    out.push_back({i, *middle});
  }
  return out;
}

Pace pace_of(std::span<const Level> levels) {
  double mean = 0, variance = 0, moves = 0;
  for (const Level& level : levels) mean += level.value / static_cast<double>(levels.size());
  for (const Level& level : levels) variance += (level.value - mean) * (level.value - mean);
  for (const double move : moves_of(levels)) moves += move * move;
  const double by_chance = 1 - kChance / std::sqrt(static_cast<double>(std::max<size_t>(levels.size(), 1)));
  if (moves > std::max(kSlowRatio, by_chance) * 2 * variance) return Pace::kAnew;
  const bool slow = moves <= kSlowRatio * 2 * variance && moves_of(levels).size() >= kMovesMin;
  return slow ? Pace::kSlow : Pace::kBetween;
}

bool jumps_onto(std::span<const Level> levels, size_t at, const Conversion& conversion) {
  if (at < kLevelsMin || at >= levels.size()) return false;
  const double now = levels[at].value, old = levels[at - 1].value;
  const double widest = kJump * widest_move(levels.first(at));
  return std::abs(now - old) > widest && std::abs(conversion.back(now) - old) <= widest;
}

std::optional<Jump> find_jump(std::span<const Level> levels) {
  std::vector<size_t> far;
  double widest = 0;
  for (size_t at = 1; at < levels.size(); ++at) {
    const double move = std::abs(levels[at].value - levels[at - 1].value);
    if (at >= kLevelsMin && move > kJump * widest) far.push_back(at);
    widest = std::max(widest, move);
  }
  for (auto at = far.rbegin(); at != far.rend(); ++at)
    if (const auto jump = jump_at(levels, *at)) return jump;
  return std::nullopt;
}

std::optional<std::vector<Part>> converted_levels(std::span<const SlotHealth> slots, size_t feature,
                                                  const std::vector<bool>& usable,
                                                  const Conversion& conversion, int64_t from_us,
                                                  int64_t until_us) {
  const std::vector<Level> levels = levels_of(slots, feature, usable);
  std::vector<Level> before;  // all in the old unit, as long as that is known
  size_t from = 0;
  for (const Level& level : levels) {
    const int64_t at_us = slots[level.slot].slot_us;
    if (at_us >= until_us) break;
    from += at_us < from_us ? 1 : 0;
    before.push_back({level.slot, at_us < from_us ? level.value : conversion.back(level.value)});
  }
  if (before.size() < kLevelsMin || pace_of(before) != Pace::kSlow) return std::nullopt;
  const size_t until = course_of(levels, from, conversion, Density(moves_of(before))).until;
  std::vector<Part> out(slots.size());
  for (size_t i = 0; i < levels.size(); ++i) {
    const int64_t rows = slots[levels[i].slot].rows;
    out[levels[i].slot] = {from <= i && i < until ? rows : 0, rows};
  }
  return out;
}

}  // namespace rekindle::drift
