// Versions that answered in the same slots, compared by the labels that have matured.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/events/store_fixture.h"

namespace rekindle::events {
namespace {

class CompareTest : public StoreTest {
 protected:
  // Version 1 answers throughout; of the hours of the second day version 2 answers a third of the requests.
  void canary(bool worse, const std::string& file = "events.db") {
    open(file.c_str());
    after_ = 0;
    spec_.mutable_serve()->mutable_analysis();
    Node node("node-a");
    std::vector<v1::LabelRecord> labels;
    for (int64_t t = kStart; t < kStart + 3 * kDay; t += kHour) {
      std::vector<v1::RequestRecord> requests;
      const bool beside = t >= kStart + kDay && t < kStart + 2 * kDay;
      for (int i = 0; i < 6; ++i) {
        const uint64_t version = beside && i % 3 == 2 ? 2 : 1;
        const Asked asked = request(t + i * 60'000'000, i, 4, version, {.wrong = worse && version == 2});
        requests.push_back(asked.record);
        labels.push_back(asked.labels);
        if (beside) asked_.push_back(asked);
      }
      append(node.batch(requests, {}));
    }
    append(node.batch({}, labels));
  }
  std::vector<Asked> asked_;
};

double loss(const Asked& asked, int row) {
  const double p = asked.record.predictions(row);
  return -std::log(std::max(0.01, asked.labels.labels(row) > 0.5 ? p : 1 - p));
}

TEST_F(CompareTest, SumsAreThoseOfTheSlotsThatBothAnsweredIn) {
  canary(false);
  const auto windows = judge(kStart + 4 * kDay);
  std::vector<const v1::JudgedWindow*> with;
  for (const auto& window : windows)
    if (window.comparisons_size() > 0) with.push_back(&window);
  ASSERT_EQ(with.size(), 24u) << "each hour's once its labels have matured, and none beside";
  EXPECT_EQ(with.front()->until_us(), kStart + 2 * kDay + kHour);
  const v1::LossComparison& sums = with.back()->comparisons(0);
  EXPECT_EQ(sums.version(), 2u);
  EXPECT_EQ(sums.against(), 1u);
  EXPECT_EQ(sums.version_rows(), 24 * 8);
  EXPECT_EQ(sums.against_rows(), 24 * 16);
  EXPECT_EQ(sums.slots(), 24);
  EXPECT_EQ(sums.degrees(), 24 * 22);
  EXPECT_EQ(sums.until_us(), kStart + 2 * kDay);
  double gain = 0, squares = 0;
  for (size_t slot = 0; slot < 24; ++slot) {
    double mean[3] = {}, count[3] = {};
    for (const bool second : {false, true})
      for (size_t i = slot * 6; i < slot * 6 + 6; ++i)
        for (int row = 0; row < 4; ++row) {
          const uint64_t v = asked_[i].record.version();
          if (second)
            squares += std::pow(loss(asked_[i], row) - mean[v] / count[v], 2);
          else
            mean[v] += loss(asked_[i], row), ++count[v];
        }
    gain += 8.0 * 16 / 24 * (mean[1] / 16 - mean[2] / 8);
  }
  EXPECT_NEAR(sums.weight(), 24 * 8.0 * 16 / 24, 1e-9);
  EXPECT_NEAR(sums.weighted_gain(), gain, 1e-9);
  EXPECT_NEAR(sums.square_sum(), squares, 1e-9);
}

TEST_F(CompareTest, AWorseVersionLosesAndARestartForgetsNothing) {
  canary(true);
  auto first = judge(kStart + 2 * kDay + 12 * kHour);
  open();
  auto windows = judge(kStart + 4 * kDay);
  windows.insert(windows.begin(), first.begin(), first.end());
  const auto last =
      std::find_if(windows.rbegin(), windows.rend(), [](const auto& w) { return w.comparisons_size() > 0; });
  ASSERT_NE(last, windows.rend());
  EXPECT_EQ(last->comparisons(0).slots(), 24);
  EXPECT_LT(last->comparisons(0).weighted_gain() / last->comparisons(0).weight(), -0.5);

  canary(true, "whole.db");
  const auto whole = judge(kStart + 4 * kDay);
  ASSERT_EQ(whole.size(), windows.size());
  for (size_t i = 0; i < whole.size(); ++i)
    EXPECT_EQ(whole[i].SerializeAsString(), windows[i].SerializeAsString()) << i;
}

TEST_F(CompareTest, NothingIsComparedUnasked) {
  canary(true);
  spec_.clear_serve();
  for (const auto& window : judge(kStart + 4 * kDay)) EXPECT_EQ(window.comparisons_size(), 0);
}

}  // namespace
}  // namespace rekindle::events
