// The lock that says whether an attempt's gang supervisor lives.
//
// An open-file-description lock on attempt.lock: it ends with its holder however that dies, works on NFS
// version 4, and can be asked about without being taken (asking with flock would for a moment keep a
// starting gang out).
#pragma once

#include <optional>
#include <string>

#include "launch/attempt_folder.h"

namespace rekindle::launch {

// The held lock; nothing when another process holds it. Released by destruction or death. Not inherited
// across exec.
Result<std::optional<Fd>> take_gang_lock(const AttemptFolder& folder);

// Whether any process holds the lock. False when the file is not there.
Result<bool> gang_lock_held(const AttemptFolder& folder);

// Its exit record. A damaged one is none: whoever left it has ended, and nothing says how.
Result<std::optional<v1::ExitRecord>> whole_exit(const AttemptFolder& folder);

// Proves that no gang of this attempt lives or can live: under the lock, writes the exit record that keeps
// every later one out. False when a gang holds the lock; true also when the attempt has ended already, whose
// record stands.
Result<bool> bar(const AttemptFolder& folder, v1::ExitRecord record);

}  // namespace rekindle::launch
