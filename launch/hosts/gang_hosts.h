// The gang's side of ranks on other hosts: proves before the start that every host sees the attempt's folder,
// starts them by mpirun in the order of the placement, and afterwards sweeps each host and tells whether one
// was lost.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "launch/gang/gang.h"

namespace rekindle::launch {

// mpirun as it is told; `hostfile` holds hostfile_text.
std::vector<std::string> hosts_command(const GangOptions& options, const v1::Plan& plan,
                                       const fs::path& scratch, const fs::path& hostfile);
// One line for each rank, in order: with --map-by seq neither counts of slots nor the coordinator's own host,
// should it be among them, change who is where.
std::string hostfile_text(const v1::Plan& plan);
fs::path hostfile_of(const AttemptFolder& folder);

// Nothing: the ranks may be started. Else how the attempt ended: a host that refuses (78, with outcome.pb),
// or one that could not be reached.
std::optional<v1::ExitRecord> prove_hosts(const GangOptions& options, const v1::Plan& plan,
                                          const fs::path& scratch);
// When all is over, whatever it came to.
void settle_hosts(const GangOptions& options, const v1::Plan& plan, const fs::path& scratch,
                  v1::ExitRecord& record);

// The host whose daemon mpirun says it lost, as that called itself; nothing: none.
std::optional<std::string> lost_daemon(std::string_view mpirun_log);

}  // namespace rekindle::launch
