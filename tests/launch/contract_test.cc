// The contract on the fake launcher and on this host, with gangs started from the disk and from a warm
// process.
#include "tests/launch/contract.h"

#include "jobs/pools/pools.h"
#include "launch/fake.h"

namespace rekindle::launch {
namespace {

Subject fake() {
  return {"fake", [] { return std::make_unique<FakeLauncher>(); },
          [](Launcher& launcher, const AttemptFolder& folder, int code) {
            v1::ExitRecord record;
            record.set_code(code);
            static_cast<FakeLauncher&>(launcher).end(folder, record);
          },
          [](Launcher& launcher, const AttemptFolder& folder) {
            static_cast<FakeLauncher&>(launcher).lose(folder);
          }};
}

Subject local() {
  return {"local", [] { return AttemptTest::local(); }, finish_by_file, kill_supervisor};
}

// Its gangs are forks of a process that is kept loaded.
Subject warm() {
  const auto make = [] {
    auto out = make_local_launcher({.gang_program = bin_folder() / "rekindle-gang",
                                    .trainer_program = test_rank(),
                                    .warm = true,
                                    .stop_grace = std::chrono::milliseconds(300)});
    out->use(jobs::default_pools());
    return out;
  };
  return {"warm", make, finish_by_file, kill_supervisor};
}

INSTANTIATE_TEST_SUITE_P(Launchers, Contract, testing::Values(fake(), local(), warm()), subject_name);

}  // namespace
}  // namespace rekindle::launch
