// What every launcher must do, for a test program to run on the launchers that it knows: it names them with
// INSTANTIATE_TEST_SUITE_P(Launchers, Contract, ...).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tests/launch/fixture.h"

namespace rekindle::launch {

struct Subject {
  std::string name;
  // Another one that knows nothing of what the first did, as after a restart.
  std::function<std::unique_ptr<Launcher>()> make;
  // Ends a waiting attempt with this code.
  std::function<void(Launcher&, const AttemptFolder&, int)> end;
  // Its supervisor dies without a word.
  std::function<void(Launcher&, const AttemptFolder&)> lose;
  // Why it cannot be tested on this host; empty: it can.
  std::function<std::string()> absent = [] { return std::string(); };
};

inline void finish_by_file(Launcher&, const AttemptFolder& folder, int code) {
  ASSERT_TRUE(write_file_durably(folder.root() / "finish", std::to_string(code)).ok());
}
inline void kill_supervisor(Launcher& launcher, const AttemptFolder& folder) {
  ::kill(launcher.probe(folder).value().gang->pid(), SIGKILL);
}

class Contract : public AttemptTest, public testing::WithParamInterface<Subject> {
 protected:
  void SetUp() override {
    if (const std::string why = GetParam().absent(); !why.empty()) GTEST_SKIP() << why;
    launcher_ = GetParam().make();
  }
  std::unique_ptr<Launcher> launcher_;
};

inline std::string subject_name(const testing::TestParamInfo<Subject>& info) {
  return info.param.name;
}

}  // namespace rekindle::launch
