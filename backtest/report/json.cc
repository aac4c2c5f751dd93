// The report for a script. Times as text, what is not defined as null.
#include <boost/json.hpp>

#include <cmath>

#include "backtest/report/report.h"
#include "base/clock.h"

namespace rekindle::backtest {
namespace {

namespace json = boost::json;

json::value number(double value) {
  return std::isfinite(value) ? json::value(value) : json::value(nullptr);
}

json::value time_of(int64_t us) {
  return us == 0 ? json::value(nullptr) : json::value(format_time(time_from_micros(us)));
}

json::array numbers(const std::vector<double>& values) {
  json::array out;
  for (const double value : values) out.push_back(number(value));
  return out;
}

json::object run_json(const RunLine& run) {
  return {{"as_of", time_of(run.as_of_us)},
          {"cause", run.cause},
          {"detail", run.detail},
          {"outcome", run.outcome},
          {"reason", run.reason},
          {"rows", run.rows},
          {"serving_from", time_of(run.serving_us)},
          {"train_seconds", number(run.seconds)},
          {"made_before", run.kept}};
}

json::value suggested_json(const Report& report) {
  const SuggestedLine& one = report.suggested;
  if (one.name.empty()) return nullptr;
  return {{"policy", one.name},
          {"spec", one.spec},
          {"budget", one.budget},
          {"fits", one.fits},
          {"tuned_until", time_of(one.tuned_until_us)},
          {"loss_after", number(one.loss)},
          {"never_loss_after", number(one.never)},
          {"rekindle_loss_after", number(one.own)}};
}

json::object policy_json(const PolicyLine& policy) {
  json::array runs;
  for (const RunLine& run : policy.runs) runs.push_back(run_json(run));
  return {{"policy", policy.name},
          {"loss", number(policy.loss)},
          {"score", number(policy.score)},
          {"loss_least", number(policy.least)},
          {"loss_most", number(policy.most)},
          {"loss_by_slice", numbers(policy.losses)},
          {"fits", policy.fits},
          {"rows", policy.rows},
          {"train_seconds", number(policy.seconds)},
          {"share_of_gain", number(policy.share)},
          {"best_possible_loss", number(policy.best)},
          {"delay_days", number(policy.delay_days)},
          {"on_front", policy.front},
          {"runs", std::move(runs)}};
}

json::value trees_json(const Report& report) {
  const TreesLine& trees = report.trees;
  if (!trees.line)
    return trees.missing.empty() ? json::value(nullptr) : json::object{{"missing", trees.missing}};
  return {{"loss", number(trees.line->loss)},
          {"score", number(trees.line->score)},
          {"loss_by_slice", numbers(trees.line->losses)},
          {"fits", trees.line->fits},
          {"rows", trees.line->rows},
          {"train_seconds", number(trees.line->seconds)},
          {"gain_over_rekindle", number(trees.over_own.mean)},
          {"gain_over_rekindle_standard_error", number(trees.over_own.standard_error)}};
}

json::array held_json(const Report& report) {
  json::array out;
  for (const HeldLine& one : report.held)
    out.push_back({{"check", one.check},
                   {"feature", one.feature},
                   {"source", one.source},
                   {"from", time_of(one.from_us)},
                   {"until", time_of(one.until_us)},
                   {"rows", one.rows},
                   {"reason", one.reason}});
  return out;
}

}  // namespace

std::string json_of(const Report& report) {
  json::array slices, policies, turns;
  for (const SliceLine& slice : report.slices)
    slices.push_back({{"from", time_of(slice.from_us)},
                      {"until", time_of(slice.until_us)},
                      {"rows_labelled", slice.rows}});
  for (const PolicyLine& policy : report.policies) policies.push_back(policy_json(policy));
  for (const int64_t turn : report.best_turns) turns.push_back(time_of(turn));
  const json::object out{{"model", report.model},
                         {"dataset", report.data},
                         {"from", time_of(report.from_us)},
                         {"until", time_of(report.until_us)},
                         {"rows", report.rows},
                         {"rows_labelled", report.labelled},
                         {"loss_name", report.loss_name},
                         {"score_name", report.score_name},
                         {"label_delay_us", report.label_delay_us},
                         {"run_takes_us", report.run_takes_us},
                         {"slices", std::move(slices)},
                         {"policies", std::move(policies)},
                         {"held", held_json(report)},
                         {"never_loss", number(report.never)},
                         {"best_possible_loss_by_fits", numbers(report.best)},
                         {"best_possible_turns", std::move(turns)},
                         {"gain", number(report.gain.mean)},
                         {"gain_standard_error", number(report.gain.standard_error)},
                         {"still_world_probability", number(report.still)},
                         {"anything_drifts", report.gain.real() && report.still <= kStill},
                         {"suggested", suggested_json(report)},
                         {"boosted_trees", trees_json(report)},
                         {"seeds", report.seeds},
                         {"fits_made", report.fits_made},
                         {"fits_made_before", report.fits_kept},
                         {"seconds", report.seconds},
                         {"verdict", report.verdict}};
  return json::serialize(out) + "\n";
}

}  // namespace rekindle::backtest
