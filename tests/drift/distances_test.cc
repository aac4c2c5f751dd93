// Distances and two-sample tests against scipy 1.17.1 (golden/make_golden.py), and what must hold of any.
#include <gtest/gtest.h>

#include <algorithm>

#include "drift/distances/counts.h"
#include "drift/distances/ks_law.h"
#include "drift/distances/samples.h"
#include "tests/drift/golden.h"

namespace rekindle::drift {
namespace {

namespace json = boost::json;

std::vector<double> sample(Uniform& uniform, size_t count, double scale, double shift, double steps) {
  std::vector<double> out(count);
  for (double& x : out) x = uniform() * scale + shift;
  if (steps > 0)
    for (double& x : out) x = std::floor(x * steps) / steps;
  std::ranges::sort(out);
  return out;
}

// p-values to 1e-6 of themselves; `absolute` where the oracle is a difference from one.
void expect_test(const TestResult& found, const json::value& expected, double absolute = 0) {
  const auto statistic = expected.at(0).to_number<double>(), p = expected.at(1).to_number<double>();
  EXPECT_NEAR(found.statistic, statistic, 1e-9 * std::max(1.0, std::abs(statistic)));
  EXPECT_NEAR(found.p, p, 1e-6 * p + absolute);
}

TEST(Distances, OfSamplesEqualScipy) {
  for (const auto& value : golden().at("distances").as_array()) {
    const auto& c = value.as_object();
    SCOPED_TRACE(c.at("name").as_string().c_str());
    Uniform uniform(c.at("seed").to_number<uint64_t>());
    const auto steps = c.at("steps").to_number<double>();
    const std::vector<double> a = sample(uniform, c.at("n").to_number<size_t>(), 1, 0, steps);
    const std::vector<double> b =
        sample(uniform, c.at("m").to_number<size_t>(), c.at("scale").to_number<double>(),
               c.at("shift").to_number<double>(), steps);
    expect_test(kolmogorov_smirnov(a, b), c.at("ks"), 1e-300);
    // The limit law is summed from 1 downwards, there as here: its rounding is all that a tiny p has.
    expect_test(*cramer_von_mises(a, b), c.at("cvm"), 1e-13);
    expect_test(mann_whitney(a, b), c.at("mwu"));
    expect_test(*anderson_darling(a, b), c.at("ad"));
    EXPECT_NEAR(wasserstein(a, b), c.at("wasserstein").to_number<double>(), 1e-9);
    EXPECT_NEAR(energy_distance(a, b), c.at("energy").to_number<double>(), 1e-9);
  }
}

TEST(Distances, KolmogorovsTailEqualsScipy) {
  for (const auto& value : golden().at("kolmogorov").as_array()) {
    const auto n = value.at(0).to_number<int64_t>();
    const auto d = value.at(1).to_number<double>(), p = value.at(2).to_number<double>();
    EXPECT_NEAR(kolmogorov_tail(n, d), p, 1e-6 * p) << "n " << n << ", d " << d;
  }
}

TEST(Distances, OfCountsEqualScipy) {
  for (const auto& value : golden().at("counts").as_array()) {
    const auto& c = value.as_object();
    const auto reference = numbers<int64_t>(c.at("reference")), live = numbers<int64_t>(c.at("live"));
    EXPECT_NEAR(jensen_shannon(reference, live), c.at("jensen_shannon").to_number<double>(), 1e-9);
    EXPECT_NEAR(hellinger(reference, live), c.at("hellinger").to_number<double>(), 1e-9);
    EXPECT_NEAR(total_variation(reference, live), c.at("total_variation").to_number<double>(), 1e-9);
    EXPECT_NEAR(l_infinity(reference, live), c.at("l_infinity").to_number<double>(), 1e-9);
    EXPECT_NEAR(kullback_leibler(reference, live), c.at("kullback_leibler").to_number<double>(), 1e-9);
    expect_test(chi_square(reference, live), c.at("chi_square"));
    expect_test(g_test(reference, live), c.at("g_test"));
  }
}

TEST(Distances, AreZeroOfASampleToItselfAndAlikeBothWays) {
  Uniform uniform(3);
  for (int round = 0; round < 50; ++round) {
    const auto a = sample(uniform, 1 + static_cast<size_t>(uniform() * 60), 1, 0, round % 2 ? 5 : 0);
    const auto b = sample(uniform, 1 + static_cast<size_t>(uniform() * 60), 1, uniform(), round % 2 ? 5 : 0);
    for (const auto distance : {ks_distance, wasserstein, energy_distance}) {
      EXPECT_EQ(distance(a, a), 0);
      EXPECT_DOUBLE_EQ(distance(a, b), distance(b, a));
    }
    EXPECT_EQ(kolmogorov_smirnov(a, a).p, 1);
    EXPECT_NEAR(mann_whitney(a, b).p, mann_whitney(b, a).p, 1e-12);
  }
}

TEST(Distances, RefuseWhatTheyCannotCompare) {
  const std::vector<double> one = {1}, same = {2, 2, 2}, two = {1, 2};
  EXPECT_EQ(cramer_von_mises(one, two).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(anderson_darling(same, same).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(anderson_darling(one, two).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(mann_whitney(same, same).p, 1);
}

TEST(Distances, PValuesOfPureNoiseAreEven) {
  // A p-value below 5 % comes about 20 times in 400 when nothing has moved.
  Uniform uniform(4);
  int ks = 0, cvm = 0, mwu = 0, ad = 0;
  for (int round = 0; round < 400; ++round) {
    const auto a = sample(uniform, 80, 1, 0, 0), b = sample(uniform, 120, 1, 0, 0);
    ks += kolmogorov_smirnov(a, b).p < 0.05;
    cvm += cramer_von_mises(a, b)->p < 0.05;
    mwu += mann_whitney(a, b).p < 0.05;
    ad += anderson_darling(a, b)->p < 0.05;
  }
  for (const int alarms : {ks, cvm, mwu, ad}) {
    EXPECT_GE(alarms, 6);
    EXPECT_LE(alarms, 38);
  }
}

}  // namespace
}  // namespace rekindle::drift
