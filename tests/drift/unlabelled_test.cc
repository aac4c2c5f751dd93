// Performance without labels: CBPE against nannyml 0.13.1 (golden/make_golden.py), the loss of a regression
// by what must hold.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "drift/unlabelled/cbpe.h"
#include "drift/unlabelled/isotonic.h"
#include "drift/unlabelled/loss_estimate.h"
#include "drift/unlabelled/splits.h"
#include "tests/drift/columns.h"

namespace rekindle::drift {
namespace {

namespace json = boost::json;

const json::array& cases_of(const char* part) {
  static const json::value value = golden_file("tests/drift/golden/several.json");
  return value.at(part).as_array();
}

const json::array& cbpe_cases() {
  return cases_of("cbpe");
}

// Rows of golden/unlabelled_golden.py.
struct Scored {
  std::vector<double> score;
  std::vector<uint8_t> predicted, label;
  Answers answers() const { return {score, predicted}; }
};

Scored scored(Uniform& uniform, size_t rows, double said, double steps, double shift) {
  Scored out;
  for (size_t i = 0; i < rows; ++i) {
    double u = uniform();
    u = u + (1 - u) * shift;
    double p = said == 0.5 ? std::sqrt(u) : said == 1.5 ? u * std::sqrt(u) : std::pow(u, said);
    if (steps > 0) p = std::floor(p * steps) / steps;
    out.score.push_back(p);
    out.predicted.push_back(p > 0.5);
    out.label.push_back(uniform() < u);
  }
  return out;
}

struct CbpeCase {
  Scored reference, live;
  size_t chunk;
};

CbpeCase made(const json::object& c) {
  Uniform uniform(c.at("seed").to_number<uint64_t>());
  const auto said = c.at("said").to_number<double>(), steps = c.at("steps").to_number<double>();
  CbpeCase out;
  out.reference = scored(uniform, c.at("rows").to_number<size_t>(), said, steps, 0);
  out.live =
      scored(uniform, c.at("live_rows").to_number<size_t>(), said, steps, c.at("shift").to_number<double>());
  out.chunk = c.at("chunk").to_number<size_t>();
  return out;
}

void expect_as(double found, const json::value& expected, const std::string& what) {
  const double number = golden_number(expected);
  if (std::isnan(number))
    EXPECT_TRUE(std::isnan(found)) << what << " is " << found;
  else
    EXPECT_NEAR(found, number, 1e-9 * std::abs(number)) << what;
}

void expect_chunks(const json::object& c, const Cbpe& cbpe, const Scored& rows, size_t chunk, size_t& at) {
  for (const auto& [from, until] : nannyml::chunks_of(rows.score.size(), chunk)) {
    const Answers part{std::span(rows.score).subspan(from, until - from),
                       std::span(rows.predicted).subspan(from, until - from)};
    const Performance found = cbpe.estimate(part);
    const Performance seen = realized(part, std::span(rows.label).subspan(from, until - from));
    const std::string where = "chunk " + std::to_string(at);
    expect_as(found.accuracy, c.at("accuracy").at("value").at(at), where + " accuracy");
    expect_as(found.f1, c.at("f1").at("value").at(at), where + " f1");
    expect_as(found.auroc, c.at("roc_auc").at("value").at(at), where + " auroc");
    expect_as(seen.accuracy, c.at("accuracy").at("realized").at(at), where + " realized accuracy");
    expect_as(seen.f1, c.at("f1").at("realized").at(at), where + " realized f1");
    expect_as(seen.auroc, c.at("roc_auc").at("realized").at(at), where + " realized auroc");
    ++at;
  }
}

TEST(Cbpe, EstimatesWhatNannymlEstimates) {
  int calibrated = 0;
  for (const auto& value : cbpe_cases()) {
    const json::object& c = value.as_object();
    SCOPED_TRACE(c.at("name").as_string().c_str());
    const CbpeCase rows = made(c);
    const auto cbpe = Cbpe::fit(rows.reference.answers(), rows.reference.label, rows.chunk);
    ASSERT_TRUE(cbpe.ok());
    EXPECT_EQ(cbpe->calibrates(), c.at("calibrates").as_bool());
    calibrated += cbpe->calibrates();
    const auto expect_limits = [&](const nannyml::Limits& found, const char* metric) {
      expect_as(*found.lower, c.at(metric).at("limits").at(0), std::string(metric) + " lower");
      expect_as(*found.upper, c.at(metric).at("limits").at(1), std::string(metric) + " upper");
    };
    expect_limits(cbpe->limits().accuracy, "accuracy");
    expect_limits(cbpe->limits().f1, "f1");
    expect_limits(cbpe->limits().auroc, "roc_auc");
    size_t at = 0;
    expect_chunks(c, *cbpe, rows.reference, rows.chunk, at);
    expect_chunks(c, *cbpe, rows.live, rows.chunk, at);
    EXPECT_EQ(at, c.at("accuracy").at("value").as_array().size());
  }
  EXPECT_GT(calibrated, 2);
  EXPECT_LT(calibrated, static_cast<int>(cbpe_cases().size())) << "some scores are probabilities already";
}

TEST(Cbpe, CalibratesAsScikitLearn) {
  for (const auto& value : cbpe_cases()) {
    const json::object& c = value.as_object();
    const CbpeCase rows = made(c);
    const Isotonic calibration = Isotonic::fit(rows.reference.score, rows.reference.label);
    const json::array& expected = c.at("isotonic").as_array();
    double last = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      const double at = -0.1 + 1.2 * static_cast<double>(i) / static_cast<double>(expected.size() - 1);
      EXPECT_NEAR(calibration(at), expected[i].to_number<double>(), 1e-9);
      EXPECT_GE(calibration(at), last) << "a surer score is no less probable";
      last = calibration(at);
    }
  }
}

TEST(Cbpe, IsCloseToTheTruthWhenRowsMoveAndBlindWhenLabelsDo) {
  Uniform uniform(61);
  const Scored reference = scored(uniform, 8000, 2, 0, 0), moved = scored(uniform, 8000, 2, 0, 0.6);
  Scored concept_drift = scored(uniform, 8000, 2, 0, 0);
  const auto cbpe = Cbpe::fit(reference.answers(), reference.label, 1000);
  ASSERT_TRUE(cbpe.ok());
  EXPECT_TRUE(cbpe->calibrates()) << "u squared is no probability of what comes true as often as u";
  const Performance truth = realized(moved.answers(), moved.label), found = cbpe->estimate(moved.answers());
  EXPECT_GT(realized(reference.answers(), reference.label).auroc - truth.auroc, 0.1);
  EXPECT_NEAR(found.accuracy, truth.accuracy, 0.02);
  EXPECT_NEAR(found.f1, truth.f1, 0.02);
  EXPECT_NEAR(found.auroc, truth.auroc, 0.02);
  for (uint8_t& label : concept_drift.label) label ^= 1;
  const Performance blind = cbpe->estimate(concept_drift.answers());
  EXPECT_LT(realized(concept_drift.answers(), concept_drift.label).accuracy, 0.4);
  EXPECT_GT(blind.accuracy, 0.6) << "nothing that it is given has changed";
  EXPECT_FALSE(cbpe->limits().accuracy.alert(blind.accuracy));
}

TEST(Cbpe, IsNotDefinedWhereThereIsOneClass) {
  const std::vector<double> p = {0.2, 0.9, 0.6};
  const std::vector<uint8_t> mixed = {0, 1, 1}, zeros = {0, 0, 0};
  EXPECT_TRUE(std::isnan(realized({p, mixed}, zeros).f1));
  EXPECT_TRUE(std::isnan(realized({p, mixed}, zeros).auroc));
  EXPECT_NEAR(realized({p, mixed}, zeros).accuracy, 1.0 / 3, 1e-12);
  EXPECT_TRUE(std::isnan(realized({p, zeros}, mixed).f1));
  EXPECT_EQ(realized({p, zeros}, mixed).auroc, 1);
  // A reference of one class alone has no limits of F1 and AUROC.
  const auto cbpe = Cbpe::fit({p, mixed}, zeros, 3);
  EXPECT_FALSE(cbpe->limits().f1.lower || cbpe->limits().auroc.upper);
  EXPECT_TRUE(cbpe->limits().accuracy.lower.has_value());
}

TEST(Cbpe, LeavesOutWhatIsMissingAndRefusesWhatIsWrong) {
  const std::vector<double> p = {0.2, 0.9, std::nan(""), 0.7};
  const std::vector<uint8_t> predicted = {0, 1, 1, 1}, label = {0, 1, 0, 1};
  const std::vector<double> sound = {0.2, 0.9, 0.5, 0.7};
  const auto cbpe = Cbpe::fit({sound, predicted}, label, 2);
  ASSERT_TRUE(cbpe.ok());
  EXPECT_FALSE(cbpe->calibrates()) << "four rows have no tenth";
  EXPECT_NEAR(cbpe->estimate({p, predicted}).accuracy, (0.8 + 0.9 + 0.7) / 3, 1e-12);
  EXPECT_TRUE(std::isnan(cbpe->estimate({{}, {}}).accuracy));
  EXPECT_EQ(Cbpe::fit({p, predicted}, label, 2).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Cbpe::fit({sound, predicted}, std::span(label).first(3), 2).status().code(),
            Code::kInvalidArgument);
  const std::vector<uint8_t> third = {0, 1, 2, 1};
  EXPECT_EQ(Cbpe::fit({sound, predicted}, third, 2).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Cbpe::fit({{}, {}}, {}, 2).status().code(), Code::kInvalidArgument);
}

TEST(Splits, AreScikitLearns) {
  for (const auto& c : cases_of("splits")) {
    const auto labels = numbers<uint8_t>(c.at("labels"));
    const std::vector<Split> found = stratified_splits(labels, 3, 42);
    for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].test, numbers<size_t>(c.at("test").at(i)));
    EXPECT_EQ(found.size(), 3u);
  }
}

