#include "coordinator/attempts/hang.h"

#include <fmt/format.h>

#include "base/units.h"

namespace rekindle::coordinator {

namespace {

// Beats come once a second; after this long without one the rank is stopped, not waiting.
constexpr Seconds kSilent{4};
// A pause of the watcher longer than this is not the ranks' fault.
constexpr Seconds kOwnPause{2};

std::string phase_name(v1::Phase phase) {
  std::string name = v1::Phase_Name(phase);
  if (name.starts_with("PHASE_")) name.erase(0, 6);
  for (char& c : name) c = static_cast<char>(tolower(c));
  return name;
}

}  // namespace

HangWatch::HangWatch(uint32_t world, Micros cold, Micros warm, Instant now)
    : ranks_(world, Rank{{}, now, now}), cold_(cold), warm_(warm), checked_(now) {}

void HangWatch::beat(uint32_t rank, const v1::Beat& beat, Instant now) {
  if (rank >= ranks_.size()) return;
  Rank& it = ranks_[rank];
  if (beat.progress() != it.last.progress() || beat.phase() != it.last.phase()) it.advanced = now;
  it.heard = now;
  it.last = beat;
}

std::optional<Hang> HangWatch::check(Instant now) {
  if (now - checked_ > kOwnPause) {
    for (Rank& rank : ranks_) {
      rank.heard += now - checked_;
      rank.advanced += now - checked_;
    }
  }
  checked_ = now;
  bool stuck = false, warm = false;
  for (const Rank& rank : ranks_) warm = warm || rank.last.step() > 0;
  const Micros limit = warm ? warm_ : cold_;
  for (const Rank& rank : ranks_) stuck = stuck || now - rank.advanced > limit;
  if (!stuck) return std::nullopt;

  size_t culprit = 0;
  auto worse = [now](const Rank& a, const Rank& b) {
    const bool a_silent = now - a.heard > kSilent, b_silent = now - b.heard > kSilent;
    if (a_silent != b_silent) return a_silent;
    if (a.last.collective() != b.last.collective()) return a.last.collective() < b.last.collective();
    return a.advanced < b.advanced;
  };
  for (size_t i = 1; i < ranks_.size(); ++i)
    if (worse(ranks_[i], ranks_[culprit])) culprit = i;
  const Rank& rank = ranks_[culprit];
  const auto still = std::chrono::duration_cast<Seconds>(now - rank.advanced);
  Hang hang;
  hang.rank = static_cast<int>(culprit);
  hang.message =
      fmt::format("rank {} has made no progress for {}s in phase {} at step {}{} (limit {})", culprit,
                  still.count(), phase_name(rank.last.phase()), rank.last.step(),
                  now - rank.heard > kSilent ? " and no longer beats" : "", format_duration(limit));
  return hang;
}

}  // namespace rekindle::coordinator
