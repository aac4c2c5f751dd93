// A log of lines that vouch for those before them: each holds the hash of itself and of the line before. A
// line that was changed, taken out or put in breaks the chain at its place. (What is cut off the end does not
// show: keep the last hash elsewhere.)
//
// A line: <hash> <content>\n, where hash = SHA-256(previous hash + content) in hex; the first follows 64
// zeros.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "base/files.h"

namespace rekindle {

class ChainedLog {
 public:
  // Opens or makes the file (0600) and reads its end; a last line that is not whole, of a crash, is cut off.
  // data_loss when the last whole line is none of ours.
  static Result<ChainedLog> open(const std::filesystem::path& path);
  ChainedLog(ChainedLog&&) noexcept;

  // One line, without line breaks. Written when this returns; durable after sync().
  Status append(std::string_view content);
  // Many callers at once share one fsync. Any thread.
  Status sync();

 private:
  struct State;
  explicit ChainedLog(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

struct ChainedLogCheck {
  uint64_t lines = 0;     // that are good, from the first on
  std::string last_hash;  // of them
  bool torn = false;      // an unfinished line follows: a crash, nothing of which was acknowledged
};
// Walks the whole file; `each` sees the content of every good line and may be empty. data_loss names the
// first line that does not fit.
Result<ChainedLogCheck> check_chained_log(const std::filesystem::path& path,
                                          const std::function<void(std::string_view content)>& each = {});

}  // namespace rekindle
