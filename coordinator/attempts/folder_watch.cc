#include "coordinator/attempts/folder_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>

namespace rekindle::coordinator {

FolderWatch::FolderWatch(std::string name)
    : name_(std::move(name)), fd_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {}

void FolderWatch::add(const fs::path& folder) {
  // Durable files get their name by a rename.
  const int number = ::inotify_add_watch(fd_.get(), folder.c_str(), IN_MOVED_TO | IN_ONLYDIR);
  if (number >= 0) folders_[number] = folder;
}

void FolderWatch::remove(const fs::path& folder) {
  const auto found = std::find_if(folders_.begin(), folders_.end(),
                                  [&folder](const auto& watched) { return watched.second == folder; });
  if (found == folders_.end()) return;
  ::inotify_rm_watch(fd_.get(), found->first);  // in vain when the folder has gone: its watch went with it
  folders_.erase(found);
}

std::vector<fs::path> FolderWatch::changed() {
  std::vector<fs::path> out;
  alignas(inotify_event) char buffer[16 * 1024];
  for (;;) {
    const ssize_t got = ::read(fd_.get(), buffer, sizeof buffer);
    if (got <= 0) return out;
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
      at += static_cast<ssize_t>(sizeof *event + event->len);
      const auto found = folders_.find(event->wd);
      if (found != folders_.end() && event->len > 0 && name_ == event->name) out.push_back(found->second);
    }
  }
}

}  // namespace rekindle::coordinator
