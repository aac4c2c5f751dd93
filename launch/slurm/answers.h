// What Slurm's commands answer, read strictly: a line that is not of the form that was asked for is nothing,
// never a job that has ended. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rekindle/v1/run.pb.h"

namespace rekindle::launch::slurm {

// squeue --format of a listing: number, state, reason, nodes, comment.
inline constexpr std::string_view kListingFormat = "%i|%T|%r|%N|%k";

struct Job {
  uint64_t number = 0;
  std::string state;   // PENDING, RUNNING, ... as Slurm says it; "CANCELLED by 1000" where accounts know
  std::string reason;  // of a pending job
  std::string nodes;
  std::string comment;
};

// The lines of a listing that are whole; everything else is passed over.
std::vector<Job> parse_listing(std::string_view text);

// The number that `sbatch --parsable` prints; nothing: it did not say one.
std::optional<uint64_t> parse_submission(std::string_view text);

// The state in `scontrol show job --oneliner` or `sacct --parsable2 --noheader --format=State`, which also
// tells who cancelled it.
std::string parse_details(std::string_view text);
std::string parse_accounting(std::string_view text);

enum class Stage {
  kUnknown,  // a word that this release does not know: neither alive nor dead
  kWaiting,
  kAlive,  // on its nodes, or just leaving them
  kOver,
};
// "CANCELLED by 1000" and "CANCELLED+" are CANCELLED.
Stage stage_of(std::string_view state);

// How an attempt ended whose job is over and whose gang left no record. `gang`: it had started.
struct Verdict {
  v1::EndClass end = v1::END_UNSPECIFIED;
  std::string message;  // what happened and what to do
};
Verdict verdict_of(const Job& job, bool gang);
// Whether Slurm itself, or somebody by its means, ended a job in this state: what its gang says of its end is
// a consequence.
bool ended_by_slurm(std::string_view state);

// What a pending job's reason means for whoever waits.
enum class Outlook {
  kWait,   // time alone helps
  kFix,    // somebody must act: the job stays where it is
  kNever,  // as it was asked for it cannot start on this cluster
};
Outlook outlook_of(std::string_view reason);
std::string advice_on(std::string_view reason);  // for kFix and kNever: what to do

// What a submission's failure means.
struct Refusal {
  enum Kind {
    kUnclear,  // no answer that proves anything: the job may be there
    kLater,    // the cluster said no, for now
    kFinal,    // the cluster said no, and will again
  };
  Kind kind = kUnclear;
  std::string message;
};
Refusal refusal_of(std::string_view text);

}  // namespace rekindle::launch::slurm
