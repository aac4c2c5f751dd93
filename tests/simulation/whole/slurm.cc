#include "tests/simulation/whole/slurm.h"

#include <algorithm>
#include <array>

namespace rekindle::whole {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kKept{60'000};  // MinJobAge
const Status kNoAnswer = deadline_exceeded("no answer");

// The value of --name=, or of the word after `name`.
std::string option(const std::vector<std::string>& words, const std::string& name) {
  const std::string prefix = name + "=";
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i].starts_with(prefix)) return words[i].substr(prefix.size());
    if (words[i] == name && i + 1 < words.size()) return words[i + 1];
  }
  return {};
}

}  // namespace

Result<runtime::Captured> Slurm::run(const std::vector<std::string>& argv,
                                     const std::function<void(std::string_view)>& each) {
  outside_.maybe_crash(5, "before a command of Slurm's");
  const Answer answer = carry_out(argv);
  outside_.note(fmt::format("{}: {} {}", argv[0], answer.code,
                            answer.failure.ok() ? sha256_hex(answer.text).substr(0, 8) : "no answer"));
  outside_.maybe_crash(5, "after a command of Slurm's");
  if (!answer.failure.ok()) return answer.failure;
  if (each && !answer.text.empty()) each(answer.text);
  return runtime::Captured{answer.code, answer.text};
}

Slurm::Answer Slurm::carry_out(const std::vector<std::string>& words) {
  if (words[0] == "sbatch") return submit(words);
  if (words[0] == "squeue") return list();
  if (words[0] == "scancel") return cancel(words);
  if (words[0] == "scontrol") return show(words);
  return {ok_status(), 1, "Slurm accounting storage is disabled\n"};
}