TEST(Splits, HoldEachLabelAsOftenAsAllRowsDo) {
  Uniform uniform(62);
  for (int round = 0; round < 50; ++round) {
    std::vector<uint8_t> labels(20 + static_cast<size_t>(uniform() * 300));
    for (uint8_t& label : labels) label = uniform() < 0.3;
    const auto ones = static_cast<double>(std::ranges::count(labels, 1));
    for (const Split& split : stratified_splits(labels, 3, 42)) {
      EXPECT_EQ(split.train.size() + split.test.size(), labels.size());
      EXPECT_EQ(split.test.size(), (labels.size() + 9) / 10);
      std::vector<int> seen(labels.size());
      for (const size_t row : split.train) ++seen[row];
      double test_ones = 0;
      for (const size_t row : split.test) {
        ++seen[row];
        test_ones += labels[row];
      }
      EXPECT_TRUE(std::ranges::all_of(seen, [](int n) { return n == 1; }));
      EXPECT_NEAR(test_ones,
                  ones * static_cast<double>(split.test.size()) / static_cast<double>(labels.size()),
                  1.0 + 1e-9);
    }
  }
  EXPECT_TRUE(stratified_splits(std::vector<uint8_t>{0, 0, 0, 1}, 3, 42).empty());
}

// --- the loss of a regression ---

