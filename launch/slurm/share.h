// Folders that two accounts write, the coordinator's and that of a run's owner, and nobody else reads: by
// POSIX access lists, which the owner of a folder may set without any privilege. What is made in such a
// folder later is shared alike.
#pragma once

#include <sys/types.h>

#include "base/files.h"
#include "base/result.h"

namespace rekindle::launch::slurm {

// Ours already, or made now. failed_precondition: its filesystem has no access lists.
Status share_folder(const fs::path& folder, uid_t with);
// A file of ours that they may read.
Status share_file(const fs::path& file, uid_t with);

// Of a folder that all users of a service write, through the group that they have in common.
Status check_writable_by_group(const fs::path& folder);

}  // namespace rekindle::launch::slurm
