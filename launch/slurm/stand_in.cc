#include "launch/slurm/stand_in.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>

#include "base/files.h"
#include "launch/gang/gang.h"

namespace rekindle::launch::slurm {
namespace {

Status write_map(const char* path, const std::string& text) {
  const Fd fd(::open(path, O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return errno_status("opening", path);
  return write_all(fd.get(), text, path);
}

bool number(std::string_view text, uint32_t* out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
  return error == std::errc() && end == text.data() + text.size();
}

Status pass_for(uint32_t uid, uint32_t gid) {
  const uid_t own_uid = ::geteuid();
  const gid_t own_gid = ::getegid();
  if (::unshare(CLONE_NEWUSER) != 0)
    return failed_precondition(fmt::format(
        "{}: this host lets nobody make user namespaces (user.max_user_namespaces, "
        "kernel.unprivileged_userns_clone, or AppArmor), which submitting in another's name takes",
        errno_status("making a user namespace for", std::to_string(uid)).message()));
  TRY_STATUS(write_map("/proc/self/setgroups", "deny"));
  TRY_STATUS(write_map("/proc/self/uid_map", fmt::format("{} {} 1", uid, own_uid)));
  return write_map("/proc/self/gid_map", fmt::format("{} {} 1", gid, own_gid));
}

}  // namespace

int stand_in(std::string_view ids, const std::vector<std::string>& argv) {
  const size_t colon = ids.find(':');
  uint32_t uid = 0, gid = 0;
  if (colon == std::string_view::npos || !number(ids.substr(0, colon), &uid) ||
      !number(ids.substr(colon + 1), &gid) || argv.empty())
    return kGangBadUsage;
  const pid_t parent = ::getppid();
  if (const Status done = pass_for(uid, gid); !done.ok()) {
    std::fprintf(stderr, "rekindle-gang: %s\n", done.message().c_str());
    return kGangSystem;
  }
  // A change of credentials has taken it away.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || ::getppid() != parent) return kGangSystem;
  ::umask(0007);
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  std::perror(words[0]);
  return 127;
}

}  // namespace rekindle::launch::slurm
