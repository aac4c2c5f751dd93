#include "launch/slurm/answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace rekindle::launch::slurm {
namespace {

constexpr size_t kFieldBytesMax = 4096;

template <typename Visit>
void each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
    visit(line);
  }
}

std::optional<uint64_t> number_of(std::string_view text) {
  uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size() || out == 0) return std::nullopt;
  return out;
}

bool upper_word(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; });
}

// The state's own word: without "+", "by 1000" and the like.
std::string_view bare(std::string_view state) {
  return state.substr(0, state.find_first_of(" +"));
}

// Root's is 0.
bool number_or_zero(std::string_view text) {
  return text == "0" || number_of(text).has_value();
}

template <size_t N>
bool among(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

constexpr std::array<std::string_view, 6> kWaitingStates = {"PENDING",     "CONFIGURING",  "REQUEUED",
                                                            "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD"};
constexpr std::array<std::string_view, 8> kAliveStates = {
    "RUNNING", "SUSPENDED", "STOPPED", "SIGNALING", "RESIZING", "STAGE_OUT", "COMPLETING", "POWER_UP_NODE"};
constexpr std::array<std::string_view, 11> kOverStates = {
    "COMPLETED", "FAILED",   "TIMEOUT", "CANCELLED",     "NODE_FAIL",    "PREEMPTED",
    "BOOT_FAIL", "DEADLINE", "REVOKED", "OUT_OF_MEMORY", "LAUNCH_FAILED"};

// Each of them ends whatever the job's ranks were doing.
constexpr std::array<std::string_view, 6> kEndedBySlurm = {"TIMEOUT",   "CANCELLED", "NODE_FAIL",
                                                           "PREEMPTED", "DEADLINE",  "OUT_OF_MEMORY"};
constexpr std::string_view kCancelledBy = "CANCELLED by ";

struct Meaning {
  std::string_view reason;
  Outlook outlook;
  std::string_view advice;
};
// What is not here is waited for, and told in Slurm's own word. Sources: squeue(1), "JOB REASON CODES", of
// 20.11 to 24.05.
constexpr std::array<Meaning, 32> kReasons = {{
    {"PartitionDown", Outlook::kFix, "the partition is down: ask the cluster's operators"},
    {"PartitionInactive", Outlook::kFix, "the partition is inactive: ask the cluster's operators"},
    {"JobHeldUser", Outlook::kFix, "release it: scontrol release JOB"},
    {"JobHeldAdmin", Outlook::kFix, "an administrator holds it: ask the cluster's operators"},
    {"JobHoldMaxRequeue", Outlook::kFix, "Slurm could not start it several times: see the nodes' logs"},
    {"launch_failed_requeued_held", Outlook::kFix, "a node could not start it: see the nodes' logs"},
    {"FrontEndDown", Outlook::kFix, "the front end is down: ask the cluster's operators"},
    {"BurstBufferStageInFailure", Outlook::kFix, "the burst buffer failed: ask the cluster's operators"},
    {"ReservationDeleted", Outlook::kNever, "its reservation is gone: name another in pools.yaml"},
    {"InvalidAccount", Outlook::kNever, "the account is not valid here: correct `account` in pools.yaml"},
    {"AccountNotAllowed", Outlook::kNever,
     "the partition does not take this account: correct `account` or `partition` in pools.yaml"},
    {"InvalidQOS", Outlook::kNever, "the QOS is not valid here: correct `qos` in pools.yaml"},
    {"QOSNotAllowed", Outlook::kNever,
     "the partition does not take this QOS: correct `qos` or `partition` in pools.yaml"},
    {"BadConstraints", Outlook::kNever,
     "no node has these features: correct `constraint` in pools.yaml, or ask for fewer ranks"},
    {"PartitionNodeLimit", Outlook::kNever,
     "it asks for more nodes than the partition gives: lower train.ranks"},
    {"PartitionTimeLimit", Outlook::kNever,
     "its time limit is longer than the partition's: lower `time` in pools.yaml or train.limits.attempt"},
    {"PartitionConfig", Outlook::kNever,
     "what it asks for lies outside the partition's bounds: lower train.ranks or `time` in pools.yaml"},
    {"DependencyNeverSatisfied", Outlook::kNever, "it depends on a job that failed"},
    {"DeadLine", Outlook::kNever, "its deadline is over"},
    {"AssocMaxWallDurationPerJobLimit", Outlook::kNever,
     "its time limit is longer than the account allows: lower `time` in pools.yaml"},
    {"AssocMaxCpuPerJobLimit", Outlook::kNever, "more cores than the account allows: lower train.ranks"},
    {"AssocMaxNodePerJobLimit", Outlook::kNever, "more nodes than the account allows: lower train.ranks"},
    {"AssocMaxGRESPerJob", Outlook::kNever, "more GPUs than the account allows: lower train.ranks"},
    {"AssocMaxMemPerJob", Outlook::kNever, "more memory than the account allows: lower train.ranks"},
    {"MaxCpuPerAccount", Outlook::kNever, "more cores than the account allows: lower train.ranks"},
    {"QOSMaxWallDurationPerJobLimit", Outlook::kNever,
     "its time limit is longer than the QOS allows: lower `time` in pools.yaml"},
    {"QOSMaxCpuPerJobLimit", Outlook::kNever, "more cores than the QOS allows: lower train.ranks"},
    {"QOSMaxNodePerJobLimit", Outlook::kNever, "more nodes than the QOS allows: lower train.ranks"},
    {"QOSMaxGRESPerJob", Outlook::kNever, "more GPUs than the QOS allows: lower train.ranks"},
    {"QOSMaxMemoryPerJob", Outlook::kNever, "more memory than the QOS allows: lower train.ranks"},
    {"QOSMinCpuNotSatisfied", Outlook::kNever, "fewer cores than the QOS asks for: raise train.ranks"},
    {"QOSMinGRES", Outlook::kNever, "fewer GPUs than the QOS asks for: raise train.ranks"},
}};

const Meaning* meaning_of(std::string_view reason) {
  const auto found = std::find_if(kReasons.begin(), kReasons.end(),
                                  [&](const Meaning& known) { return known.reason == reason; });
  return found == kReasons.end() ? nullptr : found;
}

// Of "Batch job submission failed: ...": slurmctld's own word, from slurm_errno.
constexpr std::string_view kAnswer = "Batch job submission failed: ";
constexpr std::array<std::string_view, 12> kUnclearWords = {
    "Unable to contact slurm controller",
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Transport endpoint",
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Unexpected message received",
    "Communication connection failure",
    "Insane message length",
    "Message receive failure",
    "Message send failure",
};
constexpr std::array<std::string_view, 16> kFinalWords = {
    "Invalid partition",
    "Invalid account",
    "Invalid qos",
    "Invalid feature",
    "Invalid generic resource",
    "Invalid Trackable RESource",
    "Invalid node name",
    "Invalid node count",
    "Invalid wckey",
    "Requested node configuration is not available",
    "Requested time limit is invalid",
    "Requested reservation is invalid",
    "More processors requested than permitted",
    "Memory required by task is not available",
    "User's group not permitted to use this partition",
    "Job violates accounting/QOS policy",
};

}  // namespace

