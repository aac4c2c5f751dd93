// Which filesystems lie on the network, by what the kernel says of them. Pure: base/files.h asks the kernel.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rekindle {

inline constexpr uint32_t kFuseMagic = 0x65735546;

// "nfs", "lustre", "sshfs", ...; empty: local. `magic` is statfs' f_type. FUSE has one for all of its kinds,
// whose names stand in the type of the mount, "fuse.sshfs".
std::string network_kind(uint32_t magic, std::string_view mount_type);

// The type of the mount of a device in the text of /proc/self/mountinfo; empty: not there.
std::string mount_type(std::string_view mountinfo, uint32_t major, uint32_t minor);

}  // namespace rekindle
