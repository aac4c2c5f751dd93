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

namespace rekindle::trainer {
namespace {

v1::SliceSums slice_sums(const std::string& name, const std::vector<double>& labels,
                         std::span<const double> candidate, std::span<const double> champion,
                         double constant_rate, std::span<const size_t> rows) {
  v1::SliceSums out;
  out.set_slice(name);
  out.set_rows(static_cast<int64_t>(rows.size()));
  std::vector<double> picked, ours, theirs, ours_loss, theirs_loss, constant_loss, gains, squares;
  for (size_t r : rows) {
    picked.push_back(labels[r]);
    ours.push_back(candidate[r]);
    ours_loss.push_back(log_loss(labels[r], candidate[r]));
    constant_loss.push_back(log_loss(labels[r], constant_rate));
    if (champion.empty()) continue;
    theirs.push_back(champion[r]);
    theirs_loss.push_back(log_loss(labels[r], champion[r]));
    gains.push_back(theirs_loss.back() - ours_loss.back());
    squares.push_back(gains.back() * gains.back());
  }
  out.set_positives(std::count(picked.begin(), picked.end(), 1.0));
  out.set_candidate_log_loss_sum(sum(ours_loss));
  out.set_champion_log_loss_sum(sum(theirs_loss));
  out.set_constant_log_loss_sum(sum(constant_loss));
  out.set_gain_sum(sum(gains));
  out.set_gain_square_sum(sum(squares));
  // One class alone ranks nothing: half, as good as chance.
  auto area = [&](const std::vector<double>& scores) {
    const double value = scores.empty() ? 0 : auroc(picked, scores);
    return std::isnan(value) ? 0.5 : value;
  };
  out.set_candidate_auroc(area(ours));
  out.set_champion_auroc(area(theirs));
  return out;
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

v1::Evaluation evaluate(const Window& holdout, std::span<const double> candidate,
                        std::span<const double> champion, double constant_rate, const v1::Data& data) {
  v1::Evaluation out;
  out.set_constant_rate(constant_rate);
  std::vector<size_t> all(holdout.size());
  std::iota(all.begin(), all.end(), size_t{0});
  *out.add_slices() = slice_sums("", holdout.labels, candidate, champion, constant_rate, all);
  const auto* column = slice_column(holdout.rows, data);
  if (column == nullptr) return out;
  std::map<std::string, std::vector<size_t>> slices;
  for (size_t r : all) slices[column->missing(r) ? "missing" : std::string(column->text(r))].push_back(r);
  for (const auto& [value, rows] : slices) {
    *out.add_slices() =
        slice_sums(column->name + "=" + value, holdout.labels, candidate, champion, constant_rate, rows);
  }
  return out;
}

models::PredictorOptions predictor_options(const v1::Plan& plan) {
  models::PredictorOptions out;
  out.environments = plan.environments();
  out.allow_packages = plan.spec().train().command_size() > 0 || plan.spec().train().model().has_plugin();
  return out;
}

Result<std::string> evaluation_rows(const Window& holdout, const std::string& time_column,
                                    std::span<const double> candidate, std::span<const double> champion) {
  dataio::Table table;
  table.add(dataio::time_column("time", TRY(holdout.rows.get(time_column, v1::TIMESTAMP))->times));
  table.add(dataio::bool_column("label", holdout.labels));
  table.add(dataio::number_column("candidate", {candidate.begin(), candidate.end()}));
  std::vector<double> theirs(champion.begin(), champion.end());
  theirs.resize(holdout.size(), dataio::kMissingNumber);
  table.add(dataio::number_column("champion", std::move(theirs)));
  return dataio::write_parquet(table);
}

}  // namespace rekindle::trainer
