#include "base/log.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/clock.h"
#include "base/text/printable.h"

namespace rekindle {
namespace {

std::string g_program = "rekindle";  // set once by main, before threads start
std::atomic<LogLevel> g_level{LogLevel::kInfo};
std::atomic<bool> g_json{false};

constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error"};

// What could end the line, or speak to a terminal, is escaped; what is left needs JSON's own two.
void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  for (; !text.empty(); text.remove_prefix(1)) {
    const size_t plain = std::min(text.find_first_of("\"\\"), text.size());
    out += printable(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    out += '\\';
    out += text.front();
  }
  out += '"';
}

}  // namespace

void start_logging(std::string_view program, LogLevel level, bool json) {
  g_program = program;
  g_level = level;
  g_json = json;
}

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  if (level < g_level.load()) return;
  const std::string now = format_time(SystemClock().wall());
  const auto name = kLevelNames[static_cast<int>(level)];
  std::string line;
  if (g_json) {
    line = fmt::format(R"({{"time":"{}","level":"{}","program":"{}","message":)", now, name, g_program);
    append_json_string(line, message);
    for (const auto& field : fields) {
      line += ',';
      append_json_string(line, field.key);
      line += ':';
      append_json_string(line, field.value);
    }
    line += "}\n";
  } else {
    line = fmt::format("{} {} {}: {}", now, name, g_program, printable(message));
    for (const auto& field : fields) {
      line += fmt::format(" {}=", field.key);
      append_json_string(line, field.value);
    }
    line += '\n';
  }
  // One write keeps lines of several threads whole; a full disk must not stop the program.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace rekindle
