// Days become Parquet once: what is labelled, in order, without what is quarantined.
#include <gmock/gmock.h>

#include "dataio/parquet.h"
#include "dataio/snapshot.h"
#include "tests/events/store_fixture.h"

namespace rekindle::events {
namespace {

class SettleTest : public StoreTest {
 protected:
  dataio::Table rows(const v1::DatasetSnapshot& snapshot) {
    const auto bytes = artifacts_.get(snapshot.parts(0).sha256());
    EXPECT_TRUE(bytes.ok());
    auto table = dataio::read_parquet(*bytes, snapshot.name());
    EXPECT_TRUE(table.ok()) << table.status().message();
    return *table;
  }
  v1::Quarantine& quarantine(uint64_t id, int64_t from_us, int64_t until_us, const char* source = "") {
    v1::Quarantine& q = quarantines_.emplace_back();
    q.set_id(id);
    q.set_model("demand");
    q.set_state(v1::Quarantine::OPEN);
    q.mutable_breach()->set_check("range");
    q.mutable_breach()->set_feature("temp");
    q.mutable_breach()->set_source(source);
    q.mutable_breach()->set_from_us(from_us);
    q.mutable_breach()->set_until_us(until_us);
    return q;
  }
  void append_all(int days, int requests, uint32_t n) {
    for (const auto& batch : batches(days, requests, n)) append(batch);
  }
};

TEST_F(SettleTest, ADaySettlesWhenItsLabelsHaveMatured) {
  append_all(3, 4, 2);
  EXPECT_TRUE(settle(kStart + 2 * kDay - 1).empty());
  const auto first = settle(kStart + 2 * kDay);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].dataset(), "demand");
  EXPECT_EQ(first[0].name(), "2013-02-01");
  EXPECT_EQ(first[0].rows(), 24u * 8);
  EXPECT_EQ(first[0].time_column(), "at");
  EXPECT_TRUE(settle(kStart + 2 * kDay).empty()) << "once";
  const auto rest = settle(kStart + 40 * kDay);
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[1].name(), "2013-02-03");
  EXPECT_EQ(store_->settled("demand")->size(), 3u);
  EXPECT_EQ(store_->totals("demand").settled_rows, 3u * 24 * 8);
}

TEST_F(SettleTest, HoldsWhatWasAskedAndWhatCameTrueInOrder) {
  append_all(1, 3, 2);
  const dataio::Table table = rows(settle(kStart + 2 * kDay).at(0));
  std::vector<std::string> names;
  for (const auto& c : table.columns) names.push_back(c.name);
  EXPECT_EQ(names, (std::vector<std::string>{"at", "temp", "origin", "late", "request_id", "row"}));
  ASSERT_EQ(table.rows(), 24u * 6);
  size_t at = 0;
  for (int64_t t = kStart; t < kStart + kDay; t += kHour)
    for (int i = 0; i < 3; ++i) {
      const Asked asked = request(t + i * 60'000'000, i, 2);
      for (int row = 0; row < 2; ++row, ++at) {
        ASSERT_EQ(table.find("at")->times[at], t + i * 60'000'000 + row * 1'000'000);
        ASSERT_EQ(table.find("temp")->numbers[at], asked.record.columns(1).numbers(row));
        ASSERT_EQ(table.find("origin")->text(at), asked.record.columns(2).texts(row));
        ASSERT_EQ(table.find("late")->numbers[at], asked.labels.labels(row));
        ASSERT_EQ(table.find("request_id")->text(at), asked.record.request_id());
        ASSERT_EQ(table.find("row")->numbers[at], row);
      }
    }
}

