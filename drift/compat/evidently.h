// The distances and tests of evidently 0.7.23 on one column, over its own bins.
//
// For comparison with what another tool reports, not for the policy: bins that both sides decide move with
// the live rows, and empty ones are filled with numbers that dominate the sum. Values equal the library's.
// Numbers come in any order; NaN and infinities are dropped, as its drift calculation does before any test.
// Categories come as counts over the union of both sides' categories; missing ones are not among them.
// Not here: the p-value of the total variation distance, which is 1000 draws of numpy's generator over a
// column in its order. The distance itself is.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"
#include "drift/distances/counts.h"
#include "drift/distances/samples.h"

namespace rekindle::drift::evidently {

using Values = std::span<const double>;

// More than 20 distinct reference values: Sturges' bins over the range of both sides. Else each number is a
// category. Shares of 0 become 0.0001, or a millionth of the least share where that is no larger (psi and
// KL). Refused: a side without numbers.
Result<double> psi(Values reference, Values live);
Result<double> jensen_shannon(Values reference, Values live);    // root, in nats
Result<double> kullback_leibler(Values reference, Values live);  // of the reference from live, in nats
// Sturges' bins over the distinct values of both sides.
Result<double> hellinger(Values reference, Values live);
// In standard deviations of the reference (at least 0.001).
Result<double> wasserstein(Values reference, Values live);

// A side without rows is a caller's bug.
double psi(Counts reference, Counts live);
double jensen_shannon(Counts reference, Counts live);
double kullback_leibler(Counts reference, Counts live);
double hellinger(Counts reference, Counts live);
double total_variation(Counts reference, Counts live);
// Live counts against those that the reference makes expect; infinite with p = 0 for a new category. One
// category: p is not a number.
TestResult chi_square(Counts reference, Counts live);
// Two-sided test of the share of the first category; 1 where both sides hold one and the same.
TestResult z_test(Counts reference, Counts live);

enum class Test { kKolmogorovSmirnov, kChiSquare, kZ, kJensenShannon, kWasserstein };
std::string_view test_name(Test test);  // as evidently's registry spells it

// Which test evidently takes when none is asked for. `distinct`: values that occur on either side.
Test default_test(bool categorical, int64_t reference_rows, int64_t distinct);

struct Verdict {
  Test test = Test::kKolmogorovSmirnov;
  double score = 0;  // p-value or distance
  bool drifted = false;
};

// The default test at its default threshold: p < 0.05, distance >= 0.1.
Result<Verdict> judge(Values reference, Values live);
Verdict judge(Counts reference, Counts live);

}  // namespace rekindle::drift::evidently
