// Labels of every kind through the store: what is refused, what the detector sees, what settles.
#include <gmock/gmock.h>

#include "base/stats.h"
#include "dataio/labels.h"
#include "dataio/parquet.h"
#include "tests/events/store_fixture.h"

namespace rekindle::events {
namespace {

using ::testing::HasSubstr;

v1::Label label_of(v1::Label::Kind kind) {
  v1::Label out = demand_spec().data().label();
  out.set_kind(kind);
  if (kind == v1::Label::MULTICLASS || kind == v1::Label::MULTILABEL)
    for (const char* name : {"EWR", "JFK", "LGA"}) out.add_classes(name);
  return out;
}

// One row of a kind: an answer that is mostly right, and a label that contradicts it when `wrong`.
struct Row {
  std::vector<double> answer;
  double label = 0;
};
Row row_of(v1::Label::Kind kind, uint64_t h, bool wrong) {
  const uint64_t draw = h / 1000 % 10;
  switch (kind) {
    case v1::Label::MULTICLASS: {
      const uint64_t best = h % 3;
      Row out{{0.1, 0.1, 0.1}, static_cast<double>(((draw == 0) != wrong ? best + 1 : best) % 3)};
      out.answer[best] = 0.8;
      return out;
    }
    case v1::Label::MULTILABEL: {
      Row out;
      for (uint64_t i = 0; i < 3; ++i) {
        const bool likely = (h >> i) & 1;
        out.answer.push_back(likely ? 0.9 : 0.1);
        if (likely != ((draw == i) != wrong)) out.label += std::exp2(static_cast<double>(i));
      }
      return out;
    }
    default: {
      const auto value = static_cast<double>(h % 100);
      return {{value}, value + static_cast<double>(draw) - 4.5 + (wrong ? 50 : 0)};
    }
  }
}

class KindsTest : public StoreTest, public ::testing::WithParamInterface<v1::Label::Kind> {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    label_ = label_of(GetParam());
    *spec_.mutable_data()->mutable_label() = label_;
    profile_.set_label_scale(30);
  }
  // Traffic of the fixture with answers and labels of this kind; wrong ones from `wrong_from` on.
  void append_all(int days, int64_t wrong_from) {
    for (v1::EventBatch batch : batches(days, 2, 10)) {
      for (auto& record : *batch.mutable_requests()) {
        record.clear_predictions();
        for (uint32_t i = 0; i < record.rows(); ++i)
          for (const double p : row_of(GetParam(), stable_hash(record.request_id(), i), false).answer)
            record.add_predictions(p);
      }
      for (auto& record : *batch.mutable_labels())
        for (int i = 0; i < record.labels_size(); ++i)
          record.set_labels(i, row_of(GetParam(), stable_hash(record.request_id(), static_cast<uint64_t>(i)),
                                      record.event_time_us() >= wrong_from)
                                   .label);
      const auto done = store_->append(batch, label_);
      ASSERT_TRUE(done.ok() && done->refused == 0)
          << done.status().message() << (done.ok() ? done->first_refusal : "");
    }
  }

