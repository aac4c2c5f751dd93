#include "launch/confine/reach.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace rekindle::launch {
namespace {

using May = runtime::Landlock::May;

constexpr int kDepthMost = 32;  // of a folder that is taken to pieces

// The programs lie in one folder, their libraries in another beside it, some of them behind a link, and the
// wheels there behind links of their own where several environments share them.
void add_own_programs(const fs::path& program, std::vector<Grant>& out) {
  const fs::path folder = real(program).parent_path();
  const fs::path libraries = folder.parent_path() / "lib";
  out.push_back({folder, May::kRead});
  out.push_back({libraries, May::kRead});
  const fs::path packages = real(libraries / "site-packages");
  out.push_back({packages, May::kRead});
  for (const char* wheel : {"torch", "nvidia", "pyarrow"})
    if (std::error_code error; fs::is_symlink(packages / wheel, error))
      out.push_back({real(packages / wheel), May::kRead});
}

}  // namespace

const std::vector<fs::path>& shared_scratch() {
  static const std::vector<fs::path> folders = {"/tmp", "/dev/shm"};
  return folders;
}

std::vector<Grant> reach_of_system(const v1::ConfinePolicy& policy, const std::vector<fs::path>& hidden) {
  std::vector<Grant> out = HostReach::here().folders(hidden);
  for (const std::string& folder : policy.confine().read()) out.push_back({real(folder), May::kRead});
  return out;
}

std::vector<Grant> reach_of_gpus(const v1::ConfinePolicy& policy, const v1::Plan& plan) {
  if (plan.gpus_per_rank() == 0) return {};
  // As root the host's own settings would be open with it, but that the view closes them.
  const bool closed =
      ::geteuid() != 0 || policy.host().namespaces() == static_cast<uint32_t>(Namespaces::kMount);
  return closed ? std::vector<Grant>{{"/proc", May::kUse}} : std::vector<Grant>{};
}

std::vector<Grant> reach_of_attempt(const GangOptions& options, const v1::Plan& plan,
                                    const fs::path& scratch) {
  std::vector<Grant> out;
  for (const fs::path& folder : {options.folder, fs::path(plan.checkpoints()), scratch})
    if (!folder.empty()) out.push_back({folder, May::kWrite});
  const bool bare = is_bare(plan);
  // A rank by itself is a fork of the gang.
  if (!bare || plan.world() > 1) add_own_programs(options.self, out);
  if (bare) return out;
  if (options.trainer.parent_path() != options.self.parent_path()) add_own_programs(options.trainer, out);
  if (const fs::path artifacts = real(plan.artifacts()); !artifacts.empty()) {
    out.push_back({artifacts, May::kRead});
    out.push_back({artifacts / "blobs", May::kAdd});
    out.push_back({artifacts / "tmp", May::kSwap});
  }
  // An operator may have put them on another disk, behind a link.
  if (!plan.environments().empty()) out.push_back({real(plan.environments()), May::kWrite});
  // What tells pip where packages are.
  if (const char* home = std::getenv("HOME")) {
    out.push_back({fs::path(home) / ".config/pip", May::kRead});
    out.push_back({fs::path(home) / ".pip", May::kRead});
  }
  return out;
}

std::vector<Grant> reach_of_script(const AttemptFolder& folder, const WorkFolder& work, const v1::Plan& plan,
                                   const std::vector<fs::path>& hidden, int rank) {
  std::vector<fs::path> read = {work.code(), work.spec()};
  if (!is_bare(plan))
    for (const fs::path& path :
         {work.train(), work.valid(), work.root() / "environments", fs::path(plan.environments())})
      read.push_back(path);
  std::vector<Grant> out;
  for (const fs::path& path : read)
    if (!path.empty()) out.push_back({path, May::kRead});
  for (const fs::path& path : {work.out(), fs::path(plan.checkpoints()), work.metrics(rank)})
    if (!path.empty()) out.push_back({path, May::kWrite});
  if (const char* scratch = std::getenv("TMPDIR")) out.push_back({scratch, May::kWrite});
  // What may be written there may be written in all that lies there: not where a state folder does.
  std::vector<fs::path> others = hidden;
  others.push_back(real(folder.root()));
  if (!is_bare(plan))
    for (const std::string& path : {plan.artifacts(), plan.environments()}) others.push_back(real(path));
  for (const fs::path& shared : shared_scratch())
    if (std::none_of(others.begin(), others.end(), [&](const fs::path& one) { return lies_in(one, shared); }))
      out.push_back({shared, May::kWrite});
  return out;
}

namespace {

Status allow_around(runtime::Landlock& landlock, const fs::path& path, May may,
                    const std::vector<fs::path>& hidden, int depth) {
  const auto in_it = [&](const fs::path& one) { return lies_in(one, path); };
  for (const fs::path& one : hidden)
    if (path == one) return ok_status();
  if (depth >= kDepthMost) return ok_status();
  if (std::none_of(hidden.begin(), hidden.end(), in_it)) return landlock.allow(path, may);
  for (const fs::path& entry : entries(path)) {
    std::error_code error;
    if (fs::is_symlink(entry, error)) continue;  // its target is allowed where it lies, or not at all
    TRY_STATUS(allow_around(landlock, entry, may, hidden, depth + 1));
  }
  return ok_status();
}

}  // namespace

Status allow_all(runtime::Landlock& landlock, const std::vector<Grant>& grants,
                 const std::vector<fs::path>& hidden) {
  for (const Grant& grant : grants) {
    // What an attempt is granted by name lies in a hidden folder rightly.
    const bool meant = std::any_of(hidden.begin(), hidden.end(),
                                   [&](const fs::path& one) { return lies_in(grant.path, one); });
    TRY_STATUS(meant ? landlock.allow(grant.path, grant.may)
                     : allow_around(landlock, grant.path, grant.may, hidden, 0));
  }
  return ok_status();
}

}  // namespace rekindle::launch
