#include "run_ranks.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

namespace rekindle::trainer {

std::map<std::string, RankBody>& rank_bodies() {
  static std::map<std::string, RankBody> bodies;
  return bodies;
}

std::vector<std::string> mpirun(int ranks) {
  return {"mpirun",
          "--oversubscribe",
          "--bind-to",
          "none",
          "--mca",
          "mpi_yield_when_idle",
          "1",
          "--mca",
          "pml",
          "ob1",
          "--mca",
          "btl",
          "vader,self",
          "-n",
          std::to_string(ranks)};
}

Ended run_command(const std::vector<std::string>& command, const std::function<void(int)>& ready) {
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return {};
  std::vector<char*> argv;
  for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  setenv("OMP_NUM_THREADS", "1", 1);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(pipe_ends[1], 1);
    dup2(pipe_ends[1], 2);
    execvp(argv[0], argv.data());
    _exit(127);
  }
  close(pipe_ends[1]);
  std::thread asked;
  if (ready) asked = std::thread([&] { ready(pid); });
  Ended out;
  char buffer[4096];
  for (ssize_t n; (n = read(pipe_ends[0], buffer, sizeof(buffer))) > 0;)
    out.log.append(buffer, static_cast<size_t>(n));
  close(pipe_ends[0]);
  int status = 0;
  waitpid(pid, &status, 0);
  if (asked.joinable()) asked.join();
  out.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return out;
}

Ended run_ranks(int ranks, const std::string& body) {
  auto command = mpirun(ranks);
  command.push_back(std::filesystem::read_symlink("/proc/self/exe"));
  command.push_back("--rank-body=" + body);
  return run_command(command);
}

}  // namespace rekindle::trainer
