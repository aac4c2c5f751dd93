// Control groups: what all processes of an attempt together may take of memory and processes, and what the
// kernel counted of it. Version 1 and 2, whichever holds the controller, where this user may make groups.
//
// A group is a folder of the attempt's own. It outlives the coordinator and is known by its path alone, so
// whoever comes later can end what is in it and remove it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/result.h"

namespace rekindle::launch {

struct GroupParent {
  fs::path folder;  // where groups can be made
  int version = 0;  // 1 or 2
};

struct GroupHost {
  std::optional<GroupParent> memory, pids;
  std::string memory_lack, pids_lack;  // why not, in words
};

// Where this process may make groups. `self`: /proc/self, or what stands in for it.
GroupHost find_groups(const fs::path& self = "/proc/self");

class Group {
 public:
  static Result<Group> make(const GroupParent& parent, const std::string& name);

  const fs::path& folder() const { return folder_; }
  // Open for writing: a process that writes "0" to it is in the group, with all that it starts.
  int entrance() const { return entrance_.get(); }

  Status limit_memory(uint64_t bytes) const;
  Status limit_processes(uint64_t count) const;

 private:
  Group(fs::path folder, int version, Fd entrance)
      : folder_(std::move(folder)), version_(version), entrance_(std::move(entrance)) {}
  fs::path folder_;
  int version_;
  Fd entrance_;
};

// Of a group, by its folder: what the kernel counted, 0 where it does not say.
uint64_t memory_kills(const fs::path& group);
uint64_t memory_peak(const fs::path& group);
uint64_t forks_refused(const fs::path& group);
// Memory that a group and those above it leave, at most; 0: no limit.
uint64_t memory_limit_above(const GroupParent& parent);

// Lets nothing in the group start another process (until it is given a limit again), and ends all that is in
// it. False when something would not die in ten seconds. A folder that is gone is well.
bool kill_in_group(const fs::path& group);
// And removes it.
bool end_group(const fs::path& group);

// "name number" on a line of a file such as memory.events.
uint64_t counted(const fs::path& file, std::string_view name);

}  // namespace rekindle::launch
