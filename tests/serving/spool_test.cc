// The spool on disk: order, restarts, torn and damaged frames, and what happens when it is full.
#include "serving/spool/spool.h"

#include <gtest/gtest.h>
#include <stdlib.h>

namespace rekindle::serving {
namespace {

class SpoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "rekindle-spool-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    open();
  }
  void TearDown() override {
    spool_.reset();
    fs::remove_all(folder_);
  }
  void open() {
    spool_.reset();
    auto spool = Spool::open(options());
    ASSERT_TRUE(spool.ok()) << spool.status().message();
    spool_ = std::move(spool).value();
  }
  SpoolOptions options() const {
    return {.folder = folder_, .bytes_max = bytes_max_, .segment_bytes = segment_bytes_};
  }
  void add(const std::string& payload, FrameKind kind = FrameKind::kRequests) {
    const auto id = spool_->append(kind, 1, payload);
    ASSERT_TRUE(id.ok()) << id.status().message();
  }
  std::vector<std::string> drain() {
    std::vector<std::string> out;
    for (;;) {
      auto frame = spool_->front();
      EXPECT_TRUE(frame.ok());
      if (!*frame) return out;
      out.push_back((*frame)->payload);
      spool_->acknowledge((*frame)->id);
    }
  }
  std::vector<fs::path> segments() const {
    std::vector<fs::path> out;
    for (const auto& file : fs::directory_iterator(folder_)) out.push_back(file.path());
    std::sort(out.begin(), out.end());
    return out;
  }

  fs::path folder_;
  uint64_t bytes_max_ = 1 << 20;
  uint64_t segment_bytes_ = 100;
  std::unique_ptr<Spool> spool_;
};

TEST_F(SpoolTest, KeepsOrderAcrossSegmentsAndRestarts) {
  std::vector<std::string> all;
  for (int i = 0; i < 20; ++i) add(all.emplace_back("payload " + std::to_string(i)));
  ASSERT_TRUE(spool_->sync().ok());
  EXPECT_GT(segments().size(), 3u);
  open();
  EXPECT_EQ(spool_->totals().records, 20u);
  add(all.emplace_back("after"));
  EXPECT_EQ(drain(), all);
  EXPECT_EQ(spool_->totals().records, 0u);
  EXPECT_LE(segments().size(), 1u);
}

TEST_F(SpoolTest, AcknowledgedSegmentsAreGoneAfterARestart) {
  for (int i = 0; i < 20; ++i) add("payload");
  drain();
  open();
  EXPECT_LE(spool_->totals().frames, 1u) << "at most the unfinished segment comes again";
}

TEST_F(SpoolTest, EveryTornTailCostsOnlyItsFrame) {
  add("first");
  add("second");
  const fs::path segment = segments().at(0);
  const std::string whole = *read_file(segment);
  for (size_t size = 0; size < whole.size(); ++size) {
    spool_.reset();
    fs::remove_all(folder_);
    ASSERT_TRUE(make_folders_durably(folder_).ok());
    ASSERT_TRUE(write_file_durably(segment, whole.substr(0, size)).ok());
    open();
    const std::vector<std::string> expected =
        size < 29 ? std::vector<std::string>{} : std::vector<std::string>{"first"};
    EXPECT_EQ(drain(), expected) << "cut at " << size;
    add("third");
    EXPECT_EQ(drain(), std::vector<std::string>{"third"});
  }
}

TEST_F(SpoolTest, EveryFlippedBitCostsOnlyItsFrame) {
  segment_bytes_ = 1000;
  open();
  add("first");
  add("second");
  add("third");
  const fs::path segment = segments().at(0);
  const std::string whole = *read_file(segment);
  for (size_t bit = 0; bit < whole.size() * 8; bit += 13) {
    spool_.reset();
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    fs::remove_all(folder_);
    ASSERT_TRUE(make_folders_durably(folder_).ok());
    ASSERT_TRUE(write_file_durably(segment, damaged).ok());
    open();
    std::vector<std::string> expected{"first", "second", "third"};
    const size_t byte = bit / 8;
    expected.erase(expected.begin() + (byte < 29 ? 0 : byte < 59 ? 1 : 2));
    EXPECT_EQ(drain(), expected) << "bit " << bit;
    EXPECT_EQ(spool_->totals().damaged_frames, 1u);
  }
}

TEST_F(SpoolTest, FullDropsOldestRequestsNeverLabels) {
  bytes_max_ = 600;
  open();
  add("label 1", FrameKind::kLabels);
  for (int i = 0; i < 100; ++i) add("request " + std::to_string(i));
  add("label 2", FrameKind::kLabels);
  EXPECT_LE(spool_->totals().bytes, bytes_max_);
  EXPECT_GT(spool_->totals().dropped_requests, 50u);
  const uint64_t kept = spool_->totals().records;
  EXPECT_EQ(kept + spool_->totals().dropped_requests, 102u);
  open();
  const auto frames = drain();
  ASSERT_EQ(frames.size(), kept);
  EXPECT_EQ(frames.front(), "label 1");
  EXPECT_EQ(frames.back(), "label 2");
  EXPECT_EQ(frames.at(frames.size() - 2), "request 99");
}

TEST_F(SpoolTest, FullOfLabelsRefusesLabelsAndDropsRequests) {
  bytes_max_ = 300;
  open();
  Result<uint64_t> id = uint64_t{1};
  int labels = 0;
  while ((id = spool_->append(FrameKind::kLabels, 1, "label")).ok()) ++labels;
  EXPECT_EQ(id.status().code(), Code::kResourceExhausted);
  EXPECT_EQ(labels, 10);
  const auto request = spool_->append(FrameKind::kRequests, 3, "request");
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(*request, 0u);
  EXPECT_EQ(spool_->totals().dropped_requests, 3u);
  EXPECT_EQ(drain().size(), 10u);
  EXPECT_TRUE(spool_->append(FrameKind::kLabels, 1, "label").ok()) << "room again";
}

TEST_F(SpoolTest, TheFrameBeingSentIsNotDropped) {
  bytes_max_ = 400;
  open();
  add("oldest");
  const auto sending = spool_->front();
  for (int i = 0; i < 50; ++i) add("request");
  const auto again = spool_->front();
  EXPECT_EQ((*again)->payload, "oldest");
  EXPECT_EQ((*again)->id, (*sending)->id);
}

TEST_F(SpoolTest, RefusedFramesAreSetAside) {
  add("bad");
  add("good");
  auto frame = spool_->front();
  ASSERT_TRUE(spool_->set_aside(**frame).ok());
  EXPECT_EQ(drain(), std::vector<std::string>{"good"});
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_ / "refused"), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace rekindle::serving
