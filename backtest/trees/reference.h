// What boosted trees would have done with the rows that the job's own fits had, refitted at the end of every
// slice: a model class that fits the data badly cannot hide behind a schedule that drifts little.
#pragma once

#include "backtest/fits/matrix.h"
#include "backtest/trees/lightgbm.h"
#include "rekindle/v1/attempt.pb.h"

namespace rekindle::backtest {

// Why trees say nothing of such a job; empty: they do.
std::string no_trees_for(const v1::JobSpec& spec);

class TreesReference {
 public:
  // All outlive it. Answers begin as NaN.
  TreesReference(const LightGbm& library, const FitStore& store, const dataio::LabelRule& rule,
                 const v1::Data& data, const dataio::history::Rows& rows);

  // Trees of the rows of `plan`, whose own fit is this version: they see its categories. From `active_us` on
  // they answer. Fits come in order of their times; a model that was fitted before is taken from the store.
  Status add(const v1::Plan& plan, const MadeFit& own, int64_t active_us);

  const std::vector<double>& answers() const { return answers_; }  // row-major
  const std::vector<MadeFit>& fits() const { return fits_; }

 private:
  Result<TreeRows> features(const dataio::Table& table, const v1::Transforms& transforms) const;
  Result<v1::KeptTrees> trees_of(const v1::Plan& plan, const v1::Transforms& transforms, bool& kept) const;

  const LightGbm& library_;
  const FitStore& store_;
  const dataio::LabelRule rule_;
  const v1::Data& data_;
  const dataio::history::Rows& rows_;
  dataio::Table inputs_;
  std::vector<double> answers_;
  std::vector<MadeFit> fits_;
};

}  // namespace rekindle::backtest
