#include "coordinator/attempts/hang.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>

#include "base/units.h"

namespace rekindle::coordinator {

namespace {

constexpr std::chrono::milliseconds kBeatEvery{1'000};
// Reports are looked at often, but not at once; the finding, too, has its way to the journal.
constexpr std::chrono::milliseconds kReaction{500};
// Beats come from a thread of their own, whatever the rank does: after so many missed ones in a row it is
// stopped, not busy.
constexpr Seconds kSilent{10};
// Where the limit is reached sooner, so few missed ones tell that it is silence rather than standing still.
constexpr std::chrono::milliseconds kQuiet{2'400};
// Between two beats nothing is known: shorter limits than a few of them would find healthy ranks at fault.
constexpr Seconds kLimitLeast{4};
// A pause of the watcher longer than this is not the ranks' fault.
constexpr Seconds kOwnPause{2};
// A script reports when it likes. This many times its longest pause so far is out of its character.
constexpr int kOutOfCharacter = 10;
constexpr uint32_t kAdvancesKnown = 3;

// A straggler is told of from this many beats on, when it is met at work this many times as often as its
// peers; where ranks hardly work at all, chance decides who is met.
constexpr uint32_t kSamplesLeast = 30, kSamplesMost = 120;
constexpr double kTimesSlower = 3, kBusyLeast = 0.25;
constexpr size_t kRanksListed = 16;

std::string_view words_of(v1::Phase phase) {
  switch (phase) {
    case v1::PHASE_START:
      return "start-up";
    case v1::PHASE_DATA:
      return "data";
    case v1::PHASE_FORWARD:
      return "forward";
    case v1::PHASE_BACKWARD:
      return "backward";
    case v1::PHASE_REDUCE:
      return "the reduction";
    case v1::PHASE_OPTIMIZER:
      return "the optimizer";
    case v1::PHASE_VALIDATE:
      return "validation";
    case v1::PHASE_CHECKPOINT:
      return "a checkpoint";
    case v1::PHASE_SCORE:
      return "scoring";
    case v1::PHASE_PUBLISH:
      return "publication";
    case v1::PHASE_END:
      return "its end";
    case v1::PHASE_COMMAND:
      return "its command";
    default:
      return "an unknown phase";
  }
}

bool own_work(v1::Phase phase) {
  return phase == v1::PHASE_DATA || phase == v1::PHASE_FORWARD || phase == v1::PHASE_OPTIMIZER;
}
// Where a rank waits for its peers as a rule; with overlap that begins in backward.
bool shared_work(v1::Phase phase) {
  return phase == v1::PHASE_BACKWARD || phase == v1::PHASE_REDUCE;
}

std::string seconds_text(HangWatch::Instant::duration time) {
  return format_duration(std::chrono::floor<Seconds>(time + kReaction));
}

std::string ranks_text(const std::vector<size_t>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (size_t i = 0; i < ranks.size() && i < kRanksListed; ++i)
    text += fmt::format("{}{}", i == 0 ? "" : ", ", ranks[i]);
  if (ranks.size() > kRanksListed) text += fmt::format(" and {} more", ranks.size() - kRanksListed);
  return text;
}

template <typename Counts>
double own_share(const Counts& phases) {
  uint32_t own = 0, all = 0;
  for (size_t phase = 0; phase < phases.size(); ++phase) {
    all += phases[phase];
    if (own_work(static_cast<v1::Phase>(phase))) own += phases[phase];
  }
  return all < kSamplesLeast ? -1 : static_cast<double>(own) / all;
}

}  // namespace

HangWatch::HangWatch(uint32_t world, Micros cold, Micros warm, Instant now)
    : cold_(cold), warm_(warm), checked_(now) {
  Rank fresh;
  fresh.heard = fresh.advanced = fresh.before = now;
  ranks_.assign(world, fresh);
}

void HangWatch::beat(uint32_t rank, const v1::Beat& beat, Instant now) {
  if (rank >= ranks_.size()) return;
  Rank& it = ranks_[rank];
  // What came before a script says nothing of its rhythm.
  if (beat.phase() == v1::PHASE_COMMAND && it.last.phase() != v1::PHASE_COMMAND) {
    it.advances = 0;
    it.longest = Micros(0);
  }
  if (!it.beaten || beat.progress() != it.last.progress() || beat.phase() != it.last.phase()) {
    // A beat that was itself late says nothing of the time before it was due.
    it.before = std::max(it.heard, now - kBeatEvery);
    if (it.advances++ > 0)
      it.longest = std::max(it.longest, std::chrono::duration_cast<Micros>(now - it.advanced));
    it.advanced = now;
  }
  const auto phase = static_cast<size_t>(beat.phase());
  if (beat.step() > 0 && (own_work(beat.phase()) || shared_work(beat.phase()))) {
    ++it.phases[phase];
    // Old beats fade, so that a rank which has become slow is seen.
    if (std::accumulate(it.phases.begin(), it.phases.end(), 0u) >= kSamplesMost)
      for (uint32_t& count : it.phases) count /= 2;
  }
  it.beaten = true;
  it.heard = now;
  it.last = beat;
}

bool HangWatch::warm() const {
  return std::any_of(ranks_.begin(), ranks_.end(), [](const Rank& rank) { return rank.last.step() > 0; });
}

// Whether its standing still would mean something.
bool HangWatch::judged(const Rank& rank) {
  return rank.last.phase() != v1::PHASE_COMMAND || rank.advances >= kAdvancesKnown;
}

bool HangWatch::stands(const Rank& rank, Micros limit, Instant now) const {
  if (rank.last.phase() != v1::PHASE_COMMAND) return now - rank.before >= limit - kReaction;
  return now - rank.advanced >= std::max(cold_, rank.longest * kOutOfCharacter);
}

// The rank that the others wait for: fewest collectives, at work of its own, longest without progress.
size_t HangWatch::behind(const std::vector<size_t>& among) const {
  size_t worst = among.front();
  for (const size_t i : among) {
    const Rank &a = ranks_[i], &b = ranks_[worst];
    if (a.last.collective() != b.last.collective()) {
      if (a.last.collective() < b.last.collective()) worst = i;
    } else if (shared_work(a.last.phase()) != shared_work(b.last.phase())) {
      if (!shared_work(a.last.phase())) worst = i;
    } else if (a.before < b.before) {
      worst = i;
    }
  }
  return worst;
}

void HangWatch::begin(Instant now) {
  for (Rank& rank : ranks_)
    if (!rank.beaten) rank.heard = rank.advanced = rank.before = now;
  checked_ = now;
}

std::optional<Diagnosis> HangWatch::check(Instant now) {
  if (now - checked_ > kOwnPause)
    for (Rank& rank : ranks_)
      for (Instant* time : {&rank.heard, &rank.advanced, &rank.before}) *time += now - checked_;
  checked_ = now;
  const Micros limit = std::max<Micros>(warm() ? warm_ : cold_, kLimitLeast);
  const Micros silence = warm() ? std::min<Micros>(limit, kSilent) : limit;

  std::vector<size_t> quiet, all(ranks_.size());
  std::iota(all.begin(), all.end(), size_t{0});
  std::copy_if(all.begin(), all.end(), std::back_inserter(quiet),
               [&](size_t i) { return now - ranks_[i].heard >= kQuiet; });
  if (!quiet.empty()) {
    const size_t mute = behind(quiet);
    if (now - ranks_[mute].heard >= silence || (judged(ranks_[mute]) && stands(ranks_[mute], limit, now)))
      return stopped(mute, now);
  }

  // A script's ranks mostly leave the reporting to one of them.
  std::erase_if(all, [&](size_t i) { return !judged(ranks_[i]); });
  if (all.empty()) return std::nullopt;
  const size_t culprit = behind(all);
  if (!stands(ranks_[culprit], limit, now)) return std::nullopt;
  return stuck(culprit, now);
}

std::string HangWatch::doing(uint32_t rank) const {
  if (rank >= ranks_.size() || !ranks_[rank].beaten) return {};
  const v1::Beat& last = ranks_[rank].last;
  std::string text = fmt::format("in {} at step {}", words_of(last.phase()), last.step());
  if (last.collective() > 0) text += fmt::format(" (collective {})", last.collective());
  return text;
}

// "; ranks 0, 2 wait in collective 82 at step 40"
std::string HangWatch::others(size_t culprit) const {
  std::map<std::string, std::vector<size_t>> groups;
  for (size_t i = 0; i < ranks_.size(); ++i) {
    const Rank& rank = ranks_[i];
    if (i == culprit) continue;
    if (!rank.beaten)
      groups["not begun to report"].push_back(i);
    else if (rank.last.collective() > ranks_[culprit].last.collective())
      groups[fmt::format("collective {} at step {}", rank.last.collective(), rank.last.step())].push_back(i);
    else
      groups[doing(static_cast<uint32_t>(i))].push_back(i);
  }
  std::string text;
  for (const auto& [what, ranks] : groups) {
    const bool one = ranks.size() == 1;
    std::string_view verb = one ? "is" : "are";
    if (what.starts_with("collective")) verb = one ? "waits in" : "wait in";
    if (what.starts_with("not begun")) verb = one ? "has" : "have";
    text += fmt::format("; {} {} {}", ranks_text(ranks), verb, what);
  }
  return text;
}

Diagnosis HangWatch::stopped(size_t culprit, Instant now) const {
  const Rank& rank = ranks_[culprit];
  Diagnosis found;
  found.rank = static_cast<int>(culprit);
  found.kind = rank.beaten ? Diagnosis::kStopped : Diagnosis::kAbsent;
  const std::string time = seconds_text(now - rank.heard);
  found.message = rank.beaten ? fmt::format("rank {} stopped beating {} ago, last heard {}", culprit, time,
                                            doing(static_cast<uint32_t>(culprit)))
                              : fmt::format("rank {} has not begun to report within {}", culprit, time);
  found.message += others(culprit);
  return found;
}

Diagnosis HangWatch::stuck(size_t culprit, Instant now) const {
  const Rank& rank = ranks_[culprit];
  const std::string time = seconds_text(now - rank.before);
  const bool together =
      ranks_.size() > 1 && std::all_of(ranks_.begin(), ranks_.end(), [&](const Rank& other) {
        return other.last.collective() == rank.last.collective() && shared_work(other.last.phase());
      });
  if (together)
    return {Diagnosis::kDeadlock, -1,
            fmt::format("no rank has made progress for {}: all wait in collective {} at step {}", time,
                        rank.last.collective(), rank.last.step())};
  return {Diagnosis::kStuck, static_cast<int>(culprit),
          fmt::format("rank {} has made no progress for {} {}{}", culprit, time,
                      doing(static_cast<uint32_t>(culprit)), others(culprit))};
}

std::optional<Diagnosis> HangWatch::slowest() const {
  if (ranks_.size() < 2) return std::nullopt;
  std::vector<double> shares;
  for (const Rank& rank : ranks_) shares.push_back(own_share(rank.phases));
  if (*std::min_element(shares.begin(), shares.end()) < 0) return std::nullopt;  // too few beats yet
  const auto worst = static_cast<size_t>(std::max_element(shares.begin(), shares.end()) - shares.begin());
  const double share = shares[worst];
  shares.erase(shares.begin() + static_cast<std::ptrdiff_t>(worst));
  std::nth_element(shares.begin(), shares.begin() + static_cast<std::ptrdiff_t>(shares.size() / 2),
                   shares.end());
  // One beat in so many is as finely as it can be seen.
  const double typical = std::max(shares[shares.size() / 2], 1.0 / kSamplesMost);
  if (share < kBusyLeast || share < kTimesSlower * typical) return std::nullopt;
  size_t mostly = v1::PHASE_DATA;
  for (size_t phase = 0; phase < ranks_[worst].phases.size(); ++phase)
    if (own_work(static_cast<v1::Phase>(phase)) && ranks_[worst].phases[phase] > ranks_[worst].phases[mostly])
      mostly = phase;
  return Diagnosis{
      Diagnosis::kSlow, static_cast<int>(worst),
      fmt::format(
          "rank {} is slow: it works about {:.0f} times as long on a step as its peers, mostly in {}; "
          "they wait for it",
          worst, share / typical, words_of(static_cast<v1::Phase>(mostly)))};
}

}  // namespace rekindle::coordinator
