#include "jobs/check_retrain.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/text/cron.h"
#include "base/units.h"
#include "jobs/rows.h"

namespace rekindle::jobs {
namespace {

// A leap day on a given weekday comes once in 28 years, but for a turn of centuries.
constexpr auto kLookedAhead = std::chrono::days(366 * 40);
constexpr int kQuietMost = 16;

Time year_2000() {
  return Time(std::chrono::sys_days(std::chrono::year(2000) / 1 / 1));
}

void check_schedule(const v1::ScheduleTrigger& schedule, const std::string& path, Problems& problems) {
  if (!schedule.has_cron()) return;
  const Result<Cron> cron = Cron::parse(schedule.cron());
  if (!cron.ok())
    problems.add(path + ".cron", cron.status().message());
  else if (!cron->next(year_2000(), year_2000() + kLookedAhead))
    problems.add(path + ".cron", fmt::format("\"{}\" never comes", schedule.cron()));
}

// A small model learns by bins of features, one number a row.
void check_regret(const v1::Data& data, const std::string& path, Problems& problems) {
  const auto kind = data.label().kind();
  if (kind != v1::Label::BINARY && kind != v1::Label::REGRESSION)
    problems.add(path, "only for binary labels and regressions; write quality in its place");
  if (data.numeric_size() + data.categorical_size() == 0)
    problems.add(path, "there are no numeric or categorical features that the small model could learn from");
}

void check_triggers(const v1::JobSpec& spec, Problems& problems) {
  const auto& when = spec.retrain().when();
  std::map<v1::Trigger::KindCase, int> seen;
  for (int i = 0; i < when.size(); ++i) {
    const std::string path = fmt::format("retrain.when[{}]", i);
    if (!seen.emplace(when[i].kind_case(), i).second)
      problems.add(path, fmt::format("the same kind of trigger stands in retrain.when[{}]",
                                     seen[when[i].kind_case()]));
    if (when[i].has_age() && from_proto(when[i].age()) < std::chrono::hours(1))
      problems.add(path + ".age", "at least 1h: a version would be old before it serves");
    if (when[i].has_schedule()) check_schedule(when[i].schedule(), path + ".schedule", problems);
    if (when[i].has_regret()) check_regret(spec.data(), path + ".regret", problems);
  }
  const v1::Need& need = spec.retrain().need();
  double weight = 0;
  for (const v1::Trigger& trigger : when) weight += trigger.weight();
  if (need.kind_case() == v1::Need::kWeight && need.weight() > weight * (1 + 1e-12))
    problems.add("retrain.need.weight",
                 fmt::format("{:g} can never be: all triggers together weigh {:g}", need.weight(), weight));
}

// Some minute must be left to start in. What recurs by the week shows within the first; a month or a year
// that is wholly quiet has a minute beyond it.
void check_quiet(const v1::Retrain& retrain, Problems& problems) {
  if (retrain.quiet_size() > kQuietMost)
    return problems.add("retrain.quiet",
                        fmt::format("{} times; at most {}", retrain.quiet_size(), kQuietMost));
  std::vector<Cron> quiet;
  for (int i = 0; i < retrain.quiet_size(); ++i) {
    Result<Cron> cron = Cron::parse(retrain.quiet(i));
    if (!cron.ok()) return problems.add(fmt::format("retrain.quiet[{}]", i), cron.status().message());
    quiet.push_back(*cron);
  }
  const auto covered = [&quiet](Time at) {
    return std::any_of(quiet.begin(), quiet.end(), [at](const Cron& cron) { return cron.matches(at); });
  };
  Time at = year_2000();
  const Time end = at + std::chrono::days(366);
  while (at < end && covered(at)) at += std::chrono::minutes(1);
  if (at == end) problems.add("retrain.quiet", "leaves no minute of the year in which a run may start");
}

}  // namespace

void check_retrain(const v1::JobSpec& spec, Problems& problems) {
  if (!spec.has_retrain()) return;
  const v1::Retrain& retrain = spec.retrain();
  check_triggers(spec, problems);
  check_quiet(retrain, problems);
  if (retrain.reuse() && spec.train().command_size() > 0)
    problems.add("retrain.reuse", "only for built-in kinds: a script decides itself what it begins with");
  if (retrain.persistence().hits() > retrain.persistence().of())
    problems.add(
        "retrain.persistence.hits",
        fmt::format("{} of {} can never be", retrain.persistence().hits(), retrain.persistence().of()));
  if (retrain.at_most().burst() > retrain.at_most().runs())
    problems.add("retrain.at_most.burst", fmt::format("{} at once is more than the budget of {}",
                                                      retrain.at_most().burst(), retrain.at_most().runs()));
  const Micros slot = from_proto(spec.data().slot());
  const Micros window = from_proto(retrain.window());
  if (window < slot || window % slot != Micros(0))
    problems.add("retrain.window", fmt::format("{} is no multiple of data.slot {}", format_duration(window),
                                               format_duration(slot)));
}

void check_rows(const v1::JobSpec& spec, Problems& problems) {
  const v1::Rows& rows = spec.train().rows();
  const Micros holdout = from_proto(spec.gate().holdout());
  // The shortest that they may come to.
  const Micros least = reach(rows, Micros(0), Micros(0));
  if (holdout >= least)
    problems.add(
        "gate.holdout",
        fmt::format("holding back {} leaves nothing to train on of the {} that train.rows reaches back",
                    format_duration(holdout), format_duration(least)));
  if (rows.has_since_drift() &&
      from_proto(rows.since_drift().at_least()) > from_proto(rows.since_drift().at_most()))
    problems.add("train.rows.since_drift.at_least", "more than at_most: no window is both");
  if (rows.has_reservoir() && from_proto(rows.reservoir().recent()) > from_proto(rows.reservoir().at_most()))
    problems.add("train.rows.reservoir.recent", "more than at_most: nothing older is left to draw from");
  if (!rows.has_balanced()) return;
  const auto kind = spec.data().label().kind();
  if (kind != v1::Label::BINARY && kind != v1::Label::MULTICLASS)
    problems.add("train.rows.balanced", "only of labels that are one of several classes");
  // A model of a balanced world answers with its probabilities, not with those of the real one.
  if (spec.gate().metric() != v1::Gate::AUROC && spec.gate().metric() != v1::Gate::ACCURACY)
    problems.add("train.rows.balanced",
                 "probabilities learned from balanced classes are wrong by log_loss; write gate: {metric: "
                 "auroc} or {metric: accuracy}");
}

}  // namespace rekindle::jobs
