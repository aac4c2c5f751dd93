// What scripts say of themselves, sense and nonsense; and logs that know a limit.
#include "launch/command/feed.h"

#include <gmock/gmock.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>

#include "launch/command/script_log.h"

namespace rekindle::launch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Feed : public testing::Test {
 protected:
  Feed() {
    std::string name = (fs::temp_directory_path() / "rekindle-feed-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    base_ = name;
  }
  ~Feed() override { fs::remove_all(base_); }
  void write(const std::string& text) {
    std::ofstream(base_ / "m", std::ios::app | std::ios::binary) << text;
  }
  Append keep() {
    return [this](v1::Report report) { reports_.push_back(std::move(report)); };
  }
  std::vector<std::string> notes() const {
    std::vector<std::string> out;
    for (const auto& report : reports_)
      if (report.has_note()) out.push_back(report.note().text());
    return out;
  }
  size_t metrics() const {
    size_t out = 0;
    for (const auto& report : reports_) out += report.has_metric();
    return out;
  }

  fs::path base_;
  std::vector<v1::Report> reports_;
};

TEST_F(Feed, LinesBecomeMetricsAndProgress) {
  MetricsFile file(base_ / "m");
  EXPECT_EQ(file.read_new(true, keep()), 0u) << "no file yet";
  write(
      "{\"step\": 120, \"steps\": 400, \"epoch\": 2, \"train_loss\": 0.25, \"name\": \"x\"}\n{\"step\": 121, "
      "\"tra");
  EXPECT_EQ(file.read_new(true, keep()), 1u) << "a line counts when it has ended";
  write("in_loss\": 0.5}\n");
  EXPECT_EQ(file.read_new(true, keep()), 1u);
  ASSERT_EQ(metrics(), 2u);
  EXPECT_EQ(reports_[0].metric().name(), "train_loss");
  EXPECT_EQ(reports_[0].metric().step(), 120u);
  EXPECT_EQ(reports_[0].metric().value(), 0.25);
  EXPECT_EQ(reports_[1].progress().steps(), 400u);
  EXPECT_EQ(reports_[1].progress().epoch(), 2u);
  EXPECT_EQ(reports_[3].progress().step(), 121u);
  EXPECT_EQ(reports_[3].progress().loss(), 0.5);
  EXPECT_EQ(file.step(), 121u);
}

TEST_F(Feed, OtherRanksNumbersAreProgressAlone) {
  MetricsFile file(base_ / "m");
  write("{\"step\": 1, \"loss\": 2}\n");
  EXPECT_EQ(file.read_new(false, keep()), 1u);
  EXPECT_TRUE(reports_.empty());
}

TEST_F(Feed, NonsenseIsCountedAndNotedOnce) {
  MetricsFile file(base_ / "m");
  write("loss 0.3\n[1, 2]\n\n{\"loss\": NaN}\n{\"a\": " + std::string(200, '[') + "\n" +
        std::string("\0\xff\x1b[31m\n", 8) + std::string(100'000, 'x') +
        "\n{\"loss\": 1}\n{\"bad name!\": 1, \"\": 2, \"deep\": {\"x\": 1}}\n");
  EXPECT_EQ(file.read_new(true, keep()), 2u);
  file.finish(keep());
  EXPECT_EQ(metrics(), 1u);
  ASSERT_EQ(notes().size(), 3u);
  EXPECT_EQ(notes()[0], "line 1 of $REKINDLE_METRICS is no JSON object: 'loss 0.3'");
  EXPECT_EQ(notes()[1], "6 lines of $REKINDLE_METRICS are no JSON objects");
  EXPECT_THAT(notes()[2], HasSubstr("2 metrics were left out"));
}

TEST_F(Feed, NamesAreBounded) {
  MetricsFile file(base_ / "m");
  for (int i = 0; i < 300; ++i) write("{\"m" + std::to_string(i) + "\": 1}\n");
  EXPECT_EQ(file.read_new(true, keep()), 300u);
  EXPECT_EQ(metrics(), 100u);
}

TEST_F(Feed, AFolderThatIsRenamedIntoPlaceCommits) {
  fs::create_directories(base_ / "c/old-7");
  CheckpointWatch watch(base_ / "c", 2);
  EXPECT_EQ(watch.look(0, keep()), 0u) << "what is there at the start is no commit";
  fs::create_directories(base_ / "c/step-10.tmp/inner");
  std::ofstream(base_ / "c/file") << "x";
  fs::create_directory_symlink("/etc", base_ / "c/link");
  EXPECT_EQ(watch.look(0, keep()), 0u);
  fs::rename(base_ / "c/step-10.tmp", base_ / "c/step-10");
  EXPECT_EQ(watch.look(0, keep()), 1u);
  EXPECT_EQ(reports_.back().checkpoint().step(), 10u);
  EXPECT_EQ(reports_.back().checkpoint().folder(), (base_ / "c/step-10").string());
  fs::create_directories(base_ / "c/best");
  EXPECT_EQ(watch.look(42, keep()), 1u);
  EXPECT_EQ(reports_.back().checkpoint().step(), 42u) << "no number in its name: the metrics' step";
  EXPECT_FALSE(fs::exists(base_ / "c/old-7")) << "two are kept";
  EXPECT_TRUE(fs::exists(base_ / "c/step-10"));
  EXPECT_TRUE(fs::exists(base_ / "c/file"));
  EXPECT_EQ(watch.committed(), 2u);
}

TEST_F(Feed, ALogKnowsALimitAndKeepsTheEnd) {
  ScriptLog log = ScriptLog::open(base_ / "log", 1000).value();
  std::string all;
  for (int i = 0; i < 10'000; ++i) {
    const std::string line = "line " + std::to_string(i) + "\n";
    ASSERT_EQ(::write(log.write_end(), line.data(), line.size()), static_cast<ssize_t>(line.size()));
    all += line;
    if (i % 100 == 0) EXPECT_GT(log.take(), 0);
  }
  log.close_write_end();
  while (log.take() > 0) {
  }
  EXPECT_LT(log.take(), 0) << "its end is seen";
  log.finish();
  const std::string text = read_file(base_ / "log").value();
  EXPECT_EQ(text.substr(0, 1000), all.substr(0, 1000));
  EXPECT_THAT(text, HasSubstr("rekindle: the log has reached "));
  EXPECT_TRUE(text.ends_with("line 9999\n"));
  EXPECT_LT(text.size(), 1000 + ScriptLog::kEndBytes + 300);
}

}  // namespace
}  // namespace rekindle::launch
