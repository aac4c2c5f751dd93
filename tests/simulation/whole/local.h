// This host's launcher, without processes: what launch/local.cc does, with simulated gangs.
#pragma once

#include "launch/launcher.h"
#include "tests/simulation/whole/gangs.h"

namespace rekindle::whole {

class LocalLauncher final : public launch::Launcher {
 public:
  LocalLauncher(Outside& outside, Gangs& gangs) : outside_(outside), gangs_(gangs) {}

  Status start(const launch::AttemptFolder& folder) override;
  Status signal(const launch::AttemptFolder& folder, launch::Signal signal) override;
  Result<launch::GangState> probe(const launch::AttemptFolder& folder) override;

 private:
  Outside& outside_;
  Gangs& gangs_;
};

}  // namespace rekindle::whole
