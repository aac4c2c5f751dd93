// The contract on a real slurmctld and slurmd.
#include <sys/wait.h>

#include "tests/launch/slurm_fixture.h"

namespace rekindle::launch {
namespace {

// Started at the first test that asks for it, ended with the program.
class RealSlurm {
 public:
  static RealSlurm& get() {
    static RealSlurm slurm;
    return slurm;
  }
  const std::string& absent() const { return absent_; }
  v1::Pool pool() const {
    v1::Pool out = slurm_pool();
    out.mutable_slurm()->set_config(config_.string());
    return out;
  }

 private:
  RealSlurm() {
    std::string name = (fs::temp_directory_path() / "rekindle-slurm-XXXXXX").string();
    CHECK(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    const fs::path said = folder_ / "said";
    SpawnOptions spawning;
    spawning.argv = {"python3", (fs::current_path() / kSlurmTools / "cluster.py").string(), folder_.string(),
                     "--until-told"};
    spawning.environment = bare_environment();
    spawning.output = said;
    spawning.die_with_parent = true;
    pid_ = spawn(spawning).value();
    CHECK(eventually(
              [&] {
                const Result<std::string> text = read_file(said);
                return text.ok() && text->find('\n') != std::string::npos;
              },
              Seconds(90)),
          "cluster.py starts Slurm or says why it cannot");
    std::string line = read_file(said).value();
    line.erase(line.find('\n'));
    if (line.starts_with("SKIP "))
      absent_ = line.substr(5);
    else
      config_ = line;
    CHECK(!absent_.empty() || config_.is_absolute(), read_file(said).value());
  }
  ~RealSlurm() {
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  fs::path folder_, config_;
  std::string absent_;
  pid_t pid_ = 0;
};

INSTANTIATE_TEST_SUITE_P(RealSlurm, Contract,
                         testing::Values(Subject{
                             "slurm",
                             [] { return make_slurm_launcher(RealSlurm::get().pool(), test_programs()); },
                             finish_by_file, kill_supervisor, [] { return RealSlurm::get().absent(); }}),
                         subject_name);

}  // namespace
}  // namespace rekindle::launch
