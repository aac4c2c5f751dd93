#include "launch/fake.h"

#include <fmt/format.h>

#include <algorithm>

namespace rekindle::launch {

Status FakeLauncher::start(const AttemptFolder& folder) {
  TRY(folder.read_plan());
  TRY_STATUS(start_failure_);
  if (TRY(folder.read_gang()).has_value()) return ok_status();
  v1::GangRecord record;
  record.set_pid(1);
  record.set_boot_id("fake");
  TRY_STATUS(folder.write_gang(record));
  started_.push_back(folder.root());
  return ok_status();
}

Status FakeLauncher::signal(const AttemptFolder& folder, Signal signal) {
  if (!TRY(folder.read_gang()).has_value())
    return not_found(fmt::format("no gang has started in {} yet", folder.root().string()));
  signals_.emplace_back(folder.root(), signal);
  return ok_status();
}

Result<GangState> FakeLauncher::probe(const AttemptFolder& folder) {
  GangState state;
  state.gang = TRY(folder.read_gang());
  state.exit = TRY(folder.read_exit());
  if (state.exit.has_value()) {
    state.kind = GangState::kEnded;
  } else if (lost_.contains(folder.root())) {
    state.kind = GangState::kLost;
    state.detail = "the test says so";
  } else if (state.gang.has_value()) {
    state.kind = GangState::kAlive;
  }
  return state;
}

void FakeLauncher::end(const AttemptFolder& folder, v1::ExitRecord record) {
  const Status written = folder.write_exit(record);
  CHECK(written.ok(), written.message());
}

void FakeLauncher::lose(const AttemptFolder& folder) {
  lost_.insert(folder.root());
}

}  // namespace rekindle::launch
