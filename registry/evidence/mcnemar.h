// McNemar's test: of the rows on which one of two classifiers was right and the other wrong, how many were
// the candidate's? Under no difference each is a fair coin's. Exact and one-sided; Boost.Math's binomial.
// Pure.
#pragma once

#include <cstdint>
#include <optional>

namespace rekindle::registry {

struct Discordant {
  int64_t candidate = 0;  // rows that the candidate alone got right
  int64_t champion = 0;   // rows that the champion alone got right

  int64_t rows() const { return candidate + champion; }
};

// Chance of so many rows of the candidate's, or more, were the two equally good: P(X >= candidate),
// X ~ Binomial(rows, 1/2). 1 without such rows.
double mcnemar_p(const Discordant& pairs);

// Least true gain in accuracy over `rows` rows that the test at level `alpha` would have found with chance
// `power`, given that so many rows were discordant (McNemar is conditional on that). Nothing: no gain at all,
// since even all of them in the candidate's favour would have proved none.
std::optional<double> mcnemar_detectable(const Discordant& pairs, int64_t rows, double alpha, double power);

}  // namespace rekindle::registry