// label = 3 x + noise, and the noise grows with x: a model that answers 3 x is worse where x is large.
struct Regression {
  std::vector<double> features, prediction, label;
  Rows rows() const { return {features, 2}; }
};

double normal(Uniform& uniform) {
  return std::sqrt(-2 * std::log(1 - uniform())) * std::cos(2 * std::numbers::pi * uniform());
}

Regression regression(Uniform& uniform, size_t rows, double from, double until, double bias = 0) {
  Regression out;
  for (size_t i = 0; i < rows; ++i) {
    const double x = from + (until - from) * uniform(), other = uniform();
    out.features.push_back(x);
    out.features.push_back(uniform() < 0.1 ? std::nan("") : other);
    out.prediction.push_back(3 * x);
    out.label.push_back(3 * x + bias + (0.1 + 2 * x * x) * normal(uniform));
  }
  return out;
}

TEST(LossEstimate, FollowsTheLossToWhereTheModelIsWorse) {
  Uniform uniform(63);
  const Regression reference = regression(uniform, 6000, 0, 1);
  const auto fitted = LossEstimate::fit(reference.rows(), reference.prediction, reference.label, 500);
  ASSERT_TRUE(fitted.ok());
  const RegressionLoss usual = realized_loss(reference.prediction, reference.label);
  for (const auto& [from, until] : {std::pair{0.0, 1.0}, {0.0, 0.3}, {0.6, 1.0}, {0.4, 0.5}}) {
    const Regression live = regression(uniform, 6000, from, until);
    const RegressionLoss truth = realized_loss(live.prediction, live.label);
    const RegressionLoss found = fitted->estimate(live.rows(), live.prediction);
    EXPECT_NEAR(found.mae, truth.mae, 0.1 * usual.mae) << from << " to " << until;
    EXPECT_NEAR(found.rmse, truth.rmse, 0.1 * usual.rmse) << from << " to " << until;
    EXPECT_EQ(fitted->mae_limits().alert(found.mae), until - from < 0.9) << from << " to " << until;
  }
}

