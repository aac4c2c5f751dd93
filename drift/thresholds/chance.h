// What chance alone makes of a distance between counts when nothing has moved, at the sizes at hand.
//
// With n reference rows and m live rows over B bins, n m / (n + m) times the squared relative distance of the
// shares is about chi2(B - 1); near zero every distance below is a multiple of it or of its root:
//   PSI = chi2 (1/n + 1/m)     KL = PSI / 2     JS distance (nats) and Hellinger = sqrt(PSI / 8)
// Good to a few percent from about five rows a bin on; with emptier bins chance makes less of PSI and KL than
// this (they are smoothed), more or less of JS and Hellinger. KS knows no bins: its law is that of numbers
// without ties, and ties or bins only make it smaller, so it errs to the quiet side; beyond n m / (n + m) =
// 10,000 it is a bound of that law, a thousandth above it at most.
#pragma once

#include <cstdint>

namespace rekindle::drift {

enum class Distance { kPsi, kKullbackLeibler, kJensenShannon, kHellinger, kKolmogorovSmirnov };

struct Sizes {
  int bins = 0;           // that hold rows on either side; KS: not asked for
  int64_t reference = 0;  // rows, > 0 where there is to be a verdict
  int64_t live = 0;
};

// The distance that chance exceeds with probability `tail` in (0, 1). 0 where there is one bin, infinite
// where a side has no rows.
double null_quantile(Distance distance, double tail, const Sizes& sizes);

// The other way round: how likely chance makes the distance so large or larger. 1 where there is one bin or
// a side has no rows: nothing has been shown.
double chance(Distance distance, double value, const Sizes& sizes);

// What a distance must exceed to be an alarm: the user's threshold, or the null quantile if that is larger.
// Between few rows the latter rules, so that noise is no alarm; between many the former, so that what is
// certain but small is none either.
double alarm_threshold(Distance distance, double user_threshold, double tail, const Sizes& sizes);

}  // namespace rekindle::drift
