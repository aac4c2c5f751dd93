// Many columns at once: against frouros, scikit-learn and nannyml (golden/make_golden.py), and what must
// hold.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "drift/many/auroc.h"
#include "drift/many/dice.h"
#include "drift/many/domain.h"
#include "drift/many/logistic.h"
#include "drift/many/mmd.h"
#include "drift/many/pca.h"
#include "drift/many/reconstruction.h"
#include "tests/drift/golden.h"

namespace rekindle::drift {
namespace {

namespace json = boost::json;

const json::array& cases_of(const char* part) {
  static const json::value value = golden_file("tests/drift/golden/several.json");
  return value.at(part).as_array();
}

// --- rows of golden/many_golden.py ---

struct Values {
  std::vector<double> values;
  size_t columns;
  operator Rows() const { return {values, columns}; }
};

Values rows(Uniform& uniform, size_t count, size_t columns, double shift, double bend) {
  Values out{{}, columns};
  for (size_t i = 0; i < count; ++i)
    for (size_t k = 0; k < columns; ++k) {
      const double u = uniform();
      out.values.push_back(k == 1 ? (1 - bend) * u + bend * out.values[i * columns] : u);
    }
  for (size_t at = 0; at < out.values.size(); ++at)
    out.values[at] += shift / static_cast<double>(at % columns + 1);
  return out;
}

struct Sides {
  Values reference, live;
};

Sides sides(const json::value& c) {
  Uniform uniform(c.at("seed").to_number<uint64_t>());
  const json::value& made = c.at("case");
  const auto columns = made.at(2).to_number<size_t>();
  Sides out{rows(uniform, made.at(0).to_number<size_t>(), columns, 0, 0), {}};
  out.live = rows(uniform, made.at(1).to_number<size_t>(), columns, made.at(3).to_number<double>(),
                  made.at(4).to_number<double>());
  return out;
}

// --- MMD ---

TEST(Mmd, EqualsFrouros) {
  for (const auto& c : cases_of("mmd")) {
    const Sides x = sides(c);
    const auto found = mmd(x.reference, x.live);
    ASSERT_TRUE(found.ok());
    const auto bandwidth = c.at("bandwidth").to_number<double>(),
               squared = c.at("squared").to_number<double>();
    EXPECT_NEAR(found->bandwidth, bandwidth, 1e-9 * bandwidth);
    EXPECT_NEAR(found->squared, squared, 1e-9 * std::abs(squared) + 1e-15);
  }
}

TEST(Mmd, IsZeroOnAverageAndItsPValuesAreEvenWhenNothingMoves) {
  Uniform uniform(71);
  double sum = 0;
  int small = 0;
  for (int round = 0; round < 200; ++round) {
    const Values a = rows(uniform, 30, 3, 0, 0), b = rows(uniform, 20, 3, 0, 0);
    const auto found = mmd_test(a, b, 59, 7);
    sum += found->found.squared;
    small += found->p <= 0.1;
  }
  EXPECT_NEAR(sum / 200, 0, 0.003) << "unbiased";
  EXPECT_GE(small, 8);
  EXPECT_LE(small, 34);
}

TEST(Mmd, SeesWhatNoColumnAloneShows) {
  Uniform uniform(72);
  // Each column is as it was; the second has become a copy of the first.
  const Values a = rows(uniform, 150, 2, 0, 0);
  Values b = rows(uniform, 150, 2, 0, 0);
  for (size_t i = 0; i < 150; ++i) b.values[2 * i + 1] = b.values[2 * i];
  const auto found = mmd_test(a, b, 99, 1), again = mmd_test(a, b, 99, 1);
  EXPECT_DOUBLE_EQ(found->p, 0.01) << "never zero";
  EXPECT_EQ(found->p, again->p);
  EXPECT_GT(found->found.squared, 0);
  // Between 0 and 1, whichever side is the reference.
  EXPECT_NEAR(mmd(b, a)->squared, found->found.squared, 1e-12);
}

TEST(Mmd, OfEqualRowsAreNoNumbersLost) {
  const Values a{{1, 1, 1, 1}, 1}, b{{1, 1, 1}, 1};
  const auto found = mmd_test(a, b, 19, 1);
  EXPECT_EQ(found->found.squared, 0);
  EXPECT_EQ(found->found.bandwidth, 1);
  EXPECT_EQ(found->p, 1);
}

TEST(Mmd, RefusesWhatItCannotCompare) {
  const Values two{{1, 2}, 1}, one{{1}, 1}, wide{{1, 2, 3, 4}, 2}, missing{{1, std::nan("")}, 1};
  EXPECT_TRUE(mmd(two, two).ok());
  for (const Values& wrong : {one, wide, missing})
    EXPECT_EQ(mmd(two, wrong).status().code(), Code::kInvalidArgument);
  const Values many{std::vector<double>(kMmdRowsMax), 1};
  EXPECT_EQ(mmd(many, two).status().code(), Code::kInvalidArgument);
}

// --- telling sides apart ---

TEST(Domain, LogisticAndItsAurocEqualScikitLearn) {
  for (const auto& c : cases_of("domain")) {
    SCOPED_TRACE(c.at("name").as_string().c_str());
    const Sides x = sides(c);
    const auto found = tell_apart(x.reference, x.live, {});
    ASSERT_TRUE(found.ok());
    EXPECT_NEAR(found->auroc, c.at("auroc").to_number<double>(), 1e-9);
    // All rows at once, with another ridge.
    Values all{x.reference.values, x.reference.columns};
    all.values.insert(all.values.end(), x.live.values.begin(), x.live.values.end());
    const size_t count = Rows(all).size();
    for (size_t k = 0; k < all.columns; ++k) {
      double mean = 0, square = 0;
      for (size_t i = 0; i < count; ++i) mean += all.values[i * all.columns + k] / static_cast<double>(count);
      for (size_t i = 0; i < count; ++i)
        square += std::pow(all.values[i * all.columns + k] - mean, 2) / static_cast<double>(count);
      for (size_t i = 0; i < count; ++i)
        all.values[i * all.columns + k] = (all.values[i * all.columns + k] - mean) / std::sqrt(square);
    }
    std::vector<uint8_t> labels(count, 1);
    std::fill_n(labels.begin(), Rows(x.reference).size(), 0);
    const Logistic model = Logistic::fit(all, labels, 2);
    const auto expected = numbers<double>(c.at("log_odds"));
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(model(Rows(all)[i]), expected[i], 1e-6 * std::max(1.0, std::abs(expected[i])));
  }
}

TEST(Domain, PValuesAreEvenWhenNothingMovesAndSmallWhenMeansDo) {
  Uniform uniform(73);
  int small = 0;
  for (int round = 0; round < 60; ++round) {
    const Values a = rows(uniform, 30, 2, 0, 0), b = rows(uniform, 25, 2, 0, 0);
    small += tell_apart(a, b, {.permutations = 19, .seed = 5})->p <= 0.2;
  }
  EXPECT_GE(small, 3);
  EXPECT_LE(small, 24);
  const Values a = rows(uniform, 80, 2, 0, 0), b = rows(uniform, 80, 2, 0.3, 0);
  const auto moved = tell_apart(a, b, {.permutations = 39, .seed = 5});
  EXPECT_GT(moved->auroc, 0.7);
  EXPECT_DOUBLE_EQ(moved->p, 1.0 / 40);
  EXPECT_EQ(tell_apart(a, b, {.permutations = 39, .seed = 5})->p, moved->p);
}

TEST(Domain, MissingAndConstantColumnsAreNoEvidence) {
  Uniform uniform(74);
  Values a = rows(uniform, 60, 2, 0, 0), b = rows(uniform, 60, 2, 0, 0);
  for (size_t i = 0; i < 60; ++i) a.values[2 * i] = b.values[2 * i] = 4;
  for (size_t i = 0; i < 60; i += 2) b.values[2 * i + 1] = std::nan("");
  const auto found = tell_apart(a, b, {});
  ASSERT_TRUE(found.ok());
  EXPECT_NEAR(found->auroc, 0.5, 0.15);
  EXPECT_EQ(tell_apart(a, Values{{1, 2}, 2}, {}).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(tell_apart(a, Values{{1, 2}, 1}, {}).status().code(), Code::kInvalidArgument);
}

TEST(Auroc, CountsPairsInOrder) {
  Uniform uniform(75);
  for (int round = 0; round < 100; ++round) {
    std::vector<double> score(2 + static_cast<size_t>(uniform() * 30));
    std::vector<uint8_t> label(score.size());
    for (size_t i = 0; i < score.size(); ++i) {
      score[i] = std::floor(uniform() * 8);
      label[i] = uniform() < 0.5;
    }
    double pairs = 0, ordered = 0;
    for (size_t i = 0; i < score.size(); ++i)
      for (size_t j = 0; j < score.size(); ++j) {
        if (!label[i] || label[j]) continue;
        ++pairs;
        ordered += score[i] > score[j] ? 1 : score[i] == score[j] ? 0.5 : 0;
      }
    if (pairs == 0)
      EXPECT_TRUE(std::isnan(auroc(score, label)));
    else
      EXPECT_NEAR(auroc(score, label), ordered / pairs, 1e-12);
  }
}

// --- components ---

TEST(Pca, EigenvectorsAreWhatTheMatrixStretches) {
  Uniform uniform(76);
  for (const size_t size : {size_t{1}, size_t{2}, size_t{7}, size_t{30}}) {
    std::vector<double> a(size * size);
    for (size_t i = 0; i < size; ++i)
      for (size_t j = 0; j <= i; ++j) a[i * size + j] = a[j * size + i] = uniform() - 0.5;
    const Eigen found = eigen(a, size);
    EXPECT_TRUE(std::ranges::is_sorted(found.values, std::greater{}));
    for (size_t k = 0; k < size; ++k)
      for (size_t i = 0; i < size; ++i) {
        double stretched = 0, with_other = 0;
        for (size_t j = 0; j < size; ++j) {
          stretched += a[i * size + j] * found.vectors[k][j];
          with_other += found.vectors[k][j] * found.vectors[i][j];
        }
        EXPECT_NEAR(stretched, found.values[k] * found.vectors[k][i], 1e-12);
        EXPECT_NEAR(with_other, k == i ? 1 : 0, 1e-12);
      }
  }
}

TEST(Pca, SaysWhatLiesOnItsPlaneAndNothingElse) {
  Uniform uniform(77);
  Values plane{{}, 3};
  for (int i = 0; i < 50; ++i) {
    const double u = uniform(), v = uniform();
    for (const double x : {u, v, u + v}) plane.values.push_back(x);
  }
  const Pca pca = Pca::fit(plane, 0.99);
  EXPECT_EQ(pca.components(), 2u);
  for (size_t i = 0; i < 50; ++i) EXPECT_NEAR(pca.residual(Rows(plane)[i]), 0, 1e-12);
  const std::vector<double> off = {0.5, 0.5, 1 + std::sqrt(3.0)};
  EXPECT_NEAR(pca.residual(off), 1, 1e-9) << "root 3 along the last axis is 1 off the plane";
}

// --- reconstruction ---

struct Frame {
  std::vector<std::vector<double>> numbers{4};
  std::vector<std::vector<int32_t>> categories{2};
  Table part(size_t from, size_t until) const {
    Table out;
    for (const auto& column : numbers) out.push_back({std::span(column).subspan(from, until - from), {}});
    for (const auto& column : categories) out.push_back({{}, std::span(column).subspan(from, until - from)});
    return out;
  }
  size_t size() const { return numbers[0].size(); }
};

Frame frame(Uniform& uniform, size_t count, double shift, double unseen) {
  Frame out;
  for (size_t i = 0; i < count; ++i) {
    const double u = uniform(), v = uniform(), w = uniform(), x = uniform(), y = uniform();
    out.numbers[0].push_back(u + shift);
    out.numbers[1].push_back(0.7 * u + 0.3 * v);
    out.numbers[2].push_back(i % 7 == 3 ? std::nan("") : v * w);
    out.numbers[3].push_back(2.5);
    out.categories[0].push_back(i % 11 == 5 ? -1 : static_cast<int32_t>(x * x * (5 + unseen)));
    out.categories[1].push_back(static_cast<int32_t>((y + u) * 3));
  }
  return out;
}

TEST(Reconstruction, ScoresAsNannyml) {
  for (const auto& c : cases_of("reconstruction")) {
    Uniform uniform(c.at("seed").to_number<uint64_t>());
    const json::value& made = c.at("case");
    const Frame reference = frame(uniform, made.at(0).to_number<size_t>(), 0, 0);
    const Frame live = frame(uniform, made.at(1).to_number<size_t>(), made.at(3).to_number<double>(),
                             made.at(4).to_number<double>());
    const auto chunk = made.at(2).to_number<size_t>();
    const auto fitted = Reconstruction::fit(reference.part(0, reference.size()), chunk);
    ASSERT_TRUE(fitted.ok()) << fitted.status().message();
    EXPECT_EQ(fitted->components(), c.at("components").to_number<size_t>());
    const auto lower = c.at("limits").at(0).to_number<double>(),
               upper = c.at("limits").at(1).to_number<double>();
    EXPECT_NEAR(*fitted->limits().lower, lower, 1e-9 * lower);
    EXPECT_NEAR(*fitted->limits().upper, upper, 1e-9 * upper);
    size_t at = 0;
    for (const Frame* side : {&reference, &live})
      for (const auto& [from, until] : nannyml::chunks_of(side->size(), chunk)) {
        const auto found = fitted->score(side->part(from, until));
        const auto expected = c.at("value").at(at).to_number<double>();
        EXPECT_NEAR(found->mean, expected, 1e-9 * expected) << "chunk " << at;
        const auto error = c.at("standard_error").at(at).to_number<double>();
        EXPECT_NEAR(found->standard_error, error, 1e-9 * error) << "chunk " << at;
        EXPECT_EQ(fitted->limits().alert(found->mean), c.at("alert").at(at).as_bool()) << "chunk " << at;
        ++at;
      }
    EXPECT_EQ(at, c.at("value").as_array().size());
  }
}

TEST(Reconstruction, SeesColumnsThatNoLongerHangTogether) {
  Uniform uniform(78);
  const Frame reference = frame(uniform, 2000, 0, 0), same = frame(uniform, 400, 0, 0);
  Frame torn = same;
  std::ranges::rotate(torn.numbers[1], torn.numbers[1].begin() + 17);  // each column is as it was
  const auto fitted = Reconstruction::fit(reference.part(0, 2000), 400);
  EXPECT_FALSE(fitted->limits().alert(fitted->score(same.part(0, 400))->mean));
  EXPECT_TRUE(fitted->limits().alert(fitted->score(torn.part(0, 400))->mean));
}

TEST(Reconstruction, RefusesTablesThatDoNotFit) {
  Uniform uniform(79);
  const Frame reference = frame(uniform, 100, 0, 0);
  const auto fitted = Reconstruction::fit(reference.part(0, 100), 20);
  ASSERT_TRUE(fitted.ok());
  Table other = reference.part(0, 100);
  std::swap(other.front(), other.back());
  EXPECT_EQ(fitted->score(other).status().code(), Code::kInvalidArgument);
  other.pop_back();
  EXPECT_EQ(fitted->score(other).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(fitted->score({}).status().code(), Code::kInvalidArgument);
  const std::vector<double> nothing = {std::nan(""), std::nan("")}, one = {1};
  EXPECT_EQ(Reconstruction::fit({{nothing, {}}}, 1).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(Reconstruction::fit({{one, {}}}, 1).status().code(), Code::kInvalidArgument);
  EXPECT_TRUE(std::isnan(fitted->score(reference.part(0, 1))->standard_error));
}

// --- dice ---

TEST(Dice, AreFairAndTheSameForTheSameSeed) {
  Dice dice(3), again(3);
  std::vector<int> seen(6);
  for (int i = 0; i < 6000; ++i) {
    const size_t drawn = dice.below(6);
    EXPECT_EQ(drawn, again.below(6));
    ++seen[drawn];
  }
  for (const int n : seen) EXPECT_NEAR(n, 1000, 150);
}

}  // namespace
}  // namespace rekindle::drift
