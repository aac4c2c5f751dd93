// Tar shards as rows, after the convention of webdataset: members of one sample stand together and share
// their path up to the first dot of the file's name; what follows says what a member is.
//
//   .jpg .jpeg .png   an encoded image: column `image`
//   .cls              one value: column `class`
//   .txt              one text: column `text`
//   .json             an object: a column for each key; scalars, and lists of whole numbers as tokens
// A name before the ending names the column: `000017.mask.png` is the column `mask` of sample `000017`. The
// column `sample` is the sample's path. Other members, and those that begin with a dot, are passed over.
// Values that are not images or tokens are typed as fields of a CSV are.
#pragma once

#include "dataio/importing/source.h"

namespace rekindle::dataio {

inline constexpr size_t kShardsMax = 4096;
inline constexpr size_t kMemberTextBytesMax = 1 << 20;  // of .cls, .txt and .json

// All files in `folder` that match the pattern, by name. Errors name shard and member.
Result<SourceTable> load_shards(const v1::SourceFile& spec, const std::filesystem::path& folder,
                                std::span<const std::string> wanted);

}  // namespace rekindle::dataio
