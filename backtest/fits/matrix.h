// All fits of a backtest and how each would have done on every row after it: the matrix that all else is read
// from. A fit is made once for a time and scored once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "backtest/fits/store.h"
#include "backtest/judge/losses.h"
#include "dataio/history/figures.h"
#include "dataio/history/rows.h"

namespace rekindle::backtest {

// A fit as it enters the matrix.
struct MadeFit {
  std::string manifest;
  int64_t as_of_us = 0;
  int64_t active_us = 0;  // from when it may serve
  uint64_t rows = 0;      // trained on, validation included
  double seconds = 0;     // that the training took, when it was made
  bool kept = false;      // it was in the store
};

class Matrix {
 public:
  // `rows` outlives it. Errors of regressions are squared errors over four variances of `rows`' labels, at
  // most 1.
  Matrix(const FitStore& store, const dataio::LabelRule& rule, const v1::Data& data,
         const dataio::history::Rows& rows);

  // Scores it on the rows from active_us on. The first fit serves from the beginning.
  Result<size_t> add(MadeFit fit);

  const Judged& judged() const { return judged_; }
  const std::vector<MadeFit>& fits() const { return fits_; }
  std::span<const FitLosses> losses() const { return losses_; }
  std::vector<int64_t> active() const;
  double loss(size_t fit, size_t row) const;   // of a labelled row after it is active
  double error(size_t fit, size_t row) const;  // in [0, 1]

  FitLosses losses_of(std::span<const double> answers) const;  // of all rows, row-major

  // What a schedule would have answered: row-major.
  std::vector<double> answers(const Schedule& schedule) const;
  dataio::history::Figures figures(std::span<const double> answers, size_t begin, size_t end) const;

 private:
  const double* answer(size_t fit, size_t row) const;
  FitLosses losses_from(size_t first, std::span<const double> answers) const;

  const FitStore& store_;
  const dataio::LabelRule rule_;
  const dataio::history::Rows& rows_;
  dataio::Table inputs_;
  Judged judged_;
  double label_variance_ = 0;
  std::vector<MadeFit> fits_;
  std::vector<std::vector<double>> answers_;  // by fit, from its first row on
  std::vector<FitLosses> losses_;
};

}  // namespace rekindle::backtest