Slurm::Answer Slurm::submit(const std::vector<std::string>& words) {
  if (outside_.fault(5)) return {kNoAnswer, 0, {}};
  if (outside_.fault(5)) {
    late_.push_back(
        {outside_.clock.monotonic() + outside_.between(milliseconds(1000), milliseconds(150'000)), words});
    outside_.count("submission late");
    return {kNoAnswer, 0, {}};
  }
  if (outside_.fault(4))
    return {ok_status(), 1,
            "sbatch: error: Batch job submission failed: Slurm temporarily unable to accept job\n"};
  if (outside_.fault(1))
    return {ok_status(), 1, "sbatch: error: Batch job submission failed: Invalid qos specification\n"};
  if (outside_.fault(3)) return {ok_status(), 137, {}};
  accept(words);
  const uint64_t number = jobs_.back().number;
  if (outside_.fault(4)) {
    accept(words);
    outside_.count("submission twice");
  }
  if (outside_.fault(8)) {
    outside_.count("answer to a submission lost");
    return {kNoAnswer, 0, {}};
  }
  if (outside_.fault(3)) return {ok_status(), 0, "sbatch: warning: plugin says \x01\xff\n"};
  return {ok_status(), 0, fmt::format("{}{}\n", number, outside_.dice.chance(20) ? ";cluster" : "")};
}

void Slurm::accept(const std::vector<std::string>& words) {
  Job job;
  job.number = 100 + jobs_.size();
  job.comment = option(words, "--comment");
  job.folder = option(words, "--folder");
  job.turns = outside_.clock.monotonic() + outside_.between(milliseconds(0), milliseconds(40'000));
  if (outside_.fault(4)) {
    job.reason = outside_.dice.chance(30) ? "PartitionTimeLimit" : "JobHeldUser";
    job.turns = Instant::max();
  }
  jobs_.push_back(std::move(job));
}

std::string Slurm::line_of(const Job& job) {
  std::string state = job.state;
  const bool alone = job.gang && job.gang->stage == Gang::Stage::kRemains;
  if (!alone && outside_.fault(2)) state = "REVIEWING";
  if (!alone && outside_.fault(2)) state = outside_.dice.chance(50) ? "COMPLETED" : "NODE_FAIL";
  return fmt::format("{}|{}|{}|n1|{}\n", job.number, state, job.state == "PENDING" ? job.reason : "None",
                     job.comment);
}

Slurm::Answer Slurm::list() {
  if (outside_.fault(6))
    return {ok_status(), 1, "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n"};
  if (outside_.fault(4)) return {kNoAnswer, 0, {}};
  const bool honest = remains();
  if (!honest && outside_.fault(3)) return {ok_status(), 0, {}};
  if (!honest && outside_.fault(3))
    return {ok_status(), 0, "JOBID PARTITION\n1|COMPL\n|||\n9|COMPLETED|None|n1|x|y\n\xff|RUNNING|a|b|c\n"};
  if (!honest && outside_.fault(5)) return {ok_status(), 0, old_listing_};
  std::string text = "7|RUNNING|None|n9|somebody else's\n";
  for (const Job& job : jobs_)
    if (!job.over || job.turns > outside_.clock.monotonic()) text += line_of(job);
  if (outside_.dice.chance(20)) old_listing_ = text;
  if (!honest && outside_.fault(3)) text.resize(outside_.dice.below(text.size()));
  return {ok_status(), 0, text};
}

Slurm::Answer Slurm::cancel(const std::vector<std::string>& words) {
  if (outside_.fault(5)) return {ok_status(), 1, "scancel: error: Unable to contact slurm controller\n"};
  if (outside_.fault(8)) return {ok_status(), 0, {}};  // and nothing happens
  if (outside_.fault(4)) {
    late_.push_back(
        {outside_.clock.monotonic() + outside_.between(milliseconds(1000), milliseconds(60'000)), words});
    return {kNoAnswer, 0, {}};
  }
  Job* job = find(std::strtoull(words.back().c_str(), nullptr, 10));
  if (!job || job->over) return {ok_status(), 1, "scancel: error: Invalid job id specified\n"};
  if (option(words, "--signal") == "USR1") {
    if (job->gang) gangs_.signal(*job->gang, launch::Signal::kYield);
    return {};
  }
  end(*job, "CANCELLED");
  return {};
}

Slurm::Answer Slurm::show(const std::vector<std::string>& words) const {
  if (outside_.fault(8))
    return {ok_status(), 1, "slurm_load_jobs error: Unable to contact slurm controller\n"};
  for (const Job& job : jobs_)
    if (std::to_string(job.number) == words.back() && (!job.over || job.turns > outside_.clock.monotonic()))
      return {ok_status(), 0,
              fmt::format("JobId={} JobName=rekindle JobState={} Reason=None\n", job.number, job.state)};
  return {ok_status(), 1, "slurm_load_jobs error: Invalid job id specified\n"};
}

void Slurm::start(Job& job) {
  job.state = "RUNNING";
  job.gang = gangs_.spawn(launch::AttemptFolder(job.folder), job.number,
                          outside_.between(milliseconds(0), milliseconds(3000)));
}

// Slurm ends what is left of it before it says so.
void Slurm::end(Job& job, std::string state) {
  if (job.gang && job.gang->stage == Gang::Stage::kRunning && outside_.dice.chance(50))
    gangs_.signal(*job.gang, launch::Signal::kKill);
  if (job.gang) gangs_.kill(*job.gang, std::nullopt);
  if (job.gang) job.gang->stage = Gang::Stage::kGone;
  job.state = std::move(state);
  job.over = true;
  job.turns = outside_.clock.monotonic() + kKept;
  outside_.note(fmt::format("job {} is {}", job.number, job.state));
}

void Slurm::pass() {
  const Instant now = outside_.clock.monotonic();
  for (size_t i = 0; i < late_.size();) {
    if (late_[i].at > now) {
      ++i;
      continue;
    }
    const std::vector<std::string> words = late_[i].words;
    late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(i));
    Job* job = words[0] == "scancel" ? find(std::strtoull(words.back().c_str(), nullptr, 10)) : nullptr;
    if (words[0] == "sbatch") accept(words);
    if (job && !job->over && option(words, "--signal").empty()) end(*job, "CANCELLED");
  }
  for (Job& job : jobs_) {
    // What was held is released in the end.
    if (outside_.healthy && job.turns == Instant::max()) job.turns = now;
    if (job.state == "PENDING" && job.turns <= now) start(job);
    if (job.state != "RUNNING" || job.gang->live() || job.gang->stage == Gang::Stage::kComing) {
      // Slurm sees late that a supervisor is gone.
      const bool alone = job.gang && job.gang->stage == Gang::Stage::kRemains;
      if (job.state == "RUNNING" && alone && job.gang->ends + Seconds(5) <= now) end(job, "FAILED");
      continue;
    }
    end(job, job.gang->code == 0 ? "COMPLETED" : "FAILED");
  }
}

std::optional<Instant> Slurm::next() const {
  std::optional<Instant> next;
  const auto at = [&next](Instant when) {
    if (when != Instant::max() && (!next || when < *next)) next = when;
  };
  for (const Late& late : late_) at(late.at);
  for (const Job& job : jobs_) {
    if (job.state == "PENDING") at(job.turns);
    if (job.state == "RUNNING" && job.gang->stage == Gang::Stage::kRemains) at(job.gang->ends + Seconds(5));
  }
  return next;
}

void Slurm::mishap() {
  Job* job = some_running();
  if (!job) return;
  switch (outside_.dice.below(5)) {
    case 0:
      outside_.count("node of Slurm's failed");
      return end(*job, "NODE_FAIL");
    case 1:
      outside_.count("job of Slurm's preempted");
      return end(*job, "PREEMPTED");
    case 2:
      outside_.count("job of Slurm's cancelled by hand");
      return end(*job, "CANCELLED");
    case 3:
      return end(*job, outside_.dice.chance(50) ? "TIMEOUT" : "OUT_OF_MEMORY");
    default:
      // Its folder refuses it when it comes again.
      outside_.count("job of Slurm's requeued");
      end(*job, "REQUEUED");
      job->state = "PENDING";
      job->over = false;
      job->turns = outside_.clock.monotonic() + outside_.between(milliseconds(0), milliseconds(30'000));
  }
}

bool Slurm::remains() const {
  return std::any_of(jobs_.begin(), jobs_.end(),
                     [](const Job& job) { return job.gang && job.gang->stage == Gang::Stage::kRemains; });
}

Slurm::Job* Slurm::find(uint64_t number) {
  for (Job& job : jobs_)
    if (job.number == number) return &job;
  return nullptr;
}

Slurm::Job* Slurm::some_running() {
  std::vector<Job*> running;
  for (Job& job : jobs_)
    if (job.state == "RUNNING") running.push_back(&job);
  return running.empty() ? nullptr : running[outside_.dice.below(running.size())];
}

}  // namespace rekindle::whole
