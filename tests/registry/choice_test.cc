// Which of several fits the gate gets to judge, and what the verdict tells of it.
#include "registry/choice.h"

#include <gmock/gmock.h>

#include <cmath>

namespace rekindle::registry {
namespace {

CandidateFits fits_of(const std::vector<double>& figures) {
  CandidateFits fits;
  for (const double figure : figures) {
    v1::CandidateFit& fit = *fits.Add();
    fit.set_number(static_cast<uint32_t>(fits.size()) - 1);
    fit.set_figure(figure);
    fit.set_valid_rows(400);
  }
  return fits;
}

TEST(Choice, IsByTheGatesMetric) {
  const CandidateFits fits = fits_of({0.5, 0.7, 0.3});
  EXPECT_EQ(2, best_of(v1::Gate::LOG_LOSS, fits));
  EXPECT_EQ(2, best_of(v1::Gate::SQUARED_ERROR, fits));
  EXPECT_EQ(2, best_of(v1::Gate::ABSOLUTE_ERROR, fits));
  EXPECT_EQ(1, best_of(v1::Gate::AUROC, fits));
  EXPECT_EQ(1, best_of(v1::Gate::ACCURACY, fits));
}

TEST(Choice, OfEqualsTakesTheFirst) {
  EXPECT_EQ(0, best_of(v1::Gate::LOG_LOSS, fits_of({0.5, 0.5, 0.6})));
  EXPECT_EQ(1, best_of(v1::Gate::AUROC, fits_of({0.5, 0.6, 0.6})));
}

TEST(Choice, PassesOverWhatWasPassedOverAndWhatIsNoNumber) {
  CandidateFits fits = fits_of({0.5, 0.1, NAN, 0.4});
  fits[1].set_passed_over("its loss is not finite");
  EXPECT_EQ(3, best_of(v1::Gate::LOG_LOSS, fits));
  for (v1::CandidateFit& fit : fits) fit.set_passed_over("so");
  EXPECT_EQ(-1, best_of(v1::Gate::LOG_LOSS, fits));
  EXPECT_EQ(-1, best_of(v1::Gate::LOG_LOSS, {}));
}

TEST(Choice, IsToldWithTheNextBest) {
  CandidateFits fits = fits_of({0.5, 0.7, 0.45});
  fits[2].set_chosen(true);
  const v1::GateCheck told = choice_told(v1::Gate::LOG_LOSS, fits);
  EXPECT_EQ(v1::GateCheck::NOT_JUDGED, told.result());
  EXPECT_EQ(
      "candidate 2 was chosen of 3 fits by log-loss 0.4500 on 400 validation rows, then train as it stands "
      "with 0.5000",
      told.text());
  fits[0].set_passed_over("so");
  fits[1].set_passed_over("so");
  EXPECT_THAT(choice_told(v1::Gate::LOG_LOSS, fits).text(),
              ::testing::EndsWith("the only one to choose from"));
}

}  // namespace
}  // namespace rekindle::registry