TEST_F(SettleTest, ImagesAndTokensAreSettledAsTheyWereSent) {
  spec_.mutable_data()->set_image("picture");
  spec_.mutable_data()->set_tokens("words");
  Node node("node-a");
  Asked asked = request(kStart, 0, 2);
  v1::ColumnValues &picture = *asked.record.add_columns(), &words = *asked.record.add_columns();
  picture.set_name("picture");
  picture.add_blobs(std::string("\xFF\xD8\0", 3));
  picture.add_blobs();
  picture.add_missing(1);
  words.set_name("words");
  for (const int token : {5, 7}) words.add_lists()->add_tokens(token);
  Asked stray = request(kStart + 1, 1, 1);
  stray.record.add_columns()->set_name("picture");
  stray.record.mutable_columns(3)->add_texts("no image");
  append(node.batch({asked.record, stray.record}, {asked.labels, stray.labels}));
  append(node.batch({request(kStart + 2 * kDay, 0, 1).record}, {}));
  const dataio::Table table = rows(settle(kStart + 2 * kDay).at(0));
  ASSERT_EQ(table.rows(), 2u) << "the request with texts for an image does not fit";
  EXPECT_EQ(*table.find("picture")->blobs[0], std::string("\xFF\xD8\0", 3));
  EXPECT_TRUE(table.find("picture")->missing(1));
  EXPECT_EQ(*table.find("words")->lists[1], std::vector<int32_t>{7});
}

TEST_F(SettleTest, EqualEventsGiveEqualBytesWhateverTheArrival) {
  auto stream = batches(2, 4, 3);
  for (const auto& batch : stream) append(batch);
  const auto in_order = settle(kStart + 3 * kDay);
  open("other.db");
  for (size_t i = 0; i < stream.size(); ++i) append(stream[(i * 31 + 7) % stream.size()]);
  const auto other = settle(kStart + 3 * kDay);
  ASSERT_EQ(other.size(), 2u);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(other[i].SerializeAsString(), in_order[i].SerializeAsString());
}

TEST_F(SettleTest, AnUnlabelledRowIsUnknownAndStaysOut) {
  Node node("node-a");
  Asked half = request(kStart, 0, 4), never = request(kStart + kHour, 0, 4);
  half.labels.set_labels(2, std::nan(""));
  append(node.batch({half.record, never.record}, {half.labels}));
  const auto made = settle(kStart + 2 * kDay);
  ASSERT_EQ(made.size(), 1u);
  const dataio::Table table = rows(made[0]);
  EXPECT_EQ(table.find("row")->numbers, (std::vector<double>{0, 1, 3}));
}

TEST_F(SettleTest, ALabelThatIsKnownTooLateIsNotSettled) {
  Node node("node-a");
  Asked late = request(kStart + 5 * kHour, 0, 2), in_time = request(kStart + 5 * kHour, 1, 2);
  late.labels.set_known_at_us(kStart + 2 * kDay + 1);
  in_time.labels.set_known_at_us(kStart + 2 * kDay);
  append(node.batch({late.record, in_time.record}, {late.labels, in_time.labels}));
  EXPECT_EQ(settle(kStart + 3 * kDay).at(0).rows(), 2u);
}

TEST_F(SettleTest, ADayWithoutLabelsGivesNoSnapshot) {
  Node node("node-a");
  append(node.batch({request(kStart, 0, 4).record}, {}));
  EXPECT_TRUE(settle(kStart + 2 * kDay).empty());
  EXPECT_TRUE(store_->settled("demand")->empty());
}

TEST_F(SettleTest, QuarantinedRowsStayOutUntilTheyAreReleased) {
  append_all(2, 4, 2);
  quarantine(3, kStart + 10 * kHour, kStart + 12 * kHour);
  const auto made = settle(kStart + 3 * kDay);
  ASSERT_EQ(made.size(), 2u);
  EXPECT_EQ(made[0].rows(), 22u * 8);
  EXPECT_EQ(made[1].rows(), 24u * 8);
  const dataio::Table held = rows(made[0]);
  for (int64_t t : held.find("at")->times) EXPECT_FALSE(t >= kStart + 10 * kHour && t < kStart + 12 * kHour);

  EXPECT_TRUE(settle(kStart + 4 * kDay).empty());
  quarantines_[0].set_state(v1::Quarantine::RELEASED);
  const auto back = settle(kStart + 4 * kDay);
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].name(), "2013-02-01-q3");
  EXPECT_EQ(back[0].rows(), 2u * 8);
  EXPECT_TRUE(settle(kStart + 4 * kDay).empty()) << "once";
}

