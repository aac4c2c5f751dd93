// The contract on the fake launcher and on this host.
#include "tests/launch/contract.h"
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

INSTANTIATE_TEST_SUITE_P(Launchers, Contract, testing::Values(fake(), local()), subject_name);

}  // namespace
}  // namespace rekindle::launch
