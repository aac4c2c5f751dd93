// The words of Slurm's commands. Every value of a user's or an operator's is one argument or a part of one
// that begins with the option's name; the script is the same text for every attempt.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/files.h"
#include "rekindle/v1/attempt.pb.h"
#include "rekindle/v1/pool.pb.h"

namespace rekindle::launch::slurm {

// slurm/attempt.sbatch: what sbatch is given.
extern const std::string_view kTemplate;

struct Submission {
  const v1::SlurmPool& pool;
  const v1::Plan& plan;
  fs::path folder;  // the attempt's, absolute
  fs::path script;  // that holds kTemplate
  fs::path gang;    // on the compute nodes
  fs::path trainer;
  std::chrono::milliseconds stop_grace{30'000};
};

// Unique to the attempt, and the same whenever it is asked for.
std::string comment_of(const v1::Plan& plan);

// The time limit that the job is given, and how long before it the ranks are told to save; 0: none.
struct TimeLimit {
  Micros limit{0};
  Micros notice{0};
};
TimeLimit time_limit(const v1::SlurmPool& pool, const v1::Plan& plan);

std::vector<std::string> submit_command(const Submission& submission);
std::vector<std::string> list_command();
std::vector<std::string> show_command(uint64_t job);
std::vector<std::string> accounting_command(uint64_t job);
std::vector<std::string> cancel_command(uint64_t job);
// To the supervisor alone, which is what the batch script became.
std::vector<std::string> signal_command(uint64_t job, std::string_view signal);

// For people: the command line as a shell would take it, and the script.
std::string launch_text(const Submission& submission);

// What the commands run with: nothing inherited that begins with SLURM_ or SBATCH_.
std::vector<std::string> command_environment(const v1::SlurmPool& pool);

}  // namespace rekindle::launch::slurm