std::vector<Job> parse_listing(std::string_view text) {
  std::vector<Job> out;
  each_line(text, [&out](std::string_view line) {
    std::array<std::string_view, 4> fields;
    for (std::string_view& field : fields) {
      const size_t bar = line.find('|');
      if (bar == std::string_view::npos) return;
      field = line.substr(0, bar);
      line.remove_prefix(bar + 1);
    }
    const std::optional<uint64_t> number = number_of(fields[0]);
    if (!number || !upper_word(fields[1]) || line.size() > kFieldBytesMax ||
        line.find('|') != std::string_view::npos)
      return;
    out.push_back(
        {*number, std::string(fields[1]), std::string(fields[2]), std::string(fields[3]), std::string(line)});
  });
  return out;
}

std::optional<uint64_t> parse_submission(std::string_view text) {
  std::optional<uint64_t> out;
  each_line(text, [&out](std::string_view line) {
    // "123" or "123;cluster"
    if (const auto number = number_of(line.substr(0, line.find(';')))) out = number;
  });
  return out;
}

std::string parse_details(std::string_view text) {
  const std::string_view key = "JobState=";
  const size_t at = text.find(key);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = text.substr(at + key.size());
  const std::string_view word = rest.substr(0, rest.find_first_of(" \n"));
  return upper_word(word) ? std::string(word) : std::string();
}

