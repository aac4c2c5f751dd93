// What stands around the processes of one attempt, set up and taken down by its supervisor, which itself
// stays outside: limits of memory and processes, no privileges, a private /tmp and /dev/shm, and a fence
// around the files that they can open. What the host does not offer is left out and named in the record.
//
// The record, confined.pb, says what is in force; after the attempt's end also what the kernel counted. It is
// how whoever finds the attempt without its supervisor knows what is to be removed.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/process.h"
#include "launch/command/work_folder.h"
#include "launch/confine/groups.h"
#include "launch/confine/view.h"
#include "launch/gang/gang.h"
#include "rekindle/v1/confined.pb.h"

namespace rekindle::launch {

// What this host can do.
struct Confinable {
  GroupHost groups;
  Namespaces namespaces = Namespaces::kNone;
  int landlock = 0;  // ABI

  // "no memory limit per attempt: ...", one for each thing that is not there, and what to do about it.
  struct Lack {
    std::string what;
    std::string fix;
  };
  std::vector<Lack> lacks() const;
};
// Takes some milliseconds.
Confinable confinable();
// For a policy: what was found is not looked for again by each gang.
v1::ConfineHost as_message(const Confinable& host);

class Confinement {
 public:
  // Whose programs are started: ours, which read rows and score, or the ranks.
  enum class Part { kOurs, kRanks };

  // Without a policy (another launcher's attempt) nothing is confined.
  static Confinement set_up(const GangOptions& options, const v1::Plan& plan, const fs::path& scratch);

  void around(SpawnOptions& spawning, Part part);
  // Ends all that is in the groups, whatever it starts meanwhile; nothing can start there until the next
  // part.
  void sweep();
  // The attempt's scratch folder, as its processes see it.
  const fs::path& scratch() const { return scratch_; }
  // Where the work of a bare task's only rank lies, if not in the attempt's folder: in memory, for its
  // processes alone, and gone with them. They have to prepare it.
  const std::optional<fs::path>& work() const { return work_; }
  // After the last process: counts, removes, and adds what has come to the record.
  void finish();

 private:
  struct Entry;
  Confinement(AttemptFolder folder, fs::path scratch)
      : folder_(std::move(folder)), scratch_(std::move(scratch)) {}
  void make_groups(const Confinable& host, uint32_t world);
  void make_fence(const Confinable& host, const GangOptions& options, const v1::Plan& plan,
                  const fs::path& scratch);
  void set_limits(Part part);
  void lacks(std::string what);
  void write();
  void add_end() const;

  AttemptFolder folder_;
  fs::path scratch_;
  std::optional<fs::path> work_;
  v1::Confinement record_;
  int lacks_written_ = 0;
  bool wanted_ = false;
  bool in_container_ = false;
  std::optional<Group> memory_, pids_;
  uint64_t memory_otherwise_ = 0;  // of parts that are programs of ours
  std::shared_ptr<Entry> entry_;
};

// Nothing where no record was left, or none that can be read.
std::optional<v1::Confinement> read_confinement(const AttemptFolder& folder);
// Of an attempt whose supervisor is gone: ends what is in its groups and removes them. False: not all died.
bool end_groups(const v1::Confinement& record);

// For a rank's own process around a script: what it starts is in a narrower fence. Empty: no fence here.
Result<std::function<int()>> fence_of_script(const AttemptFolder& folder, const WorkFolder& work,
                                             const v1::Plan& plan, int rank);

}  // namespace rekindle::launch