TEST_F(SettleTest, DroppedRowsNeverComeBack) {
  append_all(1, 4, 2);
  quarantine(1, kStart, kStart + kDay).set_state(v1::Quarantine::DROPPED);
  EXPECT_TRUE(settle(kStart + 3 * kDay).empty());
  EXPECT_TRUE(store_->settled("demand")->empty());
}

TEST_F(SettleTest, AQuarantineOfOneNodeKeepsOutThatNodeAlone) {
  append_all(1, 4, 2);
  quarantine(1, kStart, kStart + kDay, "node-b");
  EXPECT_EQ(settle(kStart + 3 * kDay).at(0).rows(), 24u * 4);
}

TEST_F(SettleTest, RowsUnderTwoQuarantinesFollowWithTheLast) {
  append_all(1, 4, 2);
  quarantine(1, kStart, kStart + 10 * kHour);
  quarantine(2, kStart + 5 * kHour, kStart + 15 * kHour);
  EXPECT_EQ(settle(kStart + 3 * kDay).at(0).rows(), 9u * 8);
  quarantines_[1].set_state(v1::Quarantine::RELEASED);
  EXPECT_EQ(settle(kStart + 3 * kDay).at(0).rows(), 5u * 8);
  quarantines_[0].set_state(v1::Quarantine::RELEASED);
  EXPECT_EQ(settle(kStart + 3 * kDay).at(0).rows(), 10u * 8);
  EXPECT_EQ(store_->totals("demand").settled_rows, 24u * 8);
}

TEST_F(SettleTest, BothReleasedAtOnceGiveEachRowOnce) {
  append_all(1, 4, 2);
  quarantine(1, kStart, kStart + 10 * kHour);
  quarantine(2, kStart + 5 * kHour, kStart + 15 * kHour);
  (void)settle(kStart + 3 * kDay);
  for (auto& q : quarantines_) q.set_state(v1::Quarantine::RELEASED);
  EXPECT_EQ(settle(kStart + 3 * kDay).size(), 2u);
  EXPECT_EQ(store_->totals("demand").settled_rows, 24u * 8);
}

TEST_F(SettleTest, ARequestThatDoesNotFitTheSpecDoesNotHoldUpItsDay) {
  Node node("node-a");
  Asked text = request(kStart, 0, 2), far = request(kStart, 1, 2), sound = request(kStart, 2, 2);
  v1::EventBatch batch = node.batch({sound.record}, {text.labels, far.labels, sound.labels});
  text.record.mutable_columns(1)->clear_numbers();
  for (int i = 0; i < 2; ++i) text.record.mutable_columns(1)->add_texts("12.5");
  far.record.mutable_columns(0)->set_numbers(1, 1e300);
  *batch.add_requests() = text.record;
  *batch.add_requests() = far.record;
  EXPECT_EQ(append(batch).requests, 3u);
  EXPECT_EQ(settle(kStart + 3 * kDay).at(0).rows(), 2u);
}

TEST_F(SettleTest, AFullDiskSettlesNothingAndLater) {
  append_all(1, 2, 2);
  artifacts_.fail_puts(resource_exhausted("no space"));
  EXPECT_EQ(store_->settle(spec_, kStart + 3 * kDay, {}).status().code(), Code::kResourceExhausted);
  EXPECT_TRUE(store_->settled("demand")->empty());
  artifacts_.fail_puts(ok_status());
  EXPECT_EQ(settle(kStart + 3 * kDay).size(), 1u);
}

TEST_F(SettleTest, SettledDaysAreReadAsTheTrainerReadsThem) {
  append_all(2, 4, 2);
  const auto made = settle(kStart + 3 * kDay);
  const std::vector<std::string> columns = {"temp", "origin", "late"};
  const auto table = dataio::read_rows(artifacts_, made, columns, kStart + 12 * kHour, kStart + 36 * kHour);
  ASSERT_TRUE(table.ok()) << table.status().message();
  EXPECT_EQ(table->rows(), 24u * 8);
}

}  // namespace
}  // namespace rekindle::events
