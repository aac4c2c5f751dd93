#include "backtest/trees/reference.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <numeric>

#include "backtest/loop/node.h"
#include "dataio/transforms.h"
#include "models/predictor.h"
#include "trainer/rows.h"

namespace rekindle::backtest {
namespace {

TreeGoal goal_of(const dataio::LabelRule& rule, uint64_t seed) {
  if (rule.regression()) return {TreeGoal::Kind::kRegression, 0, seed};
  if (rule.binary()) return {TreeGoal::Kind::kBinary, 0, seed};
  return {TreeGoal::Kind::kMulticlass, rule.classes(), seed};
}

}  // namespace

std::string no_trees_for(const v1::JobSpec& spec) {
  const v1::Data& data = spec.data();
  // Their categories are numbered by the job's own version, and a script keeps that to itself.
  if (spec.train().command_size() > 0)
    return "boosted trees are held beside built-in kinds, not beside a script";
  if (data.label().kind() == v1::Label::MULTILABEL) return "boosted trees fit one label, not several at once";
  if (!data.image().empty() || !data.tokens().empty())
    return "boosted trees see numbers and categories, not images or tokens";
  return "";
}

TreesReference::TreesReference(const LightGbm& library, const FitStore& store, const dataio::LabelRule& rule,
                               const v1::Data& data, const dataio::history::Rows& rows)
    : library_(library),
      store_(store),
      rule_(rule),
      data_(data),
      rows_(rows),
      inputs_(inputs_of(data, rows.table)),
      answers_(rows.times.size() * rule.outputs(), std::numeric_limits<double>::quiet_NaN()) {}

// Numbers as they came, unclipped and unscaled; categories as the version's own transforms number them.
Result<TreeRows> TreesReference::features(const dataio::Table& table,
                                          const v1::Transforms& transforms) const {
  const dataio::Encoded encoded = TRY(dataio::apply(transforms, table));
  std::vector<const dataio::Column*> numbers;
  for (const v1::NumericTransform& one : transforms.numeric()) numbers.push_back(table.find(one.column()));
  TreeRows out{numbers.size() + encoded.categorical_width, encoded.categorical_width, {}};
  out.values.reserve(out.columns * table.rows());
  for (size_t row = 0; row < table.rows(); ++row) {
    for (const dataio::Column* column : numbers) out.values.push_back(column->numbers[row]);
    const auto begin = encoded.categorical.begin() + static_cast<ptrdiff_t>(row * encoded.categorical_width);
    out.values.insert(out.values.end(), begin, begin + static_cast<ptrdiff_t>(encoded.categorical_width));
  }
  return out;
}

Result<v1::KeptTrees> TreesReference::trees_of(const v1::Plan& plan, const v1::Transforms& transforms,
                                               bool& kept) const {
  const std::string key = fit_key(plan);
  std::optional<v1::KeptTrees> known = TRY(store_.find_trees(key));
  kept = known.has_value();
  if (known) return std::move(*known);
  const auto start = std::chrono::steady_clock::now();
  const trainer::RunRows rows = TRY(trainer::read_run_rows(store_.artifacts(), plan));
  const auto labelled = [&](const trainer::Window& window) -> Result<LabelledTreeRows> {
    return LabelledTreeRows{TRY(features(window.rows, transforms)),
                            {window.labels.begin(), window.labels.end()}};
  };
  v1::KeptTrees trees;
  trees.set_model(TRY(library_.fit(TRY(labelled(rows.train)), TRY(labelled(rows.valid)),
                                   goal_of(rule_, plan.spec().train().seed()))));
  trees.set_seconds(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  TRY_STATUS(store_.keep_trees(key, trees));
  return trees;
}

Status TreesReference::add(const v1::Plan& plan, const MadeFit& own, int64_t active_us) {
  const v1::ModelCard card = TRY(models::load_predictor(store_.artifacts(), own.manifest))->card();
  bool kept = false;
  const v1::KeptTrees trees = TRY(trees_of(plan, card.transforms(), kept));
  const auto from = std::lower_bound(rows_.times.begin(), rows_.times.end(), active_us);
  const size_t first = fits_.empty() ? 0 : static_cast<size_t>(from - rows_.times.begin());
  std::vector<uint32_t> asked(rows_.times.size() - first);
  std::iota(asked.begin(), asked.end(), static_cast<uint32_t>(first));
  const TreeRows rows = TRY(features(dataio::take(inputs_, asked), card.transforms()));
  // Classes that came to the label after this version was made are not among its answers.
  const dataio::LabelRule theirs(card.label());
  const std::vector<double> answers =
      rule_.widened(theirs, TRY(library_.predict(trees.model(), rows, theirs.outputs())));
  std::copy(answers.begin(), answers.end(),
            answers_.begin() + static_cast<ptrdiff_t>(first * rule_.outputs()));
  fits_.push_back({own.manifest, own.as_of_us, active_us, own.rows, trees.seconds(), kept});
  return ok_status();
}

}  // namespace rekindle::backtest