  v1::Label label_;
  uint64_t seq_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Kinds, KindsTest,
                         ::testing::Values(v1::Label::MULTICLASS, v1::Label::REGRESSION,
                                           v1::Label::MULTILABEL),
                         [](const auto& info) { return v1::Label::Kind_Name(info.param); });

TEST_P(KindsTest, WorseAnswersAreNoticed) {
  append_all(12, kStart + 8 * kDay);
  const auto windows = judge(kStart + 13 * kDay);
  const auto fired = std::find_if(windows.begin(), windows.end(),
                                  [](const auto& w) { return w.quality_size() > 0 && w.quality(0).fired(); });
  ASSERT_NE(fired, windows.end());
  EXPECT_GT(fired->slot_us(), kStart + 9 * kDay);
  EXPECT_LT(fired->slot_us(), kStart + 11 * kDay);
  EXPECT_EQ(fired->quality_size(), GetParam() == v1::Label::REGRESSION ? 1 : 2) << "numbers are not wrong";
  EXPECT_THAT(fired->quality(0).reason(),
              HasSubstr(GetParam() == v1::Label::REGRESSION
                            ? "squared error (of the training labels' variance) went up"
                            : "log-loss went up from 0."));
}

TEST_P(KindsTest, SteadyAnswersAreNoReason) {
  append_all(12, kStart + 30 * kDay);
  for (const auto& w : judge(kStart + 13 * kDay))
    for (const auto& score : w.quality()) ASSERT_FALSE(score.fired()) << score.reason();
}

TEST_P(KindsTest, SettledLabelsAreReadBackAsTheyCame) {
  append_all(1, 0);
  const auto made = settle(kStart + 2 * kDay);
  ASSERT_EQ(made.size(), 1u);
  const auto table = dataio::read_parquet(*artifacts_.get(made[0].parts(0).sha256()), "day").value();
  const dataio::LabelRule rule(label_);
  const auto* column = table.find("late");
  EXPECT_EQ(column->type, rule.column_type());
  const auto labels = rule.read(*column).value();
  ASSERT_EQ(labels.size(), 24u * 20);
  for (size_t i = 0; i < labels.size(); ++i)
    ASSERT_EQ(labels[i], row_of(GetParam(),
                                stable_hash(table.find("request_id")->text(i),
                                            static_cast<uint64_t>(table.find("row")->numbers[i])),
                                true)
                             .label);
}

TEST_P(KindsTest, WhatIsNoAnswerOrLabelOfTheKindIsRefused) {
  const auto refusal = [&](auto change) {
    v1::EventBatch batch;
    batch.set_node("n"), batch.set_boot("b"), batch.set_seq(++seq_), batch.set_model("demand");
    Asked asked = request(kStart, static_cast<int>(seq_), 2);
    asked.record.clear_predictions();
    for (int i = 0; i < 2; ++i)
      for (const double p : row_of(GetParam(), 1, false).answer) asked.record.add_predictions(p);
    asked.labels.set_labels(0, 1);
    asked.labels.set_labels(1, 0);
    change(asked.record, asked.labels);
    *batch.add_requests() = asked.record;
    *batch.add_labels() = asked.labels;
    return store_->append(batch, label_).value().first_refusal;
  };
  EXPECT_EQ(refusal([](auto&, auto&) {}), "");
  EXPECT_THAT(refusal([](auto& r, auto&) { r.set_predictions(0, std::nan("")); }), HasSubstr("nan is no "));
  EXPECT_THAT(refusal([](auto& r, auto&) { r.add_predictions(0.5); }), HasSubstr("predictions for 2 rows"));
  EXPECT_THAT(refusal([](auto& r, auto&) {
                for (int i = 0; i < 6; ++i) r.add_predictions(0.5);
              }),
              HasSubstr("predictions for 2 rows"));
  EXPECT_THAT(refusal([](auto&, auto& l) { l.set_labels(0, INFINITY); }), HasSubstr("inf is not "));
  const std::string eight = refusal([](auto&, auto& l) { l.set_labels(0, 8); });
  EXPECT_EQ(eight.empty(), GetParam() == v1::Label::REGRESSION) << eight;
}

// A version that was made before the last class was added answers two classes of three.
TEST_F(StoreTest, AnswersWithoutTheNewestClassCountAsNothingForIt) {
  const v1::Label label = label_of(v1::Label::MULTICLASS);
  *spec_.mutable_data()->mutable_label() = label;
  for (v1::EventBatch batch : batches(9, 2, 10)) {
    for (auto& record : *batch.mutable_requests()) {
      record.clear_predictions();
      for (uint32_t i = 0; i < record.rows(); ++i) record.add_predictions(0.9), record.add_predictions(0.1);
    }
    for (auto& record : *batch.mutable_labels())
      for (int i = 0; i < record.labels_size(); ++i)
        record.set_labels(i, record.event_time_us() < kStart + 5 * kDay ? 0 : 2);
    ASSERT_EQ(store_->append(batch, label)->refused, 0u);
  }
  const auto windows = judge(kStart + 10 * kDay);
  ASSERT_TRUE(windows.back().quality(0).fired()) << windows.back().quality(0).reason();
  EXPECT_GT(windows.back().quality(0).value(), 1);
}

}  // namespace
}  // namespace rekindle::events
