#include "tests/simulation/month/month.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <deque>
#include <random>
#include <utility>

#include "core/place/plan.h"
#include "core/place/timeline.h"

namespace rekindle::core::place::testing {
namespace {

constexpr double kPi = 3.14159265358979;
constexpr int64_t kSecond = 1'000'000;
constexpr double kDay = 86'400;

// The same numbers everywhere: the library's distributions differ between libraries.
class Dice {
 public:
  explicit Dice(uint64_t seed) : random_(seed) {}
  double uniform() { return (static_cast<double>(random_() >> 11) + 0.5) / 9007199254740992.0; }
  double normal() { return std::sqrt(-2 * std::log(uniform())) * std::cos(2 * kPi * uniform()); }

 private:
  std::mt19937_64 random_;
};

// Mostly single ranks and powers of two up to a node or two, few wide ones.
uint32_t ranks(Dice& dice, uint32_t most) {
  struct Part {
    double share;
    uint32_t ranks;
  };
  constexpr std::array<Part, 9> kSizes = {
      {{.40, 1}, {.12, 2}, {.14, 4}, {.18, 8}, {.08, 16}, {.04, 32}, {.02, 64}, {.01, 128}, {.01, 256}}};
  double at = dice.uniform();
  for (const Part& part : kSizes)
    if ((at -= part.share) < 0) return std::min(part.ranks, most);
  return 1;
}

// Log-normal, a quarter of an hour in the middle, days at the end.
double seconds(Dice& dice) {
  return std::clamp(900 * std::exp(2.0 * dice.normal()), 20.0, 3 * kDay);
}

// People ask for round times, mostly for several times of what they need; one in eight for too little.
double limit(Dice& dice, double runs) {
  constexpr std::array<double, 10> kRound = {900,   1800,  3600, 7200,     14400,
                                             28800, 43200, kDay, 2 * kDay, 4 * kDay};
  const double asked = dice.uniform() < .125 ? runs * .8 : runs * (1 + 9 * dice.uniform() * dice.uniform());
  for (double round : kRound)
    if (round >= asked) return round;
  return kRound.back();
}

// Twice as much by day as by night, half on weekends.
double rate(double at) {
  const double hour = std::fmod(at / 3600, 24), day = std::fmod(std::floor(at / kDay), 7);
  return (1 + .6 * std::sin((hour - 8) / 24 * 2 * kPi)) * (day >= 5 ? .5 : 1);
}

struct Running {
  size_t job;
  std::vector<Share> shares;
  int64_t ends_us, limit_us;
};

std::vector<Verdict> pass(Policy policy, const Pool& pool, const std::vector<Held>& held,
                          const std::deque<size_t>& queue, const std::vector<Job>& jobs, int64_t now_us) {
  if (policy == Policy::kOurs) {
    auto at = queue.begin();
    const auto next = [&]() { return at == queue.end() ? std::nullopt : std::optional(jobs[*at++].gang); };
    return plan(pool, held, next, now_us);
  }
  Timeline timeline(pool, now_us);
  for (const Held& one : held) timeline.take(one.shares, one.rank, now_us, one.until_us);
  std::vector<Verdict> verdicts;
  bool waits = false;
  for (size_t job : queue) {
    if (!timeline.any_room_now() || (waits && policy == Policy::kFifo)) break;
    const Gang& gang = jobs[job].gang;
    Verdict& verdict = verdicts.emplace_back();
    const std::optional<Seat> seat = timeline.earliest(gang);
    const bool starts = seat && seat->start_us <= now_us;
    if (!starts && waits) continue;
    timeline.take(seat->shares, gang.rank, seat->start_us, later(seat->start_us, gang.limit_us));
    verdict = {starts ? Verdict::kStarts : Verdict::kReserved, *seat};
    waits = waits || !starts;
  }
  return verdicts;
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[static_cast<size_t>(q * static_cast<double>(values.size() - 1))];
}

}  // namespace

Pool cluster_of(const MonthOptions& options) {
  Pool pool;
  for (uint32_t i = 0; i < options.nodes; ++i)
    pool.nodes.push_back(
        {fmt::format("n{}", i), {options.slots_per_node, options.slots_per_node, 0}, {}, {}});
  return pool;
}

std::vector<Job> month(const MonthOptions& options) {
  Dice dice(options.seed);
  const uint32_t slots = options.nodes * options.slots_per_node;
  const double wanted = options.load * slots * options.days * kDay;
  std::vector<Job> jobs;
  for (double work = 0; work < wanted;) {
    Job job;
    job.gang.min = job.gang.max = ranks(dice, slots / 2);
    job.gang.rank = {1, 1, 0};
    const double needs = seconds(dice), asks = limit(dice, needs);
    job.runs_us = static_cast<int64_t>(std::min(needs, asks)) * kSecond;
    job.gang.limit_us = static_cast<int64_t>(asks) * kSecond;
    work += static_cast<double>(job.gang.min) * static_cast<double>(job.runs_us) / kSecond;
    jobs.push_back(std::move(job));
  }
  // Thinned out from an even stream, so that day and night show.
  for (Job& job : jobs) {
    double at = 0;
    do at = dice.uniform() * options.days * kDay;
    while (dice.uniform() * 1.6 > rate(at));
    job.arrives_us = static_cast<int64_t>(at) * kSecond;
  }
  std::stable_sort(jobs.begin(), jobs.end(),
                   [](const Job& a, const Job& b) { return a.arrives_us < b.arrives_us; });
  return jobs;
}

MonthResult simulate(const std::vector<Job>& jobs, const Pool& pool, Policy policy, int64_t every_us) {
  MonthResult result;
  std::vector<Running> running;
  std::deque<size_t> queue;
  std::vector<int64_t> started(jobs.size(), -1), promised(jobs.size(), kForever);
  double pass_ms = 0;
  int64_t last_us = -every_us;
  size_t arrived = 0;
  while (arrived < jobs.size() || !queue.empty() || !running.empty()) {
    int64_t now_us = arrived < jobs.size() ? jobs[arrived].arrives_us : kForever;
    for (const Running& one : running) now_us = std::min(now_us, one.ends_us);
    now_us = std::max(now_us, last_us + every_us);
    last_us = now_us;
    std::erase_if(running, [now_us](const Running& one) { return one.ends_us <= now_us; });
    while (arrived < jobs.size() && jobs[arrived].arrives_us <= now_us) queue.push_back(arrived++);

    std::vector<Held> held;
    for (const Running& one : running)
      held.push_back({one.shares, {1, 1, 0}, std::max(one.limit_us, now_us + 1)});
    const auto began = std::chrono::steady_clock::now();
    const std::vector<Verdict> verdicts = pass(policy, pool, held, queue, jobs, now_us);
    const double ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
    pass_ms += ms;
    result.pass_max_ms = std::max(result.pass_max_ms, ms);
    ++result.passes;

    std::deque<size_t> left;
    bool head = true;
    for (size_t i = 0; i < queue.size(); ++i) {
      const size_t job = queue[i];
      if (i < verdicts.size() && verdicts[i].kind == Verdict::kStarts) {
        started[job] = now_us;
        if (now_us - every_us > promised[job]) ++result.broken_promises;
        running.push_back(
            {job, verdicts[i].seat.shares, now_us + jobs[job].runs_us, now_us + jobs[job].gang.limit_us});
        continue;
      }
      if (std::exchange(head, false) && i < verdicts.size() && verdicts[i].kind == Verdict::kReserved)
        promised[job] = std::min(promised[job], verdicts[i].seat.start_us);
      left.push_back(job);
    }
    queue = std::move(left);
  }

  std::vector<double> waits, wide;
  double busy = 0, slowdown = 0;
  uint64_t slots = 0;
  for (const Node& node : pool.nodes) slots += node.room.slots;
  const int64_t from = jobs.front().arrives_us, until = jobs.back().arrives_us;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const double wait = static_cast<double>(started[i] - jobs[i].arrives_us) / kSecond;
    const double runs = static_cast<double>(jobs[i].runs_us) / kSecond;
    waits.push_back(wait);
    if (jobs[i].gang.min > 64) wide.push_back(wait);
    slowdown += std::max(1.0, (wait + runs) / std::max(runs, 10.0));
    const int64_t within =
        std::max<int64_t>(0, std::min(until, started[i] + jobs[i].runs_us) - std::min(until, started[i]));
    busy += jobs[i].gang.min * static_cast<double>(within);
  }
  const auto mean = [](const std::vector<double>& values) {
    double sum = 0;
    for (double value : values) sum += value;
    return values.empty() ? 0 : sum / static_cast<double>(values.size());
  };
  result.utilisation = busy / (static_cast<double>(slots) * static_cast<double>(until - from));
  result.wait_mean_s = mean(waits);
  result.wait_median_s = quantile(waits, .5);
  result.wait_p95_s = quantile(waits, .95);
  result.wait_max_s = quantile(waits, 1);
  result.wide_wait_mean_s = mean(wide);
  result.slowdown_mean = slowdown / static_cast<double>(jobs.size());
  result.pass_mean_ms = pass_ms / static_cast<double>(std::max<int64_t>(1, result.passes));
  return result;
}

std::string row(const std::string& name, const MonthResult& r) {
  return fmt::format(
      "| {} | {:.1f} % | {:.0f} s | {:.0f} s | {:.1f} h | {:.1f} h | {:.1f} h | {:.1f} | {} | {:.2f} ms |",
      name, 100 * r.utilisation, r.wait_mean_s, r.wait_median_s, r.wait_p95_s / 3600, r.wait_max_s / 3600,
      r.wide_wait_mean_s / 3600, r.slowdown_mean, r.broken_promises, r.pass_mean_ms);
}

}  // namespace rekindle::core::place::testing
