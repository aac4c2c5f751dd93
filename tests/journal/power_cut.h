// A disk for SQLite whose power can be cut: a VFS that keeps unsynced writes in memory. When the power is
// cut, some of them reach the real files and others do not, whole sectors of 512 bytes at a time and in any
// order, as disks do it. What was synced is in the real files.
//
// Counts writes, truncations, deletions and syncs, so that a test can cut at each of them, and fail each
// sync: what that one should have written is then lost for good, as kernels mark such pages clean.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace rekindle::coordinator {

class PowerCut {
 public:
  PowerCut();  // SQLite's default VFS from now on
  ~PowerCut();
  PowerCut(const PowerCut&) = delete;

  // After so many steps every call fails.
  void cut_after(uint64_t steps) { steps_left_ = steps; }
  bool cut() const { return cut_; }
  // The n-th sync from now on fails; 0: none does.
  void fail_sync(uint64_t n) { syncs_until_failure_ = n; }
  bool sync_failed() const { return sync_failed_; }

  // Cuts, then gives the real files the content that a disk may have. No file may be open any more.
  void cut_and_restore(uint64_t seed);

  struct Write {
    int64_t at = 0;
    std::string bytes;
    bool truncates = false;  // to `at`
  };
  struct File {
    std::string path;
    std::string seen;  // by the process
    std::vector<Write> unsynced;
    bool on_disk = false;  // its name is
    int open = 0;
  };
  File* open(const std::string& path, bool create);  // nullptr: not there
  void close(File* file);
  bool step();  // false: the power is gone
  bool sync(File& file);
  bool exists(const std::string& path) const;
  bool remove(const std::string& path);
  sqlite3_vfs* below() const { return below_; }

 private:
  void lose(File& file, std::mt19937_64& random);

  sqlite3_vfs* below_;
  sqlite3_vfs vfs_{};
  std::map<std::string, std::unique_ptr<File>> files_;
  std::optional<uint64_t> steps_left_;
  uint64_t syncs_until_failure_ = 0;
  bool cut_ = false;
  bool sync_failed_ = false;
};

}  // namespace rekindle::coordinator