std::string parse_accounting(std::string_view text) {
  std::string out;
  each_line(text, [&out](std::string_view line) {
    if (!out.empty() || !upper_word(bare(line))) return;
    const std::string_view by = kCancelledBy;
    out = line.starts_with(by) && number_or_zero(line.substr(by.size())) ? line : bare(line);
  });
  return out;
}

Stage stage_of(std::string_view state) {
  const std::string_view word = bare(state);
  if (among(word, kWaitingStates)) return Stage::kWaiting;
  if (among(word, kAliveStates)) return Stage::kAlive;
  if (among(word, kOverStates)) return Stage::kOver;
  return Stage::kUnknown;
}

Verdict verdict_of(const Job& job, bool gang) {
  const std::string_view state = bare(job.state);
  const auto said = [&](v1::EndClass end, std::string_view what) {
    return Verdict{end, fmt::format("job {} of Slurm's {}", job.number, what)};
  };
  if (state == "PREEMPTED") return said(v1::END_PREEMPTED, "was preempted before its ranks had saved");
  if (state == "NODE_FAIL") return said(v1::END_NODE_LOST, "lost a node");
  if (state == "TIMEOUT")
    return said(v1::END_HANG,
                "was ended by its time limit before its ranks had saved: raise `notice` in pools.yaml");
  if (state == "OUT_OF_MEMORY")
    return said(v1::END_OUT_OF_MEMORY, "ran out of memory: raise `memory` in pools.yaml, or ask for less");
  if (state == "CANCELLED") {
    const bool known = job.state.starts_with(kCancelledBy);
    return {v1::END_CANCELLED,
            fmt::format("cancelled in Slurm{} (job {})",
                        known ? " by uid " + job.state.substr(kCancelledBy.size()) : "", job.number)};
  }
  if (state == "DEADLINE") return said(v1::END_SPEC_REFUSED, "could not start before its deadline");
  if (gang)
    return said(v1::END_NODE_LOST, fmt::format("is over ({}), and its supervisor left no record", state));
  return said(v1::END_LAUNCH_FAILED,
              fmt::format("is over ({}), and its supervisor never began{}: does that node have the programs, "
                          "and see the attempt's folder?",
                          state, job.nodes.empty() ? "" : " on " + job.nodes));
}

bool ended_by_slurm(std::string_view state) {
  return among(bare(state), kEndedBySlurm);
}

Outlook outlook_of(std::string_view reason) {
  const Meaning* known = meaning_of(reason);
  return known ? known->outlook : Outlook::kWait;
}

std::string advice_on(std::string_view reason) {
  const Meaning* known = meaning_of(reason);
  return known ? std::string(known->advice) : std::string();
}

Refusal refusal_of(std::string_view text) {
  Refusal out;
  // Its last word counts; warnings come before.
  each_line(text, [&out](std::string_view line) {
    if (line.empty()) return;
    const size_t at = line.find(kAnswer);
    const std::string_view said = at == std::string_view::npos ? line : line.substr(at + kAnswer.size());
    const auto begins = [&](std::string_view word) { return said.find(word) != std::string_view::npos; };
    out.message = std::string(said.substr(0, 300));
    out.kind = Refusal::kUnclear;
    if (std::any_of(kUnclearWords.begin(), kUnclearWords.end(), begins)) return;
    // Before sbatch was run at all.
    if (said.starts_with("rekindle-gang: ")) out.kind = Refusal::kLater;
    if (std::any_of(kFinalWords.begin(), kFinalWords.end(), begins))
      out.kind = Refusal::kFinal;
    else if (at != std::string_view::npos)
      out.kind = Refusal::kLater;
  });
  return out;
}

}  // namespace rekindle::launch::slurm