TEST(LossEstimate, IsBlindToConceptDrift) {
  Uniform uniform(64);
  const Regression reference = regression(uniform, 3000, 0, 1), live = regression(uniform, 3000, 0, 1, 20);
  const auto fitted = LossEstimate::fit(reference.rows(), reference.prediction, reference.label, 300);
  EXPECT_GT(realized_loss(live.prediction, live.label).mae, 15);
  const RegressionLoss found = fitted->estimate(live.rows(), live.prediction);
  EXPECT_LT(found.mae, 2);
  EXPECT_FALSE(fitted->mae_limits().alert(found.mae)) << "nothing that it is given has changed";
}

TEST(LossModel, KeepsTheMeanIsNeverNegativeAndAlwaysTheSame) {
  Uniform uniform(65);
  const Regression reference = regression(uniform, 2000, 0, 1);
  std::vector<double> loss(2000);
  for (size_t i = 0; i < loss.size(); ++i) loss[i] = std::abs(reference.label[i] - reference.prediction[i]);
  const auto model = LossModel::fit(reference.rows(), loss), again = LossModel::fit(reference.rows(), loss);
  double sum = 0, learned = 0;
  for (size_t i = 0; i < loss.size(); ++i) {
    const double found = (*model)(reference.rows()[i]);
    EXPECT_GE(found, 0);
    EXPECT_EQ(found, (*again)(reference.rows()[i]));
    learned += found;
    sum += loss[i];
  }
  EXPECT_NEAR(learned, sum, 0.01 * sum);
}

TEST(LossModel, OfOneLossSaysThatLossAndFindsASteepStep) {
  Uniform uniform(66);
  std::vector<double> x(400), flat(400, 2.5), step(400);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = uniform();
    step[i] = x[i] > 0.5 ? 4 : 1;
  }
  const auto even = LossModel::fit({x, 1}, flat), uneven = LossModel::fit({x, 1}, step);
  const std::vector<double> low = {0.1}, high = {0.9}, missing = {std::nan("")};
  EXPECT_NEAR((*even)(low), 2.5, 1e-9);
  EXPECT_NEAR((*even)(missing), 2.5, 1e-9);
  EXPECT_NEAR((*uneven)(low), 1, 0.05);
  EXPECT_NEAR((*uneven)(high), 4, 0.05);
}

TEST(LossModel, RefusesWhatIsNoLoss) {
  const std::vector<double> x = {1, 2}, negative = {1, -1}, one = {1};
  EXPECT_EQ(LossModel::fit({x, 1}, negative).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(LossModel::fit({x, 1}, one).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(LossModel::fit({{}, 1}, {}).status().code(), Code::kInvalidArgument);
}

}  // namespace
}  // namespace rekindle::drift
