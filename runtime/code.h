// The code of a job (train.code): a folder packed into one tar when its spec is applied, kept as a blob under
// its hash, and unpacked read-only wherever it runs.
//
// Equal folders give equal tars, whoever packs them, when and where: names sorted, no times, no owners, no
// .git and no __pycache__. Nothing outside the folder gets in, and nothing in a tar gets out of where it is
// unpacked.
#pragma once

#include <string>
#include <string_view>

#include "artifacts/store.h"
#include "base/files.h"
#include "base/result.h"
#include "rekindle/v1/model.pb.h"

namespace rekindle::runtime {

// What a code folder may hold: code, not data.
struct CodeLimits {
  uint64_t bytes = 256'000'000;
  size_t files = 10'000;  // folders and links count too
};

// The tar. Refused with the file's name: links that leave the folder, sockets and the like, unreadable files,
// and more than the limits allow.
Result<std::string> pack_code(const fs::path& folder, CodeLimits limits = {});

// The last commit that touched the folder, and whether the folder differs from it. Without git, or outside a
// repository, there is no commit.
void record_commit(const fs::path& folder, v1::Code& code);

// Unpacks into `folder`, which must not be there yet: it appears whole, or not at all.
Status unpack_code(std::string_view tar, const fs::path& folder);

// The same for what the spec or the version's card names, taken from the store and verified. A folder that is
// there already was made whole by an earlier call and is left as it is. Without code (no sha256) it is empty.
Status prepare_code(const artifacts::Store& store, const v1::Code& code, const fs::path& folder);

// What the script left in $REKINDLE_OUT are the files "out/..." of its version.
inline constexpr std::string_view kOutPrefix = "out/";

// Writes the version's files "out/..." into `folder`, without the prefix, verified; whole, or not at all, as
// above.
Status prepare_version(const artifacts::Store& store, const v1::Manifest& manifest, const fs::path& folder);

// Removes a folder made here, read-only as it is.
void remove_folder(const fs::path& folder);

}  // namespace rekindle::runtime
