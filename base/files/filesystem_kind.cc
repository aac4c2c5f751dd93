#include "base/files/filesystem_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace rekindle {

namespace {

struct Kind {
  uint32_t magic;
  std::string_view name;
};

// linux/magic.h, and for those outside the kernel their own headers.
constexpr Kind kKinds[] = {{0x6969, "nfs"},        {0x517B, "smb"},          {0xFF534D42, "cifs"},
                           {0xFE534D42, "smb2"},   {0x0BD00BD0, "lustre"},   {0x47504653, "gpfs"},
                           {0x19830326, "beegfs"}, {0x00C36400, "ceph"},     {0x5346414F, "afs"},
                           {0x6B414653, "afs"},    {0x01021997, "9p"},       {0x73757245, "coda"},
                           {0x564C, "ncp"},        {0x20030528, "orangefs"}, {0xAAD7AAEA, "panfs"},
                           {0x7461636F, "ocfs2"},  {0x01161970, "gfs2"},     {0x786F4256, "vboxsf"}};

// Other kinds of FUSE are taken for local ones: encryption, unions, foreign formats of a disk.
constexpr std::string_view kFuseKinds[] = {
    "sshfs",    "glusterfs",     "s3fs",    "gcsfuse", "rclone",   "goofys",   "ceph-fuse", "davfs",
    "davfs2",   "curlftpfs",     "juicefs", "mfs",     "moosefs",  "lizardfs", "blobfuse",  "blobfuse2",
    "mount-s3", "seaweedfs",     "alluxio", "dfuse",   "fuse_dfs", "cvmfs2",   "smbnetfs",  "geesefs",
    "JuiceFS",  "mountpoint-s3", "weed",    "afpfs",   "httpfs",   "nfs"};

}  // namespace

std::string network_kind(uint32_t magic, std::string_view mount_type) {
  for (const Kind& kind : kKinds)
    if (kind.magic == magic) return std::string(kind.name);
  if (magic != kFuseMagic || !mount_type.starts_with("fuse.")) return {};
  const std::string_view fuse = mount_type.substr(5);
  const bool network = std::find(std::begin(kFuseKinds), std::end(kFuseKinds), fuse) != std::end(kFuseKinds);
  return network ? std::string(fuse) : std::string();
}

// "36 35 98:0 / /mnt rw,noatime shared:1 - fuse.sshfs host:/ rw": the third word, and the first after the
// dash.
std::string mount_type(std::string_view mountinfo, uint32_t major, uint32_t minor) {
  const std::string device = fmt::format(" {}:{} ", major, minor);
  for (size_t begin = 0; begin < mountinfo.size();) {
    const size_t end = std::min(mountinfo.find('\n', begin), mountinfo.size());
    const std::string_view line = mountinfo.substr(begin, end - begin);
    begin = end + 1;
    const size_t dash = line.find(" - ");
    // Before it only numbers: a folder may be called " 98:0 ".
    const size_t second = line.find(' ', line.find(' ') + 1);
    if (dash == std::string_view::npos || second == std::string_view::npos) continue;
    if (!line.substr(second).starts_with(device)) continue;
    const std::string_view type = line.substr(dash + 3);
    return std::string(type.substr(0, type.find(' ')));
  }
  return {};
}

}  // namespace rekindle
