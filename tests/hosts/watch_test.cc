// Who answers, by an agent that obeys the test: a host answers while its file is there.
#include <gmock/gmock.h>

#include "base/clock.h"
#include "launch/hosts/watch.h"
#include "proto/time.h"
#include "tests/launch/fixture.h"

namespace rekindle::launch {
namespace {

using testing::HasSubstr;

class Watch : public testing::Test {
 protected:
  Watch() {
    std::string name = (fs::temp_directory_path() / "rekindle-watch-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    for (const std::string& word :
         {std::string("/bin/sh"), std::string("-c"), folder_.string() + "/agent $0"})
      pool_.add_agent(word);
    CHECK(write_file_durably(folder_ / "agent",
                             "#!/bin/sh\necho asked >>" + folder_.string() + "/asked\n[ -e " +
                                 folder_.string() + "/$1 ] || { echo no route to $1; exit 255; }\n",
                             0755)
              .ok());
    for (const char* name : {"n1", "n2"}) pool_.add_inventory()->set_name(name);
    *pool_.mutable_probe() = to_proto(std::chrono::milliseconds(50));
    *pool_.mutable_answer_within() = to_proto(Seconds(20));
    pool_.set_misses(3);
  }
  ~Watch() override { fs::remove_all(folder_); }

  void answers(const std::string& host, bool yes) {
    if (yes)
      CHECK(write_file_durably(folder_ / host, "").ok());
    else
      fs::remove(folder_ / host);
  }
  static bool comes_to(const HostWatch& watch, size_t host, NodeSight::Kind kind) {
    return eventually([&] { return watch.sights()[host].kind == kind; });
  }

  fs::path folder_;
  v1::HostsPool pool_;
};

TEST_F(Watch, AHostIsSilentAfterSoManyMissesAndBackAtItsFirstAnswer) {
  answers("n1", true);
  HostWatch watch(pool_, "rekindle-gang");
  ASSERT_EQ(watch.sights().size(), 2u);
  EXPECT_TRUE(comes_to(watch, 0, NodeSight::kAnswers));
  EXPECT_TRUE(comes_to(watch, 1, NodeSight::kSilent)) << "it never answered";
  EXPECT_THAT(watch.sights()[1].detail, HasSubstr("no route to n2"));
  EXPECT_EQ(watch.sights()[1].answered_us, 0);
  answers("n1", false);
  EXPECT_TRUE(eventually([&] { return watch.sights()[0].missed; }));
  EXPECT_TRUE(comes_to(watch, 0, NodeSight::kSilent));
  EXPECT_GT(watch.sights()[0].answered_us, 0);
  answers("n1", true);
  EXPECT_TRUE(comes_to(watch, 0, NodeSight::kAnswers));
  EXPECT_FALSE(watch.sights()[0].missed);
}

TEST_F(Watch, AHostThatAGangLostIsSilentUntilItAnswersAnew) {
  answers("n1", true);
  *pool_.mutable_probe() = to_proto(Seconds(600));
  HostWatch watch(pool_, "rekindle-gang");
  ASSERT_TRUE(comes_to(watch, 0, NodeSight::kAnswers));
  watch.doubt("n1", watch.sights()[0].answered_us - 1, "long ago");
  EXPECT_EQ(watch.sights()[0].kind, NodeSight::kAnswers) << "it has answered since";
  watch.doubt("n1", watch.sights()[0].answered_us + 1, "a gang lost it");
  EXPECT_EQ(watch.sights()[0].kind, NodeSight::kSilent);
  EXPECT_EQ(watch.sights()[0].detail, "a gang lost it");
}

TEST_F(Watch, RoundsDoNotOverlapAndEndWithTheWatch) {
  CHECK(write_file_durably(folder_ / "agent",
                           "#!/bin/sh\necho asked >>" + folder_.string() + "/asked\nexec sleep 60\n", 0755)
            .ok());
  const auto begun = std::chrono::steady_clock::now();
  {
    HostWatch watch(pool_, "rekindle-gang");
    ASSERT_TRUE(eventually([&] {
      const Result<std::string> asked = read_file(folder_ / "asked");
      return asked.ok() && *asked == "asked\nasked\n";
    }));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // several rounds' worth
    EXPECT_EQ(read_file(folder_ / "asked").value(), "asked\nasked\n") << "the first round is not over";
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, Seconds(30)) << "what was under way was ended";
}

}  // namespace
}  // namespace rekindle::launch
