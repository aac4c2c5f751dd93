#include "base/chained_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <thread>

namespace rekindle {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ChainedLogTest : public ::testing::Test {
 protected:
  ChainedLogTest() {
    char name[] = "/tmp/rekindle-chain-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ / "log";
  }
  ~ChainedLogTest() override { fs::remove_all(folder_); }

  void write(std::initializer_list<std::string_view> lines) {
    auto log = ChainedLog::open(path_);
    ASSERT_TRUE(log.ok()) << log.status().message();
    for (const auto line : lines) ASSERT_TRUE(log->append(line).ok());
    ASSERT_TRUE(log->sync().ok());
  }
  std::vector<std::string> contents() {
    std::vector<std::string> out;
    const auto checked =
        check_chained_log(path_, [&](std::string_view content) { out.emplace_back(content); });
    EXPECT_TRUE(checked.ok()) << checked.status().message();
    return out;
  }
  std::string text() { return read_file(path_).value(); }
  void put(const std::string& text) { std::ofstream(path_, std::ios::binary | std::ios::trunc) << text; }

  fs::path folder_, path_;
};

TEST_F(ChainedLogTest, GoesOnWhereItEnded) {
  write({});
  EXPECT_EQ(check_chained_log(path_).value().lines, 0u);
  write({"one", ""});
  write({"three"});
  EXPECT_THAT(contents(), ElementsAre("one", "", "three"));
  EXPECT_EQ(check_chained_log(path_).value().last_hash, text().substr(text().rfind("three") - 65, 64));
}

TEST_F(ChainedLogTest, EveryChangedByteShows) {
  write({"one", "two", "three"});
  const std::string good = text();
  for (size_t i = 0; i < good.size() - 1; ++i) {
    for (const char flip : {'\x01', '\x80'}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      put(bad);
      EXPECT_EQ(check_chained_log(path_).status().code(), Code::kDataLoss) << "byte " << i;
    }
  }
  put(good);
  EXPECT_EQ(contents().size(), 3u);
}

TEST_F(ChainedLogTest, LinesTakenOutOrMovedShow) {
  write({"one", "two", "three"});
  const std::string good = text();
  const size_t second = good.find('\n') + 1, third = good.find('\n', second) + 1;
  put(good.substr(0, second) + good.substr(third));
  EXPECT_THAT(check_chained_log(path_).status().message(), HasSubstr("line 2"));
  put(good.substr(second, third - second) + good.substr(0, second) + good.substr(third));
  EXPECT_THAT(check_chained_log(path_).status().message(), HasSubstr("line 1"));
}

TEST_F(ChainedLogTest, ATornEndIsToldAndCutOff) {
  write({"one", "two"});
  const std::string good = text();
  for (size_t cut = good.find('\n') + 1; cut < good.size(); ++cut) {
    put(good.substr(0, cut));
    const auto checked = check_chained_log(path_);
    ASSERT_TRUE(checked.ok()) << cut;
    EXPECT_EQ(checked->lines, 1u);
    EXPECT_EQ(checked->torn, cut > good.find('\n') + 1);
    write({"again"});
    EXPECT_THAT(contents(), ElementsAre("one", "again"));
  }
  put("nothing of ours\n");
  EXPECT_EQ(ChainedLog::open(path_).status().code(), Code::kDataLoss);
}

TEST_F(ChainedLogTest, ManyThreadsWriteWholeLines) {
  {
    auto log = ChainedLog::open(path_);
    ASSERT_TRUE(log.ok());
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&log, t] {
        for (int i = 0; i < 50; ++i) {
          ASSERT_TRUE(log->append(std::to_string(t)).ok());
          ASSERT_TRUE(log->sync().ok());
        }
      });
    for (auto& thread : threads) thread.join();
  }
  EXPECT_EQ(contents().size(), 200u);
}

}  // namespace
}  // namespace rekindle
