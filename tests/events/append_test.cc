// What is taken in, once and only once.
#include <gmock/gmock.h>

#include <algorithm>
#include <random>

#include "tests/events/store_fixture.h"

namespace rekindle::events {
namespace {

using ::testing::HasSubstr;

std::string all_counts(const EventStore& store) {
  const auto counts = store.counts("demand", 1, 0, kStart + 100 * kDay);
  EXPECT_TRUE(counts.ok());
  std::string out;
  for (const auto& slot : *counts) out += slot.SerializeAsString();
  return out;
}

class Append : public StoreTest {};

TEST_F(Append, TakesABatchOnceByNodeBootAndNumber) {
  Node node("node-a");
  const Asked asked = request(kStart, 0, 3);
  const v1::EventBatch batch = node.batch({asked.record}, {asked.labels});
  EXPECT_EQ(append(batch).seq, 1u);
  const std::string counts = all_counts(*store_);
  const Appended again = append(batch);
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.seq, 1u);
  EXPECT_EQ(all_counts(*store_), counts);
  open();  // also after a restart
  EXPECT_TRUE(append(batch).duplicate);
  v1::EventBatch other_boot = batch;
  other_boot.set_boot("boot-2");
  EXPECT_FALSE(append(other_boot).duplicate);
  const Totals totals = store_->totals("demand");
  EXPECT_EQ(totals.requests, 1u);
  EXPECT_EQ(totals.rows, 3u);
  EXPECT_EQ(totals.labelled_rows, 3u);
  EXPECT_EQ(totals.duplicate_requests, 1u) << "the request itself is known by its id";
  EXPECT_EQ(totals.counted_rows, 6u) << "counts are the node's word";
}

TEST_F(Append, OrderAndRepeatsOfBatchesDoNotMatter) {
  std::vector<v1::EventBatch> stream = batches(3, 4, 2);
  for (const auto& batch : stream) append(batch);
  const std::string counts = all_counts(*store_);
  const Totals totals = store_->totals("demand");
  ASSERT_EQ(totals.requests, 3u * 24 * 4);
  ASSERT_EQ(totals.labelled_rows, 3u * 24 * 4 * 2);
  ASSERT_EQ(totals.waiting_labels, 0u);

  open("shuffled.db");
  std::mt19937 random(7);
  for (size_t i = 0, n = stream.size(); i < n; i += 3) stream.push_back(stream[i]);
  std::shuffle(stream.begin(), stream.end(), random);
  for (const auto& batch : stream) append(batch);
  EXPECT_EQ(all_counts(*store_), counts);
  EXPECT_EQ(store_->totals("demand").requests, totals.requests);
  EXPECT_EQ(store_->totals("demand").labelled_rows, totals.labelled_rows);
  EXPECT_EQ(store_->totals("demand").waiting_labels, 0u);
}

TEST_F(Append, CountsOfAllNodesEqualARecountOfTheRows) {
  for (const auto& batch : batches(2, 5, 3)) append(batch);
  drift::CountsBuilder one(*drift::ProfileBins::make(profile_), 1, Micros(kHour));
  for (int64_t t = kStart; t < kStart + 2 * kDay; t += kHour)
    for (int i = 0; i < 5; ++i) count(request(t + i * 60'000'000, i, 3).record, one);
  std::string expected;
  for (const auto& slot : one.take()) expected += slot.SerializeAsString();
  EXPECT_EQ(all_counts(*store_), expected);
}

TEST_F(Append, LabelsMayComeBeforeTheirPrediction) {
  Node node("node-a");
  const Asked asked = request(kStart, 0, 3);
  append(node.batch({}, {asked.labels}));
  EXPECT_EQ(store_->totals("demand").waiting_labels, 1u);
  EXPECT_EQ(store_->totals("demand").labelled_rows, 0u);
  append(node.batch({asked.record}, {}));
  EXPECT_EQ(store_->totals("demand").waiting_labels, 0u);
  EXPECT_EQ(store_->totals("demand").labelled_rows, 3u);
}

TEST_F(Append, LabelsThatDoNotFitTheirPredictionAreDroppedWhenItComes) {
  Node node("node-a");
  append(node.batch({}, {request(kStart, 0, 2).labels}));
  const Appended done = append(node.batch({request(kStart, 0, 3).record}, {}));
  EXPECT_EQ(done.refused, 1u);
  EXPECT_THAT(done.first_refusal, HasSubstr("2 for 3 rows"));
  EXPECT_EQ(store_->totals("demand").waiting_labels, 0u);
  EXPECT_EQ(store_->totals("demand").labelled_rows, 0u);
}

TEST_F(Append, TheFirstLabelStandsAndGapsMayBeFilled) {
  Node node("node-a");
  const Asked asked = request(kStart, 0, 2);
  append(node.batch({asked.record}, {}));
  v1::LabelRecord first = asked.labels, other = asked.labels;
  first.set_labels(1, std::nan(""));
  other.set_labels(0, std::nan(""));
  const auto feed = [&](const v1::LabelRecord& labels) {
    return *store_->feedback("demand", std::span(&labels, 1));
  };
  EXPECT_EQ(feed(first).accepted, 1u);
  EXPECT_EQ(store_->totals("demand").labelled_rows, 1u);
  EXPECT_EQ(feed(first).accepted, 1u) << "the same again is no conflict";
  EXPECT_EQ(feed(other).accepted, 1u);
  EXPECT_EQ(store_->totals("demand").labelled_rows, 2u);
  other.set_labels(1, 1 - asked.labels.labels(1));
  const LabelsTaken conflict = feed(other);
  EXPECT_EQ(conflict.refused, 1u);
  EXPECT_THAT(conflict.first_refusal, HasSubstr("the first ones stand"));
  EXPECT_EQ(store_->totals("demand").conflicting_labels, 1u);
  EXPECT_EQ(store_->totals("demand").labelled_rows, 2u);
}

TEST_F(Append, NonsenseIsNamedAndCountedAndTheRestIsTaken) {
  const struct {
    const char* what;
    std::function<void(v1::EventBatch&)> spoil;
  } cases[] = {
      {"is not a time", [](auto& b) { b.mutable_requests(0)->set_event_time_us(1); }},
      {"is not a time", [](auto& b) { b.mutable_requests(0)->set_event_time_us(253'370'764'800'000'000); }},
      {"without a request id", [](auto& b) { b.mutable_requests(0)->clear_request_id(); }},
      {"of 300 bytes", [](auto& b) { b.mutable_requests(0)->set_request_id(std::string(300, 'x')); }},
      {"0 rows", [](auto& b) { b.mutable_requests(0)->set_rows(0); }},
      {"predictions for", [](auto& b) { b.mutable_requests(0)->set_rows(7); }},
      {"no version", [](auto& b) { b.mutable_requests(0)->set_version(0); }},
      {"no probability", [](auto& b) { b.mutable_requests(0)->set_predictions(0, std::nan("")); }},
      {"no probability", [](auto& b) { b.mutable_requests(0)->set_predictions(0, 1.5); }},
      {"1 values for 2 rows",
       [](auto& b) { b.mutable_requests(0)->mutable_columns(1)->mutable_numbers()->RemoveLast(); }},
      {"values of two kinds", [](auto& b) { b.mutable_requests(0)->mutable_columns(1)->add_texts("x"); }},
      {"row 9 of 2 is missing", [](auto& b) { b.mutable_requests(0)->mutable_columns(2)->add_missing(9); }},
      {"twice", [](auto& b) { b.mutable_requests(0)->mutable_columns(1)->set_name("origin"); }},
      {"0.5 is not 0 or 1", [](auto& b) { b.mutable_labels(0)->set_labels(0, 0.5); }},
      {"0 labels", [](auto& b) { b.mutable_labels(0)->clear_labels(); }},
      {"is not a time", [](auto& b) { b.mutable_labels(0)->set_known_at_us(-5); }},
      {"is not a time", [](auto& b) { b.mutable_counts(0)->set_slot_us(-kHour); }},
      {"not a number of rows", [](auto& b) { b.mutable_counts(0)->mutable_features(0)->set_counts(0, -1); }},
      {"not a number of rows", [](auto& b) { b.mutable_counts(0)->set_rows(int64_t{1} << 60); }},
      {"a range that is not a number",
       [](auto& b) { b.mutable_counts(0)->mutable_features(0)->set_least(-INFINITY); }},
      {"a sample with inf", [](auto& b) { b.mutable_counts(0)->mutable_features(0)->add_sample(INFINITY); }},
      {"a sample that is not at most 8 values",
       [](auto& b) {
         b.mutable_counts(0)->mutable_features(0)->add_sample(b.counts(0).features(0).sample(0));
       }},
      {"not at most 64 hashes that rise",
       [](auto& b) { b.mutable_counts(0)->mutable_features(1)->add_strangers(7); }},
      {"not at most 16 hashes that rise", [](auto& b) { b.mutable_counts(0)->add_contents(0); }},
      {"a source of 300 bytes", [](auto& b) { b.mutable_labels(0)->set_source(std::string(300, 'x')); }},
  };
  Node node("node-a");
  uint64_t refused = 0;
  int64_t t = kStart;
  for (const auto& c : cases) {
    SCOPED_TRACE(c.what);
    t += kHour;
    const Asked spoiled = request(t, 0, 2), sound = request(t, 1, 2);
    v1::EventBatch batch = node.batch({spoiled.record, sound.record}, {spoiled.labels, sound.labels});
    c.spoil(batch);
    const Appended done = append(batch);
    EXPECT_EQ(done.refused, 1u);
    EXPECT_THAT(done.first_refusal, HasSubstr(c.what));
    EXPECT_EQ(done.seq, batch.seq()) << "the stream goes on";
    EXPECT_GE(done.requests, 1u);
    EXPECT_GE(done.labels, 1u);
    EXPECT_EQ(store_->totals("demand").refused_records, ++refused);
  }
}

TEST_F(Append, CountsOverOtherBinsAreRefused) {
  Node node("node-a");
  v1::EventBatch first = node.batch({request(kStart, 0, 2).record}, {});
  v1::EventBatch second = node.batch({request(kStart, 1, 2).record}, {});
  second.mutable_counts(0)->mutable_features(0)->add_counts(1);
  append(first);
  const std::string before = all_counts(*store_);
  EXPECT_EQ(append(second).refused, 1u);
  EXPECT_EQ(all_counts(*store_), before);
}

TEST_F(Append, ABatchWithoutItsNameIsRefusedWhole) {
  v1::EventBatch batch = Node("node-a").batch({request(kStart, 0, 2).record}, {});
  for (auto spoil : std::vector<std::function<void(v1::EventBatch&)>>{
           [](auto& b) { b.clear_node(); }, [](auto& b) { b.clear_boot(); }, [](auto& b) { b.set_seq(0); },
           [](auto& b) { b.set_model("no such/name"); }}) {
    v1::EventBatch bad = batch;
    spoil(bad);
    EXPECT_EQ(store_->append(bad).status().code(), Code::kInvalidArgument);
  }
  EXPECT_EQ(store_->totals("demand").requests, 0u);
}

TEST_F(Append, DroppedRequestsAreCountedOnce) {
  Node node("node-a");
  for (uint64_t dropped : {0, 5, 5, 9}) {
    v1::EventBatch batch = node.batch({}, {});
    batch.set_dropped_requests(dropped);
    append(batch);
  }
  EXPECT_EQ(store_->totals("demand").dropped_requests, 9u);
}

TEST_F(Append, ASecondProcessIsRefused) {
  const auto second = EventStore::open(folder_ / "events.db", artifacts_);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), Code::kFailedPrecondition);
  EXPECT_THAT(second.status().message(), HasSubstr("another process holds it"));
}

TEST_F(Append, ADamagedFileIsNamed) {
  const auto file = folder_ / "garbage.db";
  FILE* f = fopen(file.c_str(), "w");
  fputs(std::string(5000, 'g').c_str(), f);
  fclose(f);
  const auto opened = EventStore::open(file, artifacts_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().code(), Code::kDataLoss);
  EXPECT_THAT(opened.status().message(), HasSubstr("garbage.db"));
}

}  // namespace
}  // namespace rekindle::events
