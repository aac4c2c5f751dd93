#include "models/process/bounded_log.h"

#include <fcntl.h>

#include <algorithm>

namespace rekindle::models {
namespace {

constexpr size_t kLinesMax = 20;
constexpr size_t kLineBytesMax = 400;

// What goes into a message or a terminal must not steer it.
std::string printable(std::string_view line) {
  std::string out(line.substr(0, kLineBytesMax));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return out;
}

}  // namespace

BoundedLog::BoundedLog(fs::path file, uint64_t bytes_max) : path_(std::move(file)), bytes_max_(bytes_max) {}

void BoundedLog::write(std::string_view bytes) {
  if (written_ + bytes.size() > bytes_max_ || !file_.valid()) {
    std::error_code ignored;
    if (file_.valid()) fs::rename(path_, path_.string() + ".1", ignored);
    file_ = Fd(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    written_ = 0;
  }
  // A full disk costs the log, not the predictor.
  const Status status = write_all(file_.get(), bytes, path_);
  if (status.ok()) written_ += bytes.size();
}

void BoundedLog::add(std::string_view bytes) {
  std::lock_guard lock(mutex_);
  write(bytes);
  while (!bytes.empty()) {
    const size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (open_.size() < kLineBytesMax) open_ += piece.substr(0, kLineBytesMax);
    if (end == std::string_view::npos) break;
    bytes.remove_prefix(end + 1);
    lines_.push_back(printable(open_));
    open_.clear();
    if (lines_.size() > kLinesMax) lines_.pop_front();
  }
}

std::string BoundedLog::tail(size_t lines, size_t bytes_max) const {
  std::lock_guard lock(mutex_);
  std::deque<std::string> all = lines_;
  if (!open_.empty()) all.push_back(printable(open_));
  std::string out;
  for (auto line = all.rbegin(); line != all.rend() && lines > 0; ++line) {
    if (line->find_first_not_of(' ') == std::string::npos) continue;
    const size_t more = line->size() + (out.empty() ? 0 : 3);
    if (out.size() + more > bytes_max) break;
    out = out.empty() ? *line : *line + " | " + out;
    --lines;
  }
  return out;
}

}  // namespace rekindle::models
