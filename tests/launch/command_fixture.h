// Attempts of command jobs: scripts of /bin/sh and Python under the real gang; rows and score are the test
// rank's.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "launch/command/work_folder.h"
#include "tests/launch/fixture.h"

namespace rekindle::launch {

class Command : public AttemptTest {
 protected:
  v1::Plan plan(const std::vector<std::string>& words, uint32_t world = 1) const {
    v1::Plan out;
    out.set_task(v1::Plan::TRAIN);
    out.set_run("flight-delay-1");
    out.set_world(world);
    out.set_threads_per_rank(1);
    out.set_artifacts((base_ / "artifacts").string());
    out.set_checkpoints((base_ / "checkpoints").string());
    out.set_environments((base_ / "environments").string());
    for (const std::string& word : words) out.mutable_spec()->mutable_train()->add_command(word);
    out.mutable_spec()->mutable_train()->mutable_checkpoints()->set_keep(2);
    out.mutable_spec()->mutable_train()->set_seed(7);
    out.mutable_spec()->mutable_data()->mutable_label()->set_column("late");
    return out;
  }
  v1::Plan shell(const std::string& script, uint32_t world = 1) const {
    return plan({"/bin/sh", "-c", script}, world);
  }

  AttemptFolder made(v1::Plan plan) {
    const AttemptFolder folder(base_ / "runs" / std::to_string(made_.size() + 1));
    plan.set_attempt(static_cast<uint32_t>(made_.size() + 1));
    EXPECT_TRUE(folder.create(plan).ok());
    made_.push_back(folder.root());
    return folder;
  }
  AttemptFolder started(v1::Plan plan) {
    const AttemptFolder folder = made(std::move(plan));
    EXPECT_TRUE(launcher_->start(folder).ok());
    return folder;
  }
  v1::ExitRecord ended(const AttemptFolder& folder) {
    const v1::ExitRecord record = *wait_for(*launcher_, folder, GangState::kEnded).exit;
    EXPECT_TRUE(processes_of(folder).empty());
    EXPECT_FALSE(fs::exists(WorkFolder(folder).root())) << "nothing of the work is left";
    return record;
  }
  static v1::Outcome outcome(const AttemptFolder& folder) {
    const auto read = folder.read_outcome();
    EXPECT_TRUE(read.ok() && read->has_value()) << log(folder);
    return read.ok() && read->has_value() ? **read : v1::Outcome();
  }
  static std::string log(const AttemptFolder& folder, int rank = 0) {
    return read_file(folder.log(rank)).ok() ? read_file(folder.log(rank)).value() : "";
  }
  static std::vector<v1::Report> reports(const AttemptFolder& folder, int rank = 0) {
    return ReportReader(folder, rank).read_new().value();
  }
  static bool in_script(const AttemptFolder& folder, int world) {
    return eventually([&] {
      for (int rank = 0; rank < world; ++rank)
        if (log(folder, rank).find("running") == std::string::npos) return false;
      return true;
    });
  }

  std::unique_ptr<Launcher> launcher_ = local();
};

}  // namespace rekindle::launch
