// Slurm pools for tests: on the Slurm that lies (tests/slurm/fake.py), and on one that the test starts
// (tests/slurm/cluster.py).
#pragma once

#include <fstream>

#include "launch/slurm/launcher.h"
#include "proto/time.h"
#include "runtime/capture.h"
#include "tests/launch/contract.h"

namespace rekindle::launch {

inline const fs::path kSlurmTools = "tests/slurm";

inline v1::Pool slurm_pool() {
  v1::Pool pool;
  pool.set_name("cluster");
  v1::SlurmPool& slurm = *pool.mutable_slurm();
  slurm.set_cpus(1);
  slurm.set_mpi("pmix");
  *slurm.mutable_notice() = to_proto(Seconds(20));
  *slurm.mutable_poll() = to_proto(std::chrono::milliseconds(100));
  *slurm.mutable_answer_within() = to_proto(Seconds(20));
  *slurm.mutable_search() = to_proto(Seconds(20));
  return pool;
}

inline LauncherOptions test_programs() {
  return {.gang_program = bin_folder() / "rekindle-gang",
          .trainer_program = test_rank(),
          .stop_grace = std::chrono::milliseconds(300)};
}

// One for each test, in a folder of its own.
class FakeSlurm {
 public:
  FakeSlurm() {
    std::string name = (fs::temp_directory_path() / "rekindle-fake-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    const Result<runtime::Captured> made =
        runtime::capture({"python3", (kSlurmTools / "fake.py").string(), folder_.string()},
                         bare_environment(), fs::current_path());
    CHECK(made.ok() && made->code == 0, "fake.py makes its commands");
  }
  ~FakeSlurm() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  v1::Pool pool() const {
    v1::Pool out = slurm_pool();
    out.mutable_slurm()->set_commands((folder_ / "bin").string());
    return out;
  }
  void behave(const std::string& rules) const {
    CHECK(write_file_durably(folder_ / "behave", rules + "\n").ok());
  }
  size_t jobs() const {
    size_t count = 0;
    for (const auto& entry : fs::directory_iterator(folder_ / "jobs"))
      count += entry.path().filename().string().find('.') == std::string::npos;
    return count;
  }
  // As somebody else would on the command line.
  void run(std::vector<std::string> argv) const {
    argv[0] = (folder_ / "bin" / argv[0]).string();
    const Result<runtime::Captured> ran = runtime::capture(argv, bare_environment(), "/");
    CHECK(ran.ok() && ran->code == 0, argv[0]);
  }
  std::string cancels() const {
    return read_file(folder_ / "cancels").ok() ? read_file(folder_ / "cancels").value() : "";
  }
  const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_;
};

}  // namespace rekindle::launch
