// What the kernel says of a filesystem, and whether a state folder may lie there.
#include "base/files/filesystem_kind.h"

#include <gtest/gtest.h>

#include "base/files.h"

namespace rekindle {
namespace {

TEST(FilesystemKind, NetworkOnesHaveNames) {
  EXPECT_EQ(network_kind(0x6969, "nfs4"), "nfs");
  EXPECT_EQ(network_kind(0x0BD00BD0, "lustre"), "lustre");
  EXPECT_EQ(network_kind(0xFF534D42, "cifs"), "cifs");
  EXPECT_EQ(network_kind(0xFE534D42, "cifs"), "smb2");
  for (const char* type : {"fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone"})
    EXPECT_EQ(network_kind(kFuseMagic, type), std::string(type).substr(5));
}

TEST(FilesystemKind, LocalOnesHaveNone) {
  for (const uint32_t magic :
       {0xEF53u, 0x58465342u, 0x9123683Eu, 0x01021994u, 0x794c7630u})  // ext4 xfs btrfs tmpfs overlay
    EXPECT_EQ(network_kind(magic, ""), "");
  for (const char* type : {"fuseblk", "fuse.gocryptfs", "fuse.mergerfs", "", "fuse"})
    EXPECT_EQ(network_kind(kFuseMagic, type), "") << type;
}

TEST(FilesystemKind, TheTypeOfAMountIsFoundByItsDevice) {
  const std::string mounts =
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
      "40 22 0:51 / /mnt/\\0408:9\\040 rw shared:2 master:1 - fuse.sshfs me@host:/srv rw,user_id=0\n"
      "41 22 0:52 / /mnt/0:53 rw - tmpfs tmpfs rw\n"
      "nonsense\n";
  EXPECT_EQ(mount_type(mounts, 8, 1), "ext4");
  EXPECT_EQ(mount_type(mounts, 0, 51), "fuse.sshfs");
  EXPECT_EQ(mount_type(mounts, 0, 52), "tmpfs");
  EXPECT_EQ(mount_type(mounts, 0, 53), "");
  EXPECT_EQ(mount_type("", 0, 51), "");
}

TEST(FilesystemKind, ThisHostsFoldersAreAsked) {
  EXPECT_EQ(network_filesystem("/proc"), "");
  EXPECT_EQ(network_filesystem("/no/such/folder"), "");
}

}  // namespace
}  // namespace rekindle
