// Runs a body of this test binary as the ranks of an mpirun: MPI ranks cannot be forked, so the binary is
// executed again and told which body to run.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace rekindle::trainer {

// Returns what went wrong on this rank, or nothing.
using RankBody = std::function<std::string()>;
std::map<std::string, RankBody>& rank_bodies();

struct RegisterRankBody {
  RegisterRankBody(const char* name, RankBody body) { rank_bodies()[name] = std::move(body); }
};
#define RANK_BODY(name)                                            \
  std::string rank_body_##name();                                  \
  const RegisterRankBody register_##name(#name, rank_body_##name); \
  std::string rank_body_##name()

struct Ended {
  int code = -1;    // exit code, or 128 + signal
  std::string log;  // output of all ranks
};

// Runs a command line to its end; `ready`, when given, is called with the pid while it runs.
Ended run_command(const std::vector<std::string>& command, const std::function<void(int)>& ready = {});
// mpirun and its options for `ranks` ranks on this host.
std::vector<std::string> mpirun(int ranks);
// A body of this binary on that many ranks.
Ended run_ranks(int ranks, const std::string& body);

}  // namespace rekindle::trainer
