#include "launch/ending.h"

#include <fmt/format.h>
#include <signal.h>
#include <string.h>

#include <algorithm>
#include <cstdlib>
#include <regex>

#include "base/files/plain_file.h"
#include "base/units.h"
#include "launch/confine/confinement.h"

namespace rekindle::launch {

namespace {

constexpr size_t kTailBytes = 4096;
constexpr size_t kGangTailBytes = 64 * 1024;

std::string tail_of(const fs::path& log, size_t bytes) {
  std::error_code error;
  const uint64_t size = fs::file_size(log, error);
  if (error) return "";
  const Result<std::string> tail = read_plain_file_at(log, size - std::min<uint64_t>(size, bytes), bytes);
  return tail.ok() ? *tail : "";
}

// The last line of a rank's log that says something: most often the error itself.
std::string last_words(const fs::path& log) {
  std::string tail = tail_of(log, kTailBytes);
  while (!tail.empty() && isspace(static_cast<unsigned char>(tail.back()))) tail.pop_back();
  size_t line = tail.rfind('\n');
  if (line != std::string::npos) tail.erase(0, line + 1);
  return tail.substr(0, 300);
}

std::string how(int code, int signal) {
  return signal != 0 ? fmt::format("ended by signal {} ({})", signal, strsignal(signal))
                     : fmt::format("left with {}", code);
}

// The first rank that ended badly: as its supervisor recorded it, else as mpirun tells it.
std::optional<v1::RankExit> culprit(const AttemptFolder& folder, const v1::ExitRecord& exit) {
  for (const v1::RankExit& rank : exit.ranks())
    if (rank.code() != 0 || rank.signal() != 0) return rank;
  return first_to_end(tail_of(folder.gang_log(), kGangTailBytes));
}

// Without a culprit it was the launcher itself.
Ending crash(const AttemptFolder& folder, const v1::ExitRecord& exit, uint32_t world) {
  Ending out{v1::END_CRASH, "", {}, {}, {}};
  if (const std::optional<v1::RankExit> rank = culprit(folder, exit)) {
    std::string words = last_words(folder.log(rank->rank()));
    out.rank = rank->rank();
    out.message = fmt::format("rank {} {}{}{}", rank->rank(), how(rank->code(), rank->signal()),
                              words.empty() ? "" : ": ", words);
    return out;
  }
  std::string words;
  for (uint32_t rank = 0; rank < world && words.empty(); ++rank)
    words = last_words(folder.log(static_cast<int>(rank)));
  std::string note = exit.note().empty() ? "" : " (" + exit.note() + ")";
  out.message = fmt::format("the gang {}{}{}{}", how(exit.code(), exit.signal()), note,
                            words.empty() ? "" : ": ", words);
  return out;
}

Ending of_outcome(v1::Outcome outcome) {
  Ending out;
  switch (outcome.kind()) {
    case v1::Outcome::FINISHED:
      out.end = v1::END_FINISHED;
      break;
    case v1::Outcome::YIELDED:
      out.end = v1::END_YIELDED;
      break;
    case v1::Outcome::SPEC_REFUSED:
      out.end = v1::END_SPEC_REFUSED;
      break;
    case v1::Outcome::DATA_REFUSED:
      out.end = v1::END_DATA_REFUSED;
      break;
    case v1::Outcome::DIVERGED:
      out.end = v1::END_DIVERGED;
      break;
    default:
      out.end = v1::END_CRASH;
      out.message = "outcome.pb names no known kind of end";
      return out;
  }
  out.message = outcome.message();
  if (outcome.culprit() > 0) out.rank = outcome.culprit() - 1;
  out.outcome = std::move(outcome);
  return out;
}

// Each rank said that its command left with 0: an empty record, torn by a power failure, says nothing.
bool finished(const v1::ExitRecord& exit, uint32_t world) {
  return exit.code() == 0 && exit.signal() == 0 && static_cast<uint32_t>(exit.ranks_size()) == world &&
         std::all_of(exit.ranks().begin(), exit.ranks().end(),
                     [](const v1::RankExit& rank) { return rank.code() == 0 && rank.signal() == 0; });
}

v1::Outcome done() {
  v1::Outcome outcome;
  outcome.set_kind(v1::Outcome::FINISHED);
  return outcome;
}

// What an allocation that failed leaves as the last line: Python's, and a C++ program's.
bool says_no_memory(std::string_view words) {
  return words == "MemoryError" || words.starts_with("MemoryError:") ||
         words.find("std::bad_alloc") != std::string_view::npos ||
         words.find("Cannot allocate memory") != std::string_view::npos;
}

// Slurm's own word for it: of a task, and of the step.
bool slurm_ran_out(std::string_view gang_log) {
  return gang_log.find(": Out Of Memory") != std::string_view::npos ||
         gang_log.find("oom_kill event") != std::string_view::npos ||
         gang_log.find("oom-kill event") != std::string_view::npos;
}

// What was short, and who can give more; empty: nothing says that memory was.
std::string short_of_memory(const AttemptFolder& folder, const std::string& words) {
  if (slurm_ran_out(tail_of(folder.gang_log(), kGangTailBytes)))
    return "Slurm ended it; raise train.ranks.memory, or `memory` of the pool in pools.yaml, or ask for less";
  const auto confined = read_confinement(folder);
  if (!confined) return "";
  const std::string raise = confined->policy().memory_field().empty()
                                ? "the limit is nine tenths of what this host has: ask for less"
                                : fmt::format("raise {}, or ask for less", confined->policy().memory_field());
  const std::string limit = format_bytes(confined->memory_limit());
  if (confined->memory_kills() > 0)
    return fmt::format("the attempt came to its limit of {}; {}", limit, raise);
  if (confined->memory_by_process() && says_no_memory(words))
    return fmt::format("it came to the limit of {} for each process; {}", limit, raise);
  return "";
}

Ending crash_or_memory(const AttemptFolder& folder, const v1::ExitRecord& exit, uint32_t world) {
  Ending out = crash(folder, exit, world);
  const std::string words = last_words(folder.log(out.rank.value_or(0)));
  const std::string memory = short_of_memory(folder, words);
  if (memory.empty()) return out;
  out.end = v1::END_OUT_OF_MEMORY;
  out.message = fmt::format("{} ran out of memory: {} ({})",
                            out.rank ? fmt::format("rank {}", *out.rank) : "a process of the attempt", memory,
                            out.message);
  return out;
}

Ending of_exit(const AttemptFolder& folder, const v1::ExitRecord& exit, uint32_t world, bool task) {
  if (task && finished(exit, world)) return of_outcome(done());
  if (exit.end() != 0) return {static_cast<v1::EndClass>(exit.end()), exit.note(), {}, {}, exit.host()};
  Ending out = crash_or_memory(folder, exit, world);
  if (exit.signal() != 0) return out;
  switch (exit.code()) {
    case kExitFinished:
      return {v1::END_CRASH, "the ranks left with 0 but wrote no outcome.pb", {}, {}, {}};
    case kExitYielded:
      return {v1::END_YIELDED, "left on request", {}, {}, {}};
    case kExitSpecRefused:
      out = crash(folder, exit, world);
      out.end = v1::END_SPEC_REFUSED;
      return out;
    case kExitDataRefused:
      out = crash(folder, exit, world);
      out.end = v1::END_DATA_REFUSED;
      return out;
    case kExitDiverged:
      out = crash(folder, exit, world);
      out.end = v1::END_DIVERGED;
      return out;
    default:
      return out;
  }
}

// "srun: error: n1: task 1: Exited with exit code 3", "srun: error: n1: tasks 0-1: Killed" or "srun: error:
// n1: task 0: Out Of Memory"; the first line is of the first that ended.
std::optional<v1::RankExit> first_of_srun(std::string_view log) {
  static const std::regex said(R"(srun: error: \S{1,256}: tasks? (\d{1,6})[\d,-]{0,64}: ([^\n(]{1,64}))");
  constexpr std::string_view kExited = "Exited with exit code ";
  std::match_results<std::string_view::const_iterator> found;
  if (!std::regex_search(log.begin(), log.end(), found, said)) return std::nullopt;
  std::string how = found[2].str();
  while (!how.empty() && how.back() == ' ') how.pop_back();
  v1::RankExit rank;
  rank.set_rank(std::stoi(found[1].str()));
  if (how.starts_with(kExited)) {
    rank.set_code(std::atoi(how.c_str() + kExited.size()));
    return rank;
  }
  if (how == "Out Of Memory") rank.set_signal(SIGKILL);
  for (int signal = 1; signal < 32 && rank.signal() == 0; ++signal)
    if (how == strsignal(signal)) rank.set_signal(signal);
  return rank.signal() != 0 ? std::optional(rank) : std::nullopt;
}

}  // namespace

// "mpirun noticed that process rank 1 with PID 71 on node n exited on signal 9 (Killed)." or, for a code,
// "Process name: [[6031,1],1]" and "Exit code:    1".
std::optional<v1::RankExit> first_to_end(std::string_view mpirun_log) {
  if (std::optional<v1::RankExit> rank = first_of_srun(mpirun_log)) return rank;
  static const std::regex killed(R"(process rank (\d{1,6}) .*exited on\s+signal (\d{1,3}))");
  static const std::regex left(R"(Process name: \[\[\d+,\d+\],(\d{1,6})\]\s+Exit code:\s+(\d{1,3}))");
  std::match_results<std::string_view::const_iterator> found;
  v1::RankExit rank;
  if (std::regex_search(mpirun_log.begin(), mpirun_log.end(), found, killed))
    rank.set_signal(std::stoi(found[2].str()));
  else if (std::regex_search(mpirun_log.begin(), mpirun_log.end(), found, left))
    rank.set_code(std::stoi(found[2].str()));
  else
    return std::nullopt;
  rank.set_rank(std::stoi(found[1].str()));
  return rank;
}

Ending ending_of(const AttemptFolder& folder, const GangState& state, uint32_t world, bool task) {
  CHECK(state.kind == GangState::kEnded || state.kind == GangState::kLost);
  auto outcome = folder.read_outcome();
  if (!outcome.ok()) return {v1::END_CRASH, outcome.status().message(), {}, {}, {}};
  if (outcome->has_value()) return of_outcome(**outcome);
  if (state.end != v1::END_UNSPECIFIED) return {state.end, state.detail, {}, {}, {}};
  if (state.kind == GangState::kLost || !state.exit)
    return {v1::END_NODE_LOST,
            "the gang's supervisor is gone without a word" +
                (state.detail.empty() ? std::string() : ": " + state.detail),
            {},
            {},
            {}};
  if (state.exit->barred())
    return {static_cast<v1::EndClass>(state.exit->barred_end()), state.exit->note(), {}, {}, {}};
  return of_exit(folder, *state.exit, world, task);
}

}  // namespace rekindle::launch
