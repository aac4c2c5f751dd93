#include "coordinator/doctor.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "base/ids.h"
#include "base/units.h"
#include "launch/check_pool.h"

namespace rekindle::coordinator {

namespace {

// Below this a checkpoint or a settled day may no longer fit.
constexpr uint64_t kDiskLow = 1ull << 30;
constexpr uint64_t kDiskGone = 64ull << 20;

class Findings {
 public:
  void ok(std::string what) { add(v1::Finding::OK, std::move(what), ""); }
  void warn(std::string what, std::string fix) { add(v1::Finding::WARNING, std::move(what), std::move(fix)); }
  void error(std::string what, std::string fix) { add(v1::Finding::ERROR, std::move(what), std::move(fix)); }
  void add(v1::Finding finding) { *out_.add_findings() = std::move(finding); }
  v1::DoctorResponse take() { return std::move(out_); }

 private:
  void add(v1::Finding::Level level, std::string what, std::string fix) {
    v1::Finding& finding = *out_.add_findings();
    finding.set_level(level);
    finding.set_what(std::move(what));
    finding.set_fix(std::move(fix));
  }
  v1::DoctorResponse out_;
};

void check_store(artifacts::Store& store, Findings& out) {
  const std::string probe = "rekindle doctor";  // always the same: one small blob, once
  auto sha = store.put(probe);
  if (!sha.ok())
    return out.error(store.describe() + ": " + sha.status().message(), "make it writable for this user");
  auto back = store.get(*sha);
  if (!back.ok() || *back != probe)
    return out.error(store.describe() + " does not give back what was put",
                     "check the disk; " + back.status().message());
  out.ok(store.describe() + " takes and gives blobs");
}

void check_disk(const fs::path& path, Findings& out) {
  std::error_code error;
  const fs::space_info space = fs::space(path, error);
  if (error) return out.error(fmt::format("{}: {}", path.string(), error.message()), "check the disk");
  const std::string what = fmt::format("{} has {} free", path.string(), format_bytes(space.available));
  if (space.available < kDiskGone)
    return out.error(what, "free some space: runs and events will soon be refused");
  if (space.available < kDiskLow) return out.warn(what, "free some space");
  out.ok(what);
}

void check_private(const fs::path& path, Findings& out) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    return out.error(path.string() + " is missing", "restart rekindled: it makes a new token");
  if ((info.st_mode & 077) != 0)
    return out.error(path.string() + " can be read by others",
                     "chmod 600 " + path.string() + ", then make a new token");
  out.ok(path.string() + " is private");
}

void check_program(const fs::path& program, Findings& out) {
  if (access(program.c_str(), X_OK) == 0) return out.ok(program.string() + " can be run");
  out.error(program.string() + " cannot be run", "install the whole of rekindle in one folder: ./dev build");
}

}  // namespace

uint32_t gpus_of_host(const fs::path& devices) {
  uint32_t count = 0;
  std::error_code error;  // no such folder: no devices
  for (const fs::directory_entry& entry : fs::directory_iterator(devices, error)) {
    const std::string name = entry.path().filename();
    constexpr std::string_view kPrefix = "nvidia";
    if (name.size() > kPrefix.size() && name.starts_with(kPrefix) &&
        name.find_first_not_of("0123456789", kPrefix.size()) == std::string::npos)
      ++count;
  }
  return count;
}

v1::DoctorResponse examine(const StateFolder& folder, artifacts::Store& store, const Options& options,
                           size_t nodes, const v1::PoolsFile& pools) {
  Findings out;
  check_store(store, out);
  check_disk(folder.path(), out);
  check_private(folder.operator_token(), out);
  check_private(folder.serving_token(), out);
  check_program(options.gang_program, out);
  check_program(options.trainer_program, out);
  if (options.slots > std::max(1u, std::thread::hardware_concurrency()))
    out.warn(fmt::format("{} slots on {} cores", options.slots, std::thread::hardware_concurrency()),
             "ranks will share cores; --slots says otherwise");
  if (options.gpus > 0)
    out.ok(fmt::format("{} GPUs for ranks that ask for one", options.gpus));
  else
    out.ok("no GPU: jobs with train.ranks.gpus are refused");
  for (const v1::Pool& pool : pools.pools())
    for (v1::Finding& finding : launch::check_pool(pool, folder.runs())) out.add(std::move(finding));
  if (nodes == 0)
    out.warn("no serving node reports", "start rekindle-serve, if models are to be served");
  else
    out.ok(fmt::format("{} serving nodes report", nodes));
  return out.take();
}

}  // namespace rekindle::coordinator
