// Can a classifier tell live rows from the reference's? If it can, on rows that it has not seen, they have
// moved.
//
// Logistic over standardised columns, K folds, AUROC of the scores of all folds together (row i of a side is
// in fold i mod K): .5 when nothing has moved. A line is all that it can draw: it sees means that move, and
// not, say, two columns that merely become dependent. Missing values count as the column's mean.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "drift/many/rows.h"

namespace rekindle::drift {

struct DomainRule {
  int folds = 5;
  double ridge = 1;
  int permutations = 0;  // 0: no p-value (1)
  uint64_t seed = 0;     // of the permutations
};

struct DomainVerdict {
  double auroc = 0.5;
  // Share of the permutations of the sides, and the one at hand, that are told apart as well: each is learned
  // anew in all folds. Never 0. Small where live rows can be told apart; not where the score is on the wrong
  // side of .5.
  double p = 1;
};

// Refuses sides of fewer rows than folds, of differing width, and infinite values.
Result<DomainVerdict> tell_apart(const Rows& reference, const Rows& live, const DomainRule& rule);

}  // namespace rekindle::drift
