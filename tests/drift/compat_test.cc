// Other libraries' distances against evidently 0.7.23, nannyml 0.13.1 and frouros 0.9.0
// (golden/make_golden.py).
#include <gtest/gtest.h>

#include <cmath>

#include "drift/compat/chunks.h"
#include "drift/compat/evidently.h"
#include "drift/compat/frouros.h"
#include "drift/compat/histogram.h"
#include "drift/compat/nannyml.h"
#include "tests/drift/columns.h"

namespace rekindle::drift {
namespace {

namespace json = boost::json;

const json::object& cases_of(const char* library) {
  static const json::value value = golden_file("tests/drift/golden/compat.json");
  return value.at(library).as_object();
}

// `absolute`: where the oracle itself is what rounding left.
void expect_number(double found, const json::value& expected, const std::string& what, double absolute = 0) {
  const double number = golden_number(expected);
  if (std::isfinite(number))
    EXPECT_NEAR(found, number, 1e-9 * std::abs(number) + absolute) << what;
  else
    EXPECT_TRUE(std::isnan(number) ? std::isnan(found) : found == number) << what << " is " << found;
}

void expect_result(const Result<double>& found, const json::value& expected, const std::string& what,
                   double absolute = 0) {
  const bool refused = expected.is_string() && expected.as_string() == "refused";
  ASSERT_EQ(found.ok(), !refused) << what << " " << found.status().message();
  if (!refused) expect_number(*found, expected, what, absolute);
}

template <typename Check>
void for_each_case(const char* library, const char* kind, size_t cases_min, const Check& check) {
  const json::array& cases = cases_of(library).at(kind).as_array();
  ASSERT_GE(cases.size(), cases_min);
  for (const auto& value : cases) {
    SCOPED_TRACE(value.at("name").as_string().c_str());
    check(value.as_object(), columns(value.as_object()));
  }
}

// --- evidently ---

TEST(Evidently, NumbersScoreAsThere) {
  for_each_case("evidently", "numeric", 30, [](const json::object& c, const ColumnPair& x) {
    expect_result(evidently::psi(x.reference, x.live), c.at("psi"), "psi");
    expect_result(evidently::jensen_shannon(x.reference, x.live), c.at("jensenshannon"), "jensenshannon");
    expect_result(evidently::kullback_leibler(x.reference, x.live), c.at("kl_div"), "kl_div");
    expect_result(evidently::hellinger(x.reference, x.live), c.at("hellinger"), "hellinger");
    expect_result(evidently::wasserstein(x.reference, x.live), c.at("wasserstein"), "wasserstein");
  });
}

TEST(Evidently, CategoriesScoreAsThere) {
  for_each_case("evidently", "categories", 10, [](const json::object& c, const ColumnPair& x) {
    const auto [reference, live] = categories(x.reference, x.live);
    expect_number(evidently::psi(reference, live), c.at("psi"), "psi");
    expect_number(evidently::jensen_shannon(reference, live), c.at("jensenshannon"), "jensenshannon");
    expect_number(evidently::kullback_leibler(reference, live), c.at("kl_div"), "kl_div");
    // A root of one less a sum: equal sides are a rounding, of either sign, from zero.
    expect_number(evidently::hellinger(reference, live), c.at("hellinger"), "hellinger", 3e-8);
    expect_number(evidently::total_variation(reference, live), c.at("tvd"), "tvd");
    expect_number(evidently::chi_square(reference, live).p, c.at("chisquare"), "chisquare");
    expect_number(evidently::z_test(reference, live).p, c.at("z"), "z", 1e-15);
  });
}

void expect_verdict(const evidently::Verdict& found, const json::value& expected) {
  EXPECT_EQ(evidently::test_name(found.test), std::string_view(expected.at(0).as_string()));
  EXPECT_NEAR(found.score, expected.at(1).to_number<double>(),
              1e-6 * expected.at(1).to_number<double>() + 1e-15);
  EXPECT_EQ(found.drifted, expected.at(2).as_bool());
}

TEST(Evidently, TakesTheTestThatItTakesThere) {
  std::map<evidently::Test, int> taken;
  for_each_case("evidently", "numeric", 30, [&](const json::object& c, const ColumnPair& x) {
    const auto found = evidently::judge(x.reference, x.live);
    const json::value& expected = c.at("default");
    ASSERT_EQ(found.ok(), expected.is_array());
    if (!found.ok()) return;
    expect_verdict(*found, expected);
    ++taken[found->test];
  });
  for_each_case("evidently", "categories", 10, [&](const json::object& c, const ColumnPair& x) {
    const auto [reference, live] = categories(x.reference, x.live);
    expect_verdict(evidently::judge(reference, live), c.at("default"));
  });
  EXPECT_EQ(taken.size(), 5u) << "each test is the default of some column";
}

// --- nannyml ---

template <typename Measure>
void expect_measure(const json::value& expected, const ColumnPair& x, const nannyml::Range& range,
                    const std::string& what, const Measure& measure) {
  const double value = measure(x.live);
  expect_number(value, expected.at("value"), what);
  if (!expected.at("limits").is_array()) return;
  std::vector<double> chunks;
  for (const auto& [from, until] : nannyml::default_chunks(x.reference.size()))
    chunks.push_back(measure(std::span(x.reference).subspan(from, until - from)));
  const nannyml::Limits limits = nannyml::limits_of(chunks, range);
  expect_number(*limits.lower, expected.at("limits").at(0), what + ", lower", 1e-15);
  expect_number(*limits.upper, expected.at("limits").at(1), what + ", upper", 1e-15);
  EXPECT_EQ(limits.alert(value), expected.at("alert").as_bool()) << what;
}

TEST(Nannyml, NumbersScoreAsThere) {
  for_each_case("nannyml", "numeric", 30, [](const json::object& c, const ColumnPair& x) {
    const auto fitted = nannyml::Continuous::fit(x.reference);
    ASSERT_TRUE(fitted.ok());
    using Column = std::span<const double>;
    expect_measure(c.at("kolmogorov_smirnov"), x, nannyml::kKolmogorovSmirnovRange, "ks",
                   [&](Column live) { return fitted->kolmogorov_smirnov(live); });
    expect_measure(c.at("jensen_shannon"), x, nannyml::kDistanceRange, "js",
                   [&](Column live) { return fitted->jensen_shannon(live); });
    expect_measure(c.at("wasserstein"), x, nannyml::kDistanceRange, "wasserstein",
                   [&](Column live) { return fitted->wasserstein(live); });
    expect_measure(c.at("hellinger"), x, nannyml::kDistanceRange, "hellinger",
                   [&](Column live) { return fitted->hellinger(live); });
  });
}

TEST(Nannyml, CategoriesScoreAsThere) {
  for_each_case("nannyml", "categories", 10, [](const json::object& c, const ColumnPair& x) {
    const auto measured = [&](double (*distance)(Counts, Counts)) {
      return [&x, distance](std::span<const double> live) {
        const auto counts = categories(x.reference, live);
        return distance(counts.reference, counts.live);
      };
    };
    expect_measure(c.at("jensen_shannon"), x, nannyml::kDistanceRange, "js",
                   measured(nannyml::jensen_shannon));
    expect_measure(c.at("hellinger"), x, nannyml::kDistanceRange, "hellinger", measured(nannyml::hellinger));
    expect_measure(c.at("l_infinity"), x, nannyml::kDistanceRange, "l_infinity",
                   measured(nannyml::l_infinity));
    const auto [reference, live] = categories(x.reference, x.live);
    const TestResult chi = nannyml::chi_square(reference, live);
    expect_number(chi.statistic, c.at("chi2").at("value"), "chi2");
    expect_number(chi.p, c.at("chi2").at("p"), "chi2 p");
  });
}

TEST(Nannyml, ARowOutsideTheReferenceIsLeftOverAndNotLost) {
  const std::vector<double> reference = {0, 1, 2, 3, 4, 5}, outside = {-9, 40};
  const auto fitted = nannyml::Continuous::fit(reference);
  EXPECT_DOUBLE_EQ(fitted->jensen_shannon(outside), 1);
  EXPECT_DOUBLE_EQ(fitted->hellinger(outside), 1);
}

TEST(Nannyml, RefusesAReferenceThatHasNoBins) {
  const double nan = std::nan(""), infinite = std::numeric_limits<double>::infinity();
  for (const std::vector<double>& reference :
       {std::vector<double>{}, std::vector<double>{nan}, std::vector<double>{1, infinite}})
    EXPECT_EQ(nannyml::Continuous::fit(reference).status().code(), Code::kInvalidArgument);
}

TEST(Nannyml, LimitsLeaveOutChunksThatWereNotJudged) {
  const std::vector<double> chunks = {0.1, std::nan(""), 0.3};
  const nannyml::Limits limits = nannyml::limits_of(chunks, {0, 0.4});
  EXPECT_DOUBLE_EQ(*limits.lower, 0) << "cut to what the measure can take";
  EXPECT_DOUBLE_EQ(*limits.upper, 0.4);
  EXPECT_FALSE(limits.alert(std::nan("")));
  EXPECT_TRUE(limits.alert(0.41));
  EXPECT_NEAR(*nannyml::limits_of(chunks, {}).upper, 0.5, 1e-12);
}

// --- frouros ---

TEST(Frouros, NumbersScoreAsThere) {
  for_each_case("frouros", "numeric", 30, [](const json::object& c, const ColumnPair& x) {
    expect_result(frouros::psi(x.reference, x.live), c.at("psi"), "psi");
    expect_result(frouros::hellinger(x.reference, x.live), c.at("hellinger"), "hellinger");
    expect_result(frouros::bhattacharyya(x.reference, x.live), c.at("bhattacharyya"), "bhattacharyya");
    expect_result(frouros::jensen_shannon(x.reference, x.live), c.at("js"), "js");
    // Terms of either sign: alike sides leave a rounding.
    expect_result(frouros::kullback_leibler(x.reference, x.live), c.at("kl"), "kl", 1e-15);
  });
}

// --- what holds of any histogram ---

TEST(Histogram, RefusesRangesThatNoBinsCanCover) {
  std::vector<double> far(300), huge = {-1.7e308, 1.7e308};
  Uniform uniform(32);
  for (double& x : far) x = uniform();
  far.back() = 1e12;
  std::vector<double> sorted = far;
  std::ranges::sort(sorted);
  EXPECT_EQ(numpy::auto_edges(sorted).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(frouros::jensen_shannon(far, far).status().code(), Code::kInvalidArgument);
  EXPECT_TRUE(frouros::psi(far, far).ok()) << "ten bins can";
  for (const auto& found :
       {frouros::psi(huge, far), evidently::psi(far, huge), evidently::hellinger(huge, huge)})
    EXPECT_EQ(found.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(nannyml::Continuous::fit(huge).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(frouros::psi(far, far, 0).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(frouros::kullback_leibler(far, far, 1).status().code(), Code::kInvalidArgument);
}

TEST(Histogram, HoldsEveryValueOnceAndEqualsTheSumOfItsParts) {
  Uniform uniform(31);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> values(1 + static_cast<size_t>(uniform() * 300));
    for (double& x : values) x = round % 3 == 0 ? std::floor(uniform() * 6) : uniform() * 1e3 - 500;
    std::ranges::sort(values);
    for (const auto& edges : {numpy::sturges_edges(values), numpy::doane_edges(values),
                              *numpy::auto_edges(values), numpy::edges(values, 7)}) {
      EXPECT_TRUE(std::ranges::is_sorted(edges));
      const std::vector<int64_t> counts = numpy::histogram(values, edges);
      int64_t all = 0;
      for (const int64_t n : counts) all += n;
      EXPECT_EQ(all, static_cast<int64_t>(values.size()));
    }
  }
}

}  // namespace
}  // namespace rekindle::drift
