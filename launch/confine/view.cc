#include "launch/confine/view.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace rekindle::launch {
namespace {

int write_text(const char* path, const std::string& text) {
  const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = ::write(fd, text.data(), text.size()) < 0 ? errno : 0;
  ::close(fd);
  return error;
}

// Of the host as a whole, whoever writes there: container engines close the same.
constexpr const char* kHostSettings[] = {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq",
                                         "/proc/bus", "/proc/acpi",          "/proc/scsi"};

int mounted(const char* from, const char* to, const char* type, unsigned long flags, const char* options) {
  return ::mount(from, to, type, flags, options) == 0 ? 0 : errno;
}

}  // namespace

bool lies_in(const fs::path& path, const fs::path& folder) {
  // Asked many times over, nearly always of paths without detours.
  const std::string &whole = path.native(), &front = folder.native();
  const auto plain = [](const std::string& text) {
    return text.starts_with('/') && text.find("/.") == std::string::npos &&
           text.find("//") == std::string::npos && (text.size() == 1 || !text.ends_with('/'));
  };
  if (plain(whole) && plain(front))
    return whole.starts_with(front) &&
           (front.size() == 1 || whole.size() == front.size() || whole[front.size()] == '/');
  const fs::path rest = path.lexically_relative(folder);
  return !rest.empty() && *rest.begin() != "..";
}

Namespaces namespaces_here() {
  for (const Namespaces how : {Namespaces::kMount, Namespaces::kUser}) {
    View view(how);
    view.replace("/tmp");
    const pid_t child = ::fork();
    if (child == 0) ::_exit(view.enter() == 0 ? 0 : 1);
    int status = 1;
    while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (child > 0 && status == 0) return how;
  }
  return Namespaces::kNone;
}

View::View(Namespaces how)
    : how_(how),
      user_map_(fmt::format("{0} {0} 1", ::geteuid())),
      group_map_(fmt::format("{0} {0} 1", ::getegid())) {}

void View::replace(const fs::path& folder, const fs::path& by) {
  for (const Replaced& one : replaced_)
    if (folder == one.folder || lies_in(folder, one.folder)) return;  // gone with it
  replaced_.push_back({folder.string(), by.string()});
}

void View::keep(const fs::path& path) {
  const auto in = std::find_if(replaced_.begin(), replaced_.end(),
                               [&path](const Replaced& one) { return lies_in(path, one.folder); });
  std::error_code error;
  if (in == replaced_.end() || path == in->folder || kept_.size() >= kKeptMost || !fs::exists(path, error))
    return;
  for (const Kept& one : kept_)
    if (path == one.path || (one.is_folder && lies_in(path, one.path))) return;
  Kept kept{path.string(), {}, fs::is_directory(path, error)};
  fs::path folder = in->folder;
  for (const fs::path& part : path.lexically_relative(in->folder)) {
    folder /= part;
    kept.folders.push_back(folder.string());
  }
  if (!kept.is_folder) kept.folders.pop_back();
  kept_.push_back(std::move(kept));
}

int View::enter_namespaces() const {
  const int wanted = CLONE_NEWNS | (how_ == Namespaces::kUser ? CLONE_NEWUSER : 0);
  if (::unshare(wanted) != 0) return errno;
  if (how_ == Namespaces::kUser) {
    // Without this a user may not say who its group is.
    if (const int error = write_text("/proc/self/setgroups", "deny")) return error;
    if (const int error = write_text("/proc/self/gid_map", group_map_)) return error;
    if (const int error = write_text("/proc/self/uid_map", user_map_)) return error;
  }
  // What is mounted here is not mounted there.
  return mounted("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
}

int View::mount_host_settings() const {
  if (!closes_host_settings_) return 0;
  for (const char* path : kHostSettings) {
    if (::access(path, F_OK) != 0) continue;
    if (const int error = mounted(path, path, nullptr, MS_BIND | MS_REC, nullptr)) return error;
    constexpr unsigned long kReadOnly = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (const int error = mounted(nullptr, path, nullptr, kReadOnly, nullptr)) return error;
  }
  return 0;
}

int View::put_back(const Kept& kept, int from) const {
  for (const std::string& folder : kept.folders)
    if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return errno;
  if (!kept.is_folder) {
    const int file = ::open(kept.path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return errno;
    ::close(file);
  }
  std::array<char, 32> name{};
  std::strcpy(name.data(), "/proc/self/fd/");
  char* end = name.data() + std::strlen(name.data());
  std::array<char, 12> digits{};
  size_t count = 0;
  for (int rest = from; rest > 0 || count == 0; rest /= 10)
    digits[count++] = static_cast<char>('0' + rest % 10);
  while (count > 0) *end++ = digits[--count];
  return mounted(name.data(), kept.path.c_str(), nullptr, MS_BIND | MS_REC, nullptr);
}

int View::enter() const {
  if (how_ == Namespaces::kNone) return 0;
  if (const int error = enter_namespaces()) return error;
  // Opened within the new namespace and before anything covers them.
  std::array<int, kKeptMost> kept{};
  std::array<int, kKeptMost> by{};
  for (size_t i = 0; i < kept_.size(); ++i)
    if ((kept[i] = ::open(kept_[i].path.c_str(), O_PATH | O_CLOEXEC)) < 0) return errno;
  for (size_t i = 0; i < replaced_.size() && i < by.size(); ++i) {
    if (replaced_[i].by.empty()) continue;
    if ((by[i] = ::open(replaced_[i].by.c_str(), O_PATH | O_CLOEXEC)) < 0) return errno;
  }
  for (size_t i = 0; i < replaced_.size() && i < by.size(); ++i) {
    const Replaced& one = replaced_[i];
    const int error =
        one.by.empty() ? mounted("rekindle", one.folder.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
                       : put_back({one.folder, {}, true}, by[i]);
    if (error != 0) return error;
  }
  for (size_t i = 0; i < kept_.size(); ++i) {
    const int error = put_back(kept_[i], kept[i]);
    if (error != 0) return error;
    ::close(kept[i]);
  }
  for (const std::string& folder : made_)
    if (::mkdir(folder.c_str(), 0750) != 0) return errno;
  return mount_host_settings();
}

}  // namespace rekindle::launch
