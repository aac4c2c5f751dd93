#include "trainer/fault.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "base/log.h"

namespace rekindle::trainer {
namespace {

// The farthest process above this one that has the name: rekindle-gang starts mpirun, which starts
// rekindle-gang once for each rank.
void kill_above(const std::string& name) {
  pid_t found = 0;
  for (pid_t pid = getppid(); pid > 1;) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(stat, line);
    const size_t open = line.find('('), close = line.rfind(')');
    if (close == std::string::npos) break;
    if (line.substr(open + 1, close - open - 1) == name.substr(0, 15)) found = pid;
    char state = 0;
    if (std::sscanf(line.c_str() + close + 1, " %c %d", &state, &pid) != 2) break;
  }
  if (found > 0) ::kill(found, SIGKILL);
}

}  // namespace

Result<Faults> Faults::parse(std::string_view text, int rank, uint32_t attempt) {
  static const std::map<std::string, Kind> kKinds = {
      {"kill", Kind::kKill},          {"kill-mpirun", Kind::kKillMpirun},
      {"kill-gang", Kind::kKillGang}, {"exit", Kind::kExit},
      {"hang", Kind::kHang},          {"nan", Kind::kNan},
      {"flip", Kind::kFlip},          {"slow", Kind::kSlow},
      {"record", Kind::kRecord},      {"stop", Kind::kStop},
      {"spin", Kind::kSpin}};
  Faults out;
  std::stringstream all{std::string(text)};
  for (std::string one; std::getline(all, one, ';');) {
    std::stringstream words(one);
    std::string word;
    if (!(words >> word)) continue;
    auto kind = kKinds.find(word);
    if (kind == kKinds.end())
      return invalid_argument(
          "fault '" + word +
          "' is unknown: kill, kill-mpirun, kill-gang, exit, hang, stop, spin, nan, flip, slow, "
          "record");
    Fault fault{kind->second, std::nullopt};
    bool here = true;
    uint64_t wanted_attempt = 1;
    while (words >> word) {
      const size_t equals = word.find('=');
      const std::string key = word.substr(0, equals);
      uint64_t value = 0;
      const char* begin = equals == std::string::npos ? nullptr : word.data() + equals + 1;
      if (begin == nullptr ||
          std::from_chars(begin, word.data() + word.size(), value).ptr != word.data() + word.size()) {
        return invalid_argument("fault: '" + word + "' is not key=number");
      }
      if (key == "rank")
        here = value == static_cast<uint64_t>(rank);
      else if (key == "step")
        fault.step = value;
      else if (key == "ms")
        fault.ms = value;
      else if (key == "attempt")
        wanted_attempt = value;
      else
        return invalid_argument("fault: the key '" + key + "' is unknown: rank, step, ms, attempt");
    }
    if (here && (wanted_attempt == 0 || wanted_attempt == attempt)) out.faults_.push_back(fault);
  }
  return out;
}

void Faults::before_step(uint64_t step) const {
  for (const auto& f : faults_) {
    if (f.step && *f.step != step) continue;
    // For tests that ask how long it took to be found.
    if (f.kind < Kind::kNan) log_warning("a fault comes to pass", {{"step", step}});
    switch (f.kind) {
      case Kind::kKill:
        ::kill(getpid(), SIGKILL);
        break;
      case Kind::kKillMpirun:
        kill_above("mpirun");
        break;
      case Kind::kKillGang:
        kill_above("rekindle-gang");
        break;
      case Kind::kExit:
        ::_exit(1);
      case Kind::kHang:
        while (true) ::pause();
      case Kind::kStop:
        ::kill(getpid(), SIGSTOP);
        break;
      case Kind::kSpin:
        for (volatile uint64_t turns = 0;;) turns = turns + 1;
      case Kind::kSlow:
        std::this_thread::sleep_for(std::chrono::milliseconds(f.ms));
        break;
      case Kind::kNan:
      case Kind::kRecord:
      case Kind::kFlip:
        break;
    }
  }
}

bool Faults::has(Kind kind, uint64_t step) const {
  return std::any_of(faults_.begin(), faults_.end(),
                     [&](const Fault& f) { return f.kind == kind && (!f.step || *f.step == step); });
}

bool Faults::poisons(uint64_t step) const {
  return has(Kind::kNan, step);
}

bool Faults::flips(uint64_t step) const {
  return has(Kind::kFlip, step);
}

bool Faults::records() const {
  for (const auto& f : faults_) {
    if (f.kind == Kind::kRecord) return true;
  }
  return false;
}

}  // namespace rekindle::trainer
