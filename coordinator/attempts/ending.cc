#include "coordinator/attempts/ending.h"

#include <fmt/format.h>
#include <string.h>

#include <fstream>

namespace rekindle::coordinator {

namespace {

constexpr size_t kTailBytes = 4096;

// The last line of a rank's log that says something: most often the error itself.
std::string last_words(const fs::path& log) {
  std::ifstream in(log, std::ios::binary | std::ios::ate);
  if (!in) return "";
  std::streamoff size = in.tellg();
  std::streamoff begin =
      size > static_cast<std::streamoff>(kTailBytes) ? size - static_cast<std::streamoff>(kTailBytes) : 0;
  in.seekg(begin);
  std::string tail(static_cast<size_t>(size - begin), '\0');
  in.read(tail.data(), static_cast<std::streamsize>(tail.size()));
  while (!tail.empty() && isspace(static_cast<unsigned char>(tail.back()))) tail.pop_back();
  size_t line = tail.rfind('\n');
  if (line != std::string::npos) tail.erase(0, line + 1);
  return tail.substr(0, 300);
}

std::string how(int code, int signal) {
  return signal != 0 ? fmt::format("ended by signal {} ({})", signal, strsignal(signal))
                     : fmt::format("left with {}", code);
}

// The first rank that ended badly, else the launcher itself.
std::string crash_message(const launch::AttemptFolder& folder, const v1::ExitRecord& exit, uint32_t world) {
  for (const v1::RankExit& rank : exit.ranks()) {
    if (rank.code() == 0 && rank.signal() == 0) continue;
    std::string words = last_words(folder.log(rank.rank()));
    return fmt::format("rank {} {}{}{}", rank.rank(), how(rank.code(), rank.signal()),
                       words.empty() ? "" : ": ", words);
  }
  std::string words;
  for (uint32_t rank = 0; rank < world && words.empty(); ++rank)
    words = last_words(folder.log(static_cast<int>(rank)));
  std::string note = exit.note().empty() ? "" : " (" + exit.note() + ")";
  return fmt::format("the gang {}{}{}{}", how(exit.code(), exit.signal()), note, words.empty() ? "" : ": ",
                     words);
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
    default:
      out.end = v1::END_CRASH;
      out.message = "outcome.pb names no known kind of end";
      return out;
  }
  out.message = outcome.message();
  out.outcome = std::move(outcome);
  return out;
}

Ending of_exit(const launch::AttemptFolder& folder, const v1::ExitRecord& exit, uint32_t world) {
  std::string message = crash_message(folder, exit, world);
  if (exit.signal() == 0) {
    switch (exit.code()) {
      case launch::kExitFinished:
        return {v1::END_CRASH, "the ranks left with 0 but wrote no outcome.pb", {}};
      case launch::kExitYielded:
        return {v1::END_YIELDED, "left on request", {}};
      case launch::kExitSpecRefused:
        return {v1::END_SPEC_REFUSED, message, {}};
      case launch::kExitDataRefused:
        return {v1::END_DATA_REFUSED, message, {}};
      default:
        break;
    }
  }
  return {v1::END_CRASH, message, {}};
}

}  // namespace

Ending ending_of(const launch::AttemptFolder& folder, const launch::GangState& state, uint32_t world) {
  CHECK(state.kind == launch::GangState::kEnded || state.kind == launch::GangState::kLost);
  auto outcome = folder.read_outcome();
  if (!outcome.ok()) return {v1::END_CRASH, outcome.status().message(), {}};
  if (outcome->has_value()) return of_outcome(**outcome);
  if (state.kind == launch::GangState::kLost || !state.exit)
    return {v1::END_NODE_LOST,
            "the gang's supervisor is gone without a word" +
                (state.detail.empty() ? std::string() : ": " + state.detail),
            {}};
  return of_exit(folder, *state.exit, world);
}

}  // namespace rekindle::coordinator
