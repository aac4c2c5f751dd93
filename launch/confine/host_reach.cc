#include "launch/confine/host_reach.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "launch/confine/view.h"

namespace rekindle::launch {
namespace {

using runtime::Landlock;
using May = Landlock::May;

// Open at once; of a host that has more of them each attempt opens its own.
constexpr size_t kHeldMost = 512;

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
void add_program_folder(const fs::path& folder, std::vector<fs::path>& out) {
  const fs::path of = real(folder);
  const fs::path around = of.parent_path();
  const char* variable = std::getenv("HOME");
  const fs::path home = variable != nullptr ? real(variable) : fs::path();
  const auto is_home = [&home](const fs::path& path) {
    return !path.has_relative_path() || (!home.empty() && lies_in(home, path));
  };
  if (is_home(of)) return;
  out.push_back(of);
  if (is_home(around)) return;
  out.push_back(!home.empty() && around == home / ".local" ? around / "lib" : around);
}

bool for_everybody(const fs::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && (info.st_mode & S_IROTH) != 0;
}

}  // namespace

fs::path real(const fs::path& path) {
  std::error_code error;
  const fs::path out = fs::canonical(path, error);
  return error ? path : out;
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) out.push_back(entry.path());
  return out;
}

HostReach& HostReach::here() {
  static HostReach reach("/etc", "/dev");
  return reach;
}

HostReach::HostReach(fs::path settings, fs::path devices)
    : settings_folder_(std::move(settings)), devices_folder_(std::move(devices)) {}

void HostReach::look() {
  looked_ = true;
  fence_.reset();
  settings_.clear();
  devices_.clear();
  folders_.clear();
  held_ = 0;
  // Before the first look, so that nothing changes unheard.
  if (holds_) changes_ = Fd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  watch(settings_folder_);
  watch(devices_folder_);
  look_at_settings();
  look_at_devices();
  look_at_folders();
}

void HostReach::look_at_settings() {
  // Listed by those inside too, who set up a narrower fence.
  add(settings_folder_, May::kList, settings_);
  for (const fs::path& entry : entries(settings_folder_)) {
    if (!for_everybody(entry)) continue;
    std::error_code error;
    const bool folder = fs::is_directory(entry, error);
    const auto all = [&entry] {
      const std::vector<fs::path> below = entries(entry);
      return std::all_of(below.begin(), below.end(), for_everybody);
    };
    if (!folder || all()) {
      add(entry, May::kRead, settings_);
      continue;
    }
    watch(entry);
    for (const fs::path& one : entries(entry))
      if (for_everybody(one)) add(one, May::kRead, settings_);
  }
}

void HostReach::look_at_devices() {
  add(devices_folder_, May::kList, devices_);
  for (const char* name : kDevices) {
    const fs::path device = devices_folder_ / name;
    if (::access(device.c_str(), F_OK) == 0) add(device, May::kUse, devices_);
  }
  for (const fs::path& entry : entries(devices_folder_)) {
    const std::string name = entry.filename().string();
    const auto is_it = [&name](const char* known) { return name == known; };
    if (name.starts_with("nvidia") && std::none_of(std::begin(kDevices), std::end(kDevices), is_it))
      add(entry, May::kUse, devices_);
  }
}

void HostReach::look_at_folders() {
  std::vector<fs::path> all(std::begin(kSystem), std::end(kSystem));
  for (const fs::path& folder : listed("PATH")) add_program_folder(folder, all);
  for (const char* name : kNamedFiles)
    if (const char* file = std::getenv(name)) all.push_back(real(file));
  for (const char* name : kNamedPrograms)
    if (const char* program = std::getenv(name)) add_program_folder(real(program).parent_path(), all);
  for (const char* name : kNamedLists)
    for (const fs::path& folder : listed(name)) all.push_back(real(folder));
  for (const fs::path& path : all) folders_.push_back({{path, May::kRead}, real(path), false});
  for (size_t i = 0; i < folders_.size(); ++i) {
    const auto around = [&](const Folder& other) {
      // Of two names for one folder the first stays.
      return other.real == folders_[i].real ? &other < &folders_[i] : lies_in(folders_[i].real, other.real);
    };
    folders_[i].covered = std::any_of(folders_.begin(), folders_.end(), around);
  }
}

