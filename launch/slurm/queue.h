// What is known of the jobs that are one user's in one Slurm cluster, and the one thread that asks and tells
// Slurm in that user's name. Commands are bounded in time; between two listings nothing is asked. Nobody
// waits for the thread: callers hand over wishes and look at what was last heard.
//
// An answer that does not come, or makes no sense, changes nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "launch/slurm/answers.h"
#include "launch/slurm/host.h"
#include "launch/slurm/identity.h"
#include "rekindle/v1/pool.pb.h"

namespace rekindle::launch::slurm {

using Instant = std::chrono::steady_clock::time_point;

struct Sight {
  std::optional<Job> job;  // as the newest listing that succeeded has it
  Instant heard;           // when the newest listing that agrees with that was begun
  // The newest listing that succeeded and did not have it was begun then, and the accounts, where there are
  // any, did not know it either.
  std::optional<Instant> absent;
  // Listings in a row that said the same of it.
  int same = 0;
  bool over() const { return job && stage_of(job->state) == Stage::kOver; }
  // Whether Slurm has been asked since: what it said before says nothing of a supervisor's ranks after its
  // end. It may have called a node failed whose supervisor went on.
  bool newer_than(Instant instant) const { return job ? heard > instant : absent && *absent > instant; }
};

// What became of a submission.
struct Submitted {
  std::optional<uint64_t> job;
  Refusal refusal;  // without a job
  Instant ended;    // sbatch was gone
};

class Queue {
 public:
  // How a command is run, asked anew each time: credentials change. A failure is told as Slurm's would be.
  using Caller = std::function<Result<Call>(std::vector<std::string> argv)>;

  Queue(v1::SlurmPool pool, Caller caller, Host host);
  ~Queue();  // ends a command that is under way; what it was to do may be done all the same

  // Runs sbatch, then `done` on the thread, once. Not for a comment that was submitted before.
  void submit(std::vector<std::string> argv, std::function<void(const Submitted&)> done);
  // scancel. Asked again before it was done: nothing more.
  void tell(std::vector<std::string> argv);

  // From now on the comment is looked for in listings. `number`: 0 while it is not known.
  void follow(const std::string& comment, uint64_t number);
  void forget(const std::string& comment);
  Sight sight(const std::string& comment) const;
  // Why the newest command failed; empty: it did not.
  std::string trouble() const;

 private:
  struct Followed {
    uint64_t number = 0;
    Sight sight;
  };
  struct Answer {
    bool ok = false;
    std::string text;  // standard output and error, at most kAnswerBytesMax
    Status failure;
  };
  struct Task {
    std::vector<std::string> argv;
    std::function<void(const Submitted&)> submitted;  // empty: a scancel
  };

  std::optional<Micros> turn();
  Result<runtime::Captured> run(const std::vector<std::string>& argv,
                                const std::function<void(std::string_view)>& each);
  // A quiet question's failure is no trouble.
  Answer ask(const std::vector<std::string>& argv, bool quiet = false);
  void carry_out(const Task& task);
  void list();
  void settle_absent(const std::string& comment, uint64_t number, Instant begun);
  static void see(Followed& followed, const Job& job, Instant begun);
  void find_canceller(Job job, Instant begun);
  std::string state_by_number(uint64_t number);
  std::string accounted(uint64_t number);

  const v1::SlurmPool pool_;
  const Caller caller_;
  const Host host_;
  bool accounts_ = true;  // of the thread: sacct answers here
  Instant due_;           // of the thread: the next listing
  mutable std::mutex mutex_;
  std::map<std::string, Followed> followed_;  // by comment
  std::vector<Task> tasks_;
  std::string trouble_;
  bool look_now_ = false;
  std::atomic<bool> give_up_ = false;
  Worker worker_;
};

}  // namespace rekindle::launch::slurm
