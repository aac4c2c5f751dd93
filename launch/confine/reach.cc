#include "launch/confine/reach.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "launch/command/work_folder.h"

namespace rekindle::launch {
namespace {

using May = runtime::Landlock::May;

constexpr int kDepthMost = 32;  // of a folder that is taken to pieces

constexpr const char* kSystem[] = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt",
                                   "/nix/store", "/gnu/store", "/proc", "/sys", "/var/lib/alternatives",
                                   // Names of hosts and users.
                                   "/run/systemd/resolve", "/run/resolvconf",
                                   "/run/NetworkManager/resolv.conf"};

constexpr const char* kDevices[] = {"null",
                                    "zero",
                                    "full",
                                    "random",
                                    "urandom",
                                    "tty",
                                    "ptmx",
                                    "pts",
                                    "fd",
                                    "dri",
                                    "kfd",
                                    "nvidiactl",
                                    "nvidia-modeset",
                                    "nvidia-uvm",
                                    "nvidia-uvm-tools",
                                    "nvidia-caps",
                                    "infiniband"};

// Variables that name files or folders which host programs look for.
constexpr const char* kNamedFiles[] = {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "MODULESHOME",
                                       "PIP_CONFIG_FILE"};
constexpr const char* kNamedPrograms[] = {"LMOD_CMD", "MODULES_CMD"};
constexpr const char* kNamedLists[] = {"MODULEPATH"};

fs::path real(const fs::path& path) {
  std::error_code error;
  const fs::path out = fs::canonical(path, error);
  return error ? path : out;
}

std::vector<fs::path> listed(const char* variable) {
  std::vector<fs::path> out;
  const char* text = std::getenv(variable);
  std::string_view rest = text != nullptr ? text : "";
  while (!rest.empty()) {
    const size_t colon = std::min(rest.find(':'), rest.size());
    if (rest.front() == '/') out.emplace_back(rest.substr(0, colon));
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return out;
}

// A program in FOLDER/bin finds the rest of itself in FOLDER, unless that is a home.
void add_program_folder(const fs::path& folder, std::vector<Grant>& out) {
  const fs::path of = real(folder);
  const fs::path around = of.parent_path();
  const char* variable = std::getenv("HOME");
  const fs::path home = variable != nullptr ? real(variable) : fs::path();
  const auto is_home = [&home](const fs::path& path) {
    return !path.has_relative_path() || (!home.empty() && lies_in(home, path));
  };
  if (is_home(of)) return;
  out.push_back({of, May::kRead});
  if (is_home(around)) return;
  if (!home.empty() && around == home / ".local")
    out.push_back({around / "lib", May::kRead});
  else
    out.push_back({around, May::kRead});
}

bool for_everybody(const fs::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0;
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) out.push_back(entry.path());
  return out;
}

// What everybody may read there: keys and hashes of passwords are not for runs, though root could.
void add_settings(const fs::path& folder, std::vector<Grant>& out) {
  for (const fs::path& entry : entries(folder)) {
    if (!for_everybody(entry)) continue;
    std::error_code error;
    const std::vector<fs::path> below =
        fs::is_directory(entry, error) ? entries(entry) : std::vector<fs::path>();
    if (std::all_of(below.begin(), below.end(), for_everybody)) {
      out.push_back({entry, May::kRead});
      continue;
    }
    for (const fs::path& one : below)
      if (for_everybody(one)) out.push_back({one, May::kRead});
  }
}

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

namespace {

std::vector<Grant>& found_in_system() {
  static std::vector<Grant> found;
  return found;
}

}  // namespace

void look_at_system() {
  std::vector<Grant> out;
  for (const char* folder : kSystem) out.push_back({folder, May::kRead});
  // Listed by those inside too, who set up a narrower fence.
  for (const char* folder : {"/etc", "/dev"}) out.push_back({folder, May::kList});
  add_settings("/etc", out);
  for (const char* name : kDevices) out.push_back({fs::path("/dev") / name, May::kUse});
  for (const fs::path& entry : entries("/dev"))
    if (entry.filename().string().starts_with("nvidia")) out.push_back({entry, May::kUse});
  for (const fs::path& folder : listed("PATH")) add_program_folder(folder, out);
  for (const char* name : kNamedFiles)
    if (const char* file = std::getenv(name)) out.push_back({real(file), May::kRead});
  for (const char* name : kNamedPrograms)
    if (const char* program = std::getenv(name)) add_program_folder(real(program).parent_path(), out);
  for (const char* name : kNamedLists)
    for (const fs::path& folder : listed(name)) out.push_back({real(folder), May::kRead});
  found_in_system() = std::move(out);
}

std::vector<Grant> reach_of_system(const v1::ConfinePolicy& policy, bool within) {
  if (found_in_system().empty()) look_at_system();
  std::vector<Grant> out;
  if (within) out.push_back({"/etc", May::kRead});
  for (const Grant& grant : found_in_system())
    if (!within || !lies_in(grant.path, "/etc")) out.push_back(grant);
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
  add_own_programs(options.self, out);
  add_own_programs(options.trainer, out);
  if (const fs::path artifacts = real(plan.artifacts()); !artifacts.empty()) {
    out.push_back({artifacts, May::kRead});
    out.push_back({artifacts / "blobs", May::kAdd});
    out.push_back({artifacts / "tmp", May::kSwap});
  }
  for (const fs::path& folder : {options.folder, fs::path(plan.checkpoints()), scratch})
    if (!folder.empty()) out.push_back({folder, May::kWrite});
  // An operator may have put them on another disk, behind a link.
  if (!plan.environments().empty()) out.push_back({real(plan.environments()), May::kWrite});
  // What tells pip where packages are.
  if (const char* home = std::getenv("HOME")) {
    out.push_back({fs::path(home) / ".config/pip", May::kRead});
    out.push_back({fs::path(home) / ".pip", May::kRead});
  }
  return out;
}

std::vector<Grant> reach_of_script(const AttemptFolder& folder, const v1::Plan& plan,
                                   const std::vector<fs::path>& hidden, int rank) {
  const WorkFolder work(folder);
  std::vector<Grant> out;
  for (const fs::path& path : {work.code(), work.train(), work.valid(), work.spec(),
                               work.root() / "environments", fs::path(plan.environments())})
    if (!path.empty()) out.push_back({path, May::kRead});
  for (const fs::path& path : {work.out(), fs::path(plan.checkpoints()), work.metrics(rank)})
    if (!path.empty()) out.push_back({path, May::kWrite});
  if (const char* scratch = std::getenv("TMPDIR")) out.push_back({scratch, May::kWrite});
  // What may be written there may be written in all that lies there: not where a state folder does.
  std::vector<fs::path> others = hidden;
  for (const fs::path& path : {folder.root(), fs::path(plan.artifacts()), fs::path(plan.environments())})
    others.push_back(real(path));
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