void HostReach::add(const fs::path& path, May may, std::vector<Found>& to) {
  Found found{{path, may}};
  if (changes_.valid() && held_ < kHeldMost)
    found.held = Fd(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat info {};
  found.begun = found.held.valid() && ::fstat(found.held.get(), &info) == 0 && !S_ISLNK(info.st_mode);
  // Another one by now: that is told, and leads to a new look.
  if (found.begun && may == May::kRead && (info.st_mode & S_IROTH) == 0) return;
  if (!found.begun) found.held.reset();
  held_ += found.begun;
  found.mode = info.st_mode;
  to.push_back(std::move(found));
}

void HostReach::watch(const fs::path& folder) {
  if (!changes_.valid()) return;
  constexpr uint32_t kTold = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |
                             IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
  if (::inotify_add_watch(changes_.get(), folder.c_str(), kTold) < 0) changes_.reset();
}

bool HostReach::changed() {
  alignas(inotify_event) char buffer[4096];
  bool out = false;
  while (::read(changes_.get(), buffer, sizeof buffer) > 0) out = true;
  return out;
}

namespace {

template <typename Found>
std::vector<Grant> grants_of(const std::vector<Found>& all) {
  std::vector<Grant> out;
  for (const Found& found : all) out.push_back(found.grant);
  return out;
}

}  // namespace

std::vector<Grant> HostReach::settings() {
  if (!looked_) look();
  return grants_of(settings_);
}

std::vector<Grant> HostReach::devices() {
  if (!looked_) look();
  return grants_of(devices_);
}

std::vector<Grant> HostReach::folders(const std::vector<fs::path>& hidden) {
  if (!looked_) look();
  std::vector<Grant> out;
  for (const Folder& folder : folders_) {
    const auto around = [&folder](const fs::path& one) { return lies_in(folder.real, one); };
    if (!folder.covered || std::any_of(hidden.begin(), hidden.end(), around)) out.push_back(folder.grant);
  }
  return out;
}

void HostReach::begin_fence() {
  if (!holds_ || changed()) {
    holds_ = true;
    look();
  }
  if (fence_ || !changes_.valid()) return;
  Result<Landlock> fence = Landlock::make(true);
  if (!fence.ok()) return;
  for (const std::vector<Found>* list : {&settings_, &devices_})
    for (const Found& found : *list)
      if (found.begun && fence->allow_held(found.held.get(), found.mode, found.grant.may) != 0) return;
  fence_.emplace(std::move(*fence));
}

int HostReach::fence_fd() const {
  return fence_ ? fence_->descriptor() : -1;
}

void HostReach::fence_given() {
  fence_.reset();
}

void HostReach::forked() {
  for (std::vector<Found>* list : {&settings_, &devices_})
    for (Found& found : *list) found.held.reset();
}

void HostReach::asked_for(const std::function<bool()>& renews) {
  pollfd told{changes_.get(), POLLIN, 0};
  // In this order: whoever takes the word away has begun to renew before.
  const bool unchanged = changes_.valid() && ::poll(&told, 1, 0) == 0 && !renews();
  changes_.reset();
  if (unchanged) return;
  fence_.reset();
  looked_ = false;
  holds_ = false;
}

std::optional<HostReach::Begun> HostReach::take_fence(const std::vector<fs::path>& hidden) {
  if (!fence_) return std::nullopt;
  Begun out{std::move(*fence_), {}};
  fence_.reset();
  for (const fs::path& one : hidden)
    if (lies_in(one, settings_folder_) || lies_in(one, devices_folder_)) return std::nullopt;
  for (const std::vector<Found>* list : {&settings_, &devices_})
    for (const Found& found : *list)
      if (!found.begun) out.missing.push_back(found.grant);
  return out;
}

}  // namespace rekindle::launch
