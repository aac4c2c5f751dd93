#include "trainer/publish/evaluate.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <set>

#include "base/stats.h"
#include "dataio/order.h"
#include "dataio/parquet.h"
#include "dataio/parquet_events.h"
#include "trainer/publish/evidence.h"

namespace rekindle::trainer {
namespace {

// Area under the curve of the slice's rows; one class alone ranks nothing: half, as good as chance.
double area(const std::vector<double>& labels, std::span<const double> answers,
            std::span<const size_t> rows) {
  std::vector<double> known, scores;
  for (const size_t r : rows) {
    known.push_back(labels[r]);
    scores.push_back(answers[r]);
  }
  const double value = auroc(known, scores);
  return std::isnan(value) ? 0.5 : value;
}

v1::SliceSums slice_sums(const std::string& name, const dataio::LabelRule& rule,
                         const std::vector<double>& labels, const Answers& answers,
                         std::span<const size_t> rows) {
  const size_t width = rule.outputs();
  Figures candidate, champion, constant;
  std::vector<double> gains, squares;
  int64_t positives = 0;
  v1::SliceSums out;
  for (const size_t r : rows) {
    const auto answer = answers.candidate.subspan(r * width, width);
    const bool right = candidate.add(rule, labels[r], answer);
    out.set_candidate_unsound(out.candidate_unsound() + !rule.sound_answer(answer));
    constant.add(rule, labels[r], answers.constant);
    positives += rule.binary() && labels[r] == 1;
    if (answers.champion.empty()) continue;
    const auto other = answers.champion.subspan(r * width, width);
    const bool champion_right = champion.add(rule, labels[r], other);
    out.set_champion_unsound(out.champion_unsound() + !rule.sound_answer(other));
    out.set_candidate_only(out.candidate_only() + (right && !champion_right));
    out.set_champion_only(out.champion_only() + (champion_right && !right));
    gains.push_back(champion.losses.back() - candidate.losses.back());
    squares.push_back(gains.back() * gains.back());
  }
  out.set_slice(name);
  out.set_rows(static_cast<int64_t>(rows.size()));
  out.set_positives(positives);
  out.set_candidate_log_loss_sum(sum(candidate.losses));
  out.set_champion_log_loss_sum(sum(champion.losses));
  out.set_constant_log_loss_sum(sum(constant.losses));
  out.set_gain_sum(sum(gains));
  out.set_gain_square_sum(sum(squares));
  if (rule.binary()) {
    out.set_candidate_auroc(area(labels, answers.candidate, rows));
    if (!answers.champion.empty()) out.set_champion_auroc(area(labels, answers.champion, rows));
  }
  out.set_candidate_correct(static_cast<double>(candidate.correct));
  out.set_champion_correct(static_cast<double>(champion.correct));
  out.set_constant_correct(static_cast<double>(constant.correct));
  out.set_candidate_absolute_sum(sum(candidate.absolute));
  out.set_champion_absolute_sum(sum(champion.absolute));
  out.set_constant_absolute_sum(sum(constant.absolute));
  return out;
}

// What the whole alone tells.
void add_evidence(v1::SliceSums& whole, const dataio::LabelRule& rule, const Window& holdout,
                  const Answers& answers, const std::string& time_column) {
  if (!rule.regression()) {
    *whole.mutable_candidate_reliability() = reliability(rule, holdout.labels, answers.candidate);
    if (!answers.champion.empty())
      *whole.mutable_champion_reliability() = reliability(rule, holdout.labels, answers.champion);
  }
  if (answers.champion.empty()) return;
  const auto* times = holdout.rows.find(time_column);
  CHECK(times != nullptr, "a holdout is cut out by event time");
  for (v1::GainBlock& block : gain_blocks(rule, times->times, holdout.labels, answers))
    *whole.add_blocks() = std::move(block);
}

// The first categorical column whose rows hold few enough values.
const dataio::Column* slice_column(const dataio::Table& rows, const v1::Data& data) {
  for (const auto& name : data.categorical()) {
    const auto* column = rows.find(name);
    if (column == nullptr || column->type != v1::TEXT) continue;
    std::set<std::string_view> values;
    for (size_t r = 0; r < column->rows() && values.size() <= kSlicesMax; ++r) values.insert(column->text(r));
    if (values.size() > 1 && values.size() <= kSlicesMax) return column;
  }
  return nullptr;
}

}  // namespace

Status check_goes_on(const dataio::LabelRule& job, const dataio::LabelRule& theirs) {
  if (job.extends(theirs)) return {};
  return failed_precondition("its label was another: the job's is " + job.words() + ", the version's " +
                             theirs.words() +
                             "; classes may only be added at the end, and another kind of label "
                             "needs a job of another name");
}

Status agreed(Collectives& collectives, const Status& mine) {
  constexpr size_t kMessage = 1000;
  struct Word {
    int32_t code;
    char message[kMessage];
  };
  Word word{static_cast<int32_t>(mine.code()), {}};
  std::strncpy(word.message, mine.message().c_str(), kMessage - 1);
  std::vector<Word> all(static_cast<size_t>(collectives.size()));
  collectives.gather(std::as_bytes(std::span(&word, 1)), std::as_writable_bytes(std::span(all)));
  for (size_t r = 0; r < all.size(); ++r) {
    if (all[r].code == 0) continue;
    Status theirs(static_cast<Code>(all[r].code), all[r].message);
    return r == 0 ? theirs : theirs.within("rank " + std::to_string(r));
  }
  return {};
}

Result<models::Predictions> score_window(Collectives& collectives, const models::Predictor& predictor,
                                         const dataio::Table& rows) {
  const auto ranks = static_cast<uint32_t>(collectives.size());
  const dataio::Slice whole{0, rows.rows()};
  const auto mine = dataio::rank_part(whole, static_cast<uint32_t>(collectives.rank()), ranks);
  std::vector<uint32_t> picked(mine.size());
  std::iota(picked.begin(), picked.end(), static_cast<uint32_t>(mine.begin));
  auto scored = predictor.predict(dataio::take(rows, picked));
  TRY_STATUS(agreed(collectives, scored.status()));
  // Parts differ by one row at most: all are gathered at the size of the first, the largest.
  const size_t most = dataio::rank_part(whole, 0, ranks).size();
  const size_t width = scored->width;
  auto part = std::move(scored->values);
  part.resize(most * width);
  std::vector<double> all(most * width * ranks);
  collectives.gather(std::as_bytes(std::span(part)), std::as_writable_bytes(std::span(all)));
  models::Predictions out{.width = width};
  for (uint32_t r = 0; r < ranks; ++r) {
    const auto from = all.begin() + static_cast<ptrdiff_t>(r * most * width);
    const size_t values = dataio::rank_part(whole, r, ranks).size() * width;
    out.values.insert(out.values.end(), from, from + static_cast<ptrdiff_t>(values));
  }
  return out;
}

bool Figures::add(const dataio::LabelRule& rule, double label, std::span<const double> answer) {
  losses.push_back(rule.loss(label, answer));
  if (rule.regression()) {
    absolute.push_back(rule.absolute_error(label, answer));
    return false;
  }
  const bool right = rule.correct(label, answer);
  correct += right;
  return right;
}

v1::Evaluation evaluate(const Window& holdout, const Answers& answers, const v1::Data& data) {
  const dataio::LabelRule rule(data.label());
  v1::Evaluation out;
  if (rule.binary()) out.set_constant_rate(answers.constant.at(0));
  for (const double value : answers.constant) out.add_constant(value);
  std::vector<size_t> all(holdout.size());
  std::iota(all.begin(), all.end(), size_t{0});
  v1::SliceSums& whole = *out.add_slices();
  whole = slice_sums("", rule, holdout.labels, answers, all);
  add_evidence(whole, rule, holdout, answers, data.time());
  const auto* column = slice_column(holdout.rows, data);
  if (column == nullptr) return out;
  std::map<std::string, std::vector<size_t>> slices;
  for (size_t r : all) slices[column->missing(r) ? "missing" : std::string(column->text(r))].push_back(r);
  for (const auto& [value, rows] : slices)
    *out.add_slices() = slice_sums(column->name + "=" + value, rule, holdout.labels, answers, rows);
  return out;
}

models::PredictorOptions predictor_options(const v1::Plan& plan) {
  models::PredictorOptions out;
  out.environments = plan.environments();
  out.allow_packages = plan.spec().train().command_size() > 0 || plan.spec().train().model().has_plugin();
  return out;
}

Result<std::string> evaluation_rows(const Window& holdout, const v1::Data& data, const Answers& answers) {
  const dataio::LabelRule rule(data.label());
  dataio::Table table;
  table.add(dataio::time_column("time", TRY(holdout.rows.get(data.time(), v1::TIMESTAMP))->times));
  table.add(rule.column("label", holdout.labels));
  dataio::add_answers(table, rule, "candidate", answers.candidate);
  std::vector<double> theirs(answers.champion.begin(), answers.champion.end());
  theirs.resize(answers.candidate.size(), dataio::kMissingNumber);
  dataio::add_answers(table, rule, "champion", theirs);
  return dataio::write_parquet(table);
}

}  // namespace rekindle::trainer
