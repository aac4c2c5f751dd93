#include "runtime/venv.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/hash.h"
#include "base/process.h"
#include "runtime/capture.h"
#include "runtime/code.h"

namespace rekindle::runtime {
namespace {

constexpr uint64_t kLockBytesMax = 1 << 20;
constexpr size_t kMessageLines = 6;
// Written last: a folder without it was left by a build that died. Console scripts hold the absolute path of
// their interpreter, so that an environment cannot be built elsewhere and renamed.
constexpr const char* kBuilt = "rekindle-built";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  return text;
}

struct Line {
  size_t number = 0;
  std::string text;  // continued lines joined, comment and blanks gone
};

std::vector<Line> requirement_lines(std::string_view text) {
  std::vector<Line> out;
  Line line;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.text.empty()) line.number = number;
    // As pip reads it: '#' begins a comment at the start of a line or after a blank.
    for (size_t at = part.find('#'); at != std::string_view::npos; at = part.find('#', at + 1)) {
      if (at == 0 || isspace(static_cast<unsigned char>(part[at - 1]))) {
        part = part.substr(0, at);
        break;
      }
    }
    part = trimmed(part);
    const bool continued = part.ends_with('\\');
    if (continued) part.remove_suffix(1);
    line.text += line.text.empty() ? "" : " ";
    line.text += trimmed(part);
    if (continued) continue;
    if (!line.text.empty()) out.push_back(line);
    line = {};
  }
  if (!line.text.empty()) out.push_back(line);
  return out;
}

bool name_char(char c) {
  return isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
}

// "name==1.2.3" or "name[extra]==1.2.3", at the front.
bool pinned(std::string_view text) {
  size_t at = 0;
  while (at < text.size() && name_char(text[at])) ++at;
  if (at == 0 || text[0] == '-') return false;
  text.remove_prefix(at);
  if (text.starts_with('[')) text.remove_prefix(std::min(text.find(']'), text.size() - 1) + 1);
  text = trimmed(text);
  if (!text.starts_with("==") || text.starts_with("===")) return false;
  text = trimmed(text.substr(2));
  at = 0;
  while (at < text.size() && (name_char(text[at]) || text[at] == '+' || text[at] == '!')) ++at;
  const std::string_view rest = trimmed(text.substr(at));
  return at > 0 && (rest.empty() || rest.starts_with(';') || rest.starts_with("--hash="));
}

// The path of a wheel within the folder, when the line names one.
std::string_view wheel_of(std::string_view text) {
  const std::string_view path = text.substr(0, text.find_first_of(" ;"));
  const bool inside =
      path.starts_with("./") && path.ends_with(".whl") && path.find("..") == std::string_view::npos;
  return inside ? path : std::string_view();
}

std::string text_of(const Captured& done) {
  return last_lines(done.tail, kMessageLines);
}

struct Recipe {
  std::string python;   // "3.11.2 (main, …) [GCC 12.2.0]" and where it lives
  std::string version;  // "3.11.2"
  std::string key;      // the hash of all that goes in
};

Result<Recipe> recipe(const fs::path& code, const std::string& lock_name, const std::string& lock) {
  const Captured python = TRY(capture(
      {"python3", "-c", "import sys; print(sys.version); print(sys.base_prefix)"}, host_environment(), code));
  if (python.code != 0) return failed_precondition("python3 does not start on this host: " + text_of(python));
  Recipe out{.python = python.tail, .version = python.tail.substr(0, python.tail.find(' ')), .key = {}};
  Sha256 hash;
  hash.update("1\n" + out.python + "\n" + lock);
  for (const Line& line : requirement_lines(lock)) {
    const std::string_view wheel = wheel_of(line.text);
    if (wheel.empty()) continue;
    const Result<std::string> sha256 = sha256_hex_of_file(code / wheel);
    if (!sha256.ok())
      return invalid_argument(fmt::format("{}:{}: {}", lock_name, line.number, sha256.status().message()));
    hash.update(*sha256);
  }
  out.key = hash.finish_hex().substr(0, 32);
  return out;
}

// Held until destroyed; says every ten seconds that it waits.
Result<Fd> lock_build(const fs::path& path, const Say& say) {
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!fd.valid()) return errno_status("opening", path);
  struct flock whole {};
  whole.l_type = F_WRLCK;
  whole.l_whence = SEEK_SET;
  for (int tries = 0; ::fcntl(fd.get(), F_OFD_SETLK, &whole) != 0; ++tries) {
    if (errno != EAGAIN && errno != EACCES && errno != EINTR) return errno_status("locking", path);
    if (tries % 100 == 0) say("waiting for another attempt that builds the same environment\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return fd;
}

Status run_step(const std::vector<std::string>& argv, const fs::path& code, const std::string& doing,
                const Say& say) {
  const Captured done = TRY(capture(argv, host_environment(), code, say));
  if (done.code == 0) return ok_status();
  return failed_precondition(fmt::format("{} failed with {}:\n{}", doing, done.code, text_of(done)));
}

Status build(const fs::path& folder, const fs::path& code, const std::string& lock, const Say& say) {
  say(fmt::format("building the environment {} from {}\n", folder.filename().string(), lock));
  TRY_STATUS(run_step({"python3", "-m", "venv", folder.string()}, code, "python3 -m venv", say));
  const std::string python = (folder / "bin" / "python").string();
  TRY_STATUS(run_step({python, "-m", "pip", "install", "--no-deps", "-r", lock}, code,
                      fmt::format("pip install -r {}", lock), say));
  TRY_STATUS(run_step({python, "-m", "pip", "check"}, code,
                      fmt::format("pip check: {} does not name everything that is needed: it", lock), say));
  const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::syncfs(fd.get()) != 0) return errno_status("writing out", folder);
  return write_file_durably(folder / kBuilt, "");
}

}  // namespace

Status check_lock(std::string_view text, std::string_view name) {
  for (const Line& line : requirement_lines(text)) {
    if (pinned(line.text) || !wheel_of(line.text).empty()) continue;
    return invalid_argument(
        fmt::format("{}:{}: '{}' is not pinned; write name==version, as `pip freeze` does", name, line.number,
                    line.text.substr(0, 100)));
  }
  return ok_status();
}

Result<Venv> prepare_venv(const fs::path& code, const std::string& lock_name, const fs::path& kept,
                          const Say& say) {
  const Result<std::string> lock = read_file(code / lock_name, kLockBytesMax);
  if (!lock.ok())
    return invalid_argument(fmt::format("train.env.venv: no lock file {} in the code folder", lock_name));
  TRY_STATUS(check_lock(*lock, lock_name));
  const Recipe made_from = TRY(recipe(code, lock_name, *lock));
  TRY_STATUS(make_folders_durably(kept, 0750));
  Venv out{.folder = kept / ("venv-" + made_from.key),
           .described = fmt::format("venv {}, Python {}", made_from.key, made_from.version)};
  std::error_code error;
  if (fs::exists(out.folder / kBuilt, error)) return out;
  const Fd held = TRY(lock_build(kept / ("venv-" + made_from.key + ".lock"), say));
  if (fs::exists(out.folder / kBuilt, error)) return out;
  remove_folder(out.folder);
  const Status built = build(out.folder, code, lock_name, say);
  if (!built.ok()) {
    remove_folder(out.folder);
    return built.within("the environment could not be built");
  }
  say(fmt::format("the environment is built: {}\n", out.described));
  return out;
}

}  // namespace rekindle::runtime
