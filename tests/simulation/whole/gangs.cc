#include "tests/simulation/whole/gangs.h"

#include <algorithm>
#include <array>
#include <fstream>

#include "artifacts/manifest.h"
#include "launch/gang_lock.h"
#include "tests/core/builders.h"

namespace rekindle::whole {
namespace {

using std::chrono::milliseconds;

constexpr Seconds kBeatEvery{2};

Gang::Fate fate_of(uint64_t roll) {
  using Fate = Gang::Fate;
  static constexpr std::array<Fate, 20> kFates = {
      Fate::kFinish, Fate::kFinish, Fate::kFinish, Fate::kFinish,      Fate::kFinish,
      Fate::kFinish, Fate::kFinish, Fate::kFinish, Fate::kFinishBadly, Fate::kFinishFew,
      Fate::kCrash,  Fate::kCrash,  Fate::kCrash,  Fate::kNoOutcome,   Fate::kTornOutcome,
      Fate::kRefuse, Fate::kHang,   Fate::kSilent, Fate::kKilled,      Fate::kKilled};
  return kFates[roll % kFates.size()];
}

std::string bytes_from(const fs::path& path, uint64_t from) {
  std::ifstream in(path, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(from));
  return {std::istreambuf_iterator<char>(in), {}};
}

void append_raw(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::app) << bytes;
}

uint64_t size_of(const fs::path& path) {
  std::error_code none;
  const uint64_t size = fs::file_size(path, none);
  return none ? 0 : size;
}

}  // namespace

FaultyLog::FaultyLog(Outside& outside, const launch::AttemptFolder& folder, int rank)
    : outside_(outside), path_(folder.report(rank)) {
  auto writer = launch::ReportWriter::open(folder, rank);
  if (writer.ok()) writer_.emplace(std::move(*writer));
}

void FaultyLog::append(const v1::Report& report) {
  if (!writer_) return;
  if (!rest_.empty()) append_raw(path_, std::exchange(rest_, ""));
  held_.push_back(report);
  if (outside_.fault(5)) held_.pop_back();  // lost
  if (outside_.fault(10)) return;           // late
  if (outside_.fault(3) && !held_.empty()) held_.push_back(held_.back());
  for (const v1::Report& held : held_) CHECK(writer_->append(held).ok());
  held_.clear();
  if (outside_.fault(3)) {
    // A reader on another host sees the first part of a record before its end.
    const uint64_t size = size_of(path_), cut = std::min<uint64_t>(size, 1 + outside_.dice.below(20));
    rest_ = bytes_from(path_, size - cut);
    fs::resize_file(path_, size - cut);
    outside_.count("report half seen");
  }
}

void FaultyLog::tear() {
  held_.clear();
  if (!rest_.empty() || !writer_) return;
  const uint64_t size = size_of(path_);
  if (size > 0) fs::resize_file(path_, size - std::min<uint64_t>(size, 1 + outside_.dice.below(15)));
  outside_.count("report torn");
}

std::shared_ptr<Gang> Gangs::spawn(const launch::AttemptFolder& folder, uint64_t job, Micros after) {
  auto gang = std::make_shared<Gang>(folder);
  gang->job = job;
  gang->begins = outside_.clock.monotonic() + after;
  gangs_.push_back(gang);
  return gang;
}

std::shared_ptr<Gang> Gangs::find(const fs::path& folder) const {
  std::shared_ptr<Gang> found;
  for (const auto& gang : gangs_)
    if (gang->folder.root() == folder && (!found || gang->live())) found = gang;
  return found;
}

void Gangs::pass() {
  const Instant now = outside_.clock.monotonic();
  for (const auto& gang : gangs_) {
    if (gang->stage == Gang::Stage::kComing && gang->begins <= now) begin(*gang);
    while (gang->stage == Gang::Stage::kRunning && std::min(gang->beats, gang->ends) <= now) {
      if (gang->ends <= gang->beats)
        end(*gang);
      else
        beat(*gang);
    }
    if (gang->stage == Gang::Stage::kRemains && gang->job == 0 && gang->ends <= now)
      gang->stage = Gang::Stage::kGone;
  }
}

std::optional<Instant> Gangs::next() const {
  std::optional<Instant> next;
  const auto at = [&next](Instant when) {
    if (!next || when < *next) next = when;
  };
  for (const auto& gang : gangs_) {
    if (gang->stage == Gang::Stage::kComing) at(gang->begins);
    if (gang->stage == Gang::Stage::kRunning) at(std::min(gang->beats, gang->ends));
    if (gang->stage == Gang::Stage::kRemains && gang->job == 0) at(gang->ends);
  }
  return next;
}

size_t Gangs::live() const {
  return static_cast<size_t>(
      std::count_if(gangs_.begin(), gangs_.end(), [](const auto& gang) { return gang->live(); }));
}

// As run_gang of launch/gang/gang.h begins.
void Gangs::begin(Gang& gang) {
  gang.stage = Gang::Stage::kGone;
  const Result<v1::Plan> plan = gang.folder.read_plan();
  if (!plan.ok()) return;
  gang.run = plan->run();
  gang.attempt = plan->attempt();
  gang.ranks = plan->world();
  Result<std::optional<Fd>> lock = launch::take_gang_lock(gang.folder);
  if (!lock.ok() || !lock->has_value()) return;
  const auto earlier = gang.folder.read_gang();
  if (!earlier.ok() || earlier->has_value() || fs::exists(gang.folder.exit())) {
    outside_.count("gang refused by its folder");
    return;
  }
  if (outside_.fault(2)) return;  // dies with the lock, before its record
  gang.stage = Gang::Stage::kRunning;
  check(gang);
  v1::GangRecord record;
  record.set_pid(1);
  record.set_boot_id("simulated");
  record.set_host(gang.job == 0 ? "this host" : fmt::format("node of job {}", gang.job));
  record.set_started_us(to_micros(outside_.clock.wall()));
  CHECK(gang.folder.write_gang(record).ok());
  gang.lock = std::move(*lock);
  for (uint32_t rank = 0; rank < gang.ranks; ++rank)
    gang.logs.emplace_back(outside_, gang.folder, static_cast<int>(rank));
  gang.fate = outside_.healthy ? Gang::Fate::kFinish : fate_of(outside_.dice.below(20));
  gang.beats = outside_.clock.monotonic() + outside_.between(milliseconds(100), milliseconds(2000));
  gang.ends = outside_.clock.monotonic() + outside_.between(milliseconds(500), milliseconds(60'000));
  outside_.note(fmt::format("gang {}/{} begins on {}", gang.run, gang.attempt, record.host()));
  outside_.count("gang begun");
}

void Gangs::check(const Gang& gang) {
  uint32_t ranks = 0;
  for (const auto& other : gangs_) {
    if (other->job == 0 && other->live()) ranks += other->ranks;
    if (other.get() != &gang && other->live() && other->run == gang.run)
      outside_.problem(fmt::format("attempt {} of {} begins while attempt {} lives", gang.attempt, gang.run,
                                   other->attempt));
  }
  if (ranks > slots_)
    outside_.problem(fmt::format("{} ranks run on the {} slots of this host", ranks, slots_));
  if (!placed(gang.run, gang.attempt))
    outside_.problem(
        fmt::format("{}/{} was launched, and its placement is not durable", gang.run, gang.attempt));
}

void Gangs::beat(Gang& gang) {
  gang.beats += kBeatEvery;
  if (gang.fate == Gang::Fate::kSilent && gang.steps > 2) return;
  const bool stuck = gang.fate == Gang::Fate::kHang && gang.steps > 2;
  if (!stuck) ++gang.steps;
  for (size_t rank = 0; rank < gang.logs.size(); ++rank) {
    v1::Report report;
    report.set_time_us(to_micros(outside_.clock.wall()));
    v1::Beat& beat = *report.mutable_beat();
    beat.set_phase(stuck ? v1::PHASE_DATA : v1::PHASE_REDUCE);
    beat.set_step(gang.steps);
    beat.set_collective(gang.steps);
    beat.set_progress(gang.steps);
    gang.logs[rank].append(report);
  }
  if (stuck || !outside_.dice.chance(20)) return;
  v1::Report saved;
  saved.set_time_us(to_micros(outside_.clock.wall()));
  saved.mutable_checkpoint()->set_step(gang.steps);
  gang.logs[0].append(saved);
  saved.mutable_progress()->set_step(gang.steps);
  gang.logs[0].append(saved);
}

void Gangs::end(Gang& gang) {
  using Fate = Gang::Fate;
  if (gang.told) {
    gang.steps += 1;
    v1::Outcome outcome;
    outcome.set_kind(v1::Outcome::YIELDED);
    outcome.set_steps(gang.steps);
    CHECK(gang.folder.write_outcome(outcome).ok());
    return leave(gang, launch::kExitYielded, 0);
  }
  switch (gang.fate) {
    case Fate::kHang:
    case Fate::kSilent:
      gang.ends = Instant::max();
      return;
    case Fate::kKilled:
      return kill(gang, outside_.between(milliseconds(0), milliseconds(4000)));
    case Fate::kCrash:
      return outside_.dice.chance(50) ? leave(gang, 1, 0) : leave(gang, 0, 9);
    case Fate::kNoOutcome:
      return leave(gang, 0, 0);
    case Fate::kFinish:
    case Fate::kFinishBadly:
    case Fate::kFinishFew:
    case Fate::kTornOutcome:
    case Fate::kRefuse:
      write_outcome(gang);
      return leave(gang, gang.fate == Fate::kRefuse ? launch::kExitDataRefused : 0, 0);
  }
}

void Gangs::write_outcome(Gang& gang) {
  v1::Outcome outcome;
  if (gang.fate == Gang::Fate::kRefuse) {
    outcome.set_kind(v1::Outcome::DATA_REFUSED);
    outcome.set_message("label: no such column");
  } else {
    artifacts::ManifestWriter writer(store_, gang.run);
    CHECK(writer.add("model.json", fmt::format("{}/{}", gang.run, gang.attempt)).ok());
    const bool bad = gang.fate == Gang::Fate::kFinishBadly;
    const int64_t rows = gang.fate == Gang::Fate::kFinishFew ? 100 : 6000;
    outcome = core::testing::finished("", core::testing::evaluation_of(bad ? .56 : .50, .53, .55, rows));
    outcome.set_manifest(writer.finish().value());
    outcome.set_steps(gang.steps);
  }
  CHECK(gang.folder.write_outcome(outcome).ok());
  if (gang.fate == Gang::Fate::kTornOutcome) damage(gang.folder.outcome());
}

void Gangs::leave(Gang& gang, int code, int signal) {
  if (outside_.fault(4)) return kill(gang, Micros(0));  // its supervisor dies before it has said how
  v1::ExitRecord record;
  record.set_code(code);
  record.set_signal(signal);
  record.set_ended_us(to_micros(outside_.clock.wall()));
  CHECK(gang.folder.write_exit(record).ok());
  if (outside_.fault(3)) damage(gang.folder.exit());
  if (outside_.fault(20)) gang.logs[0].tear();
  gang.code = signal != 0 ? 128 + signal : code;
  gang.stage = Gang::Stage::kGone;
  gang.lock.reset();
  outside_.note(fmt::format("gang {}/{} leaves with {}", gang.run, gang.attempt, gang.code));
}

// Cut, emptied or overwritten: what a failing disk leaves of a file.
void Gangs::damage(const fs::path& file) {
  const uint64_t size = size_of(file);
  outside_.count("record damaged");
  switch (outside_.dice.below(3)) {
    case 0:
      return fs::resize_file(file, size > 1 ? 1 + outside_.dice.below(size - 1) : 0);
    case 1:
      return fs::resize_file(file, 0);
    default:
      std::ofstream(file, std::ios::binary) << std::string(size, '\xff');
  }
}

void Gangs::signal(Gang& gang, launch::Signal signal) {
  if (gang.stage != Gang::Stage::kRunning) return;
  if (signal == launch::Signal::kKill) {
    outside_.note(fmt::format("gang {}/{} is killed", gang.run, gang.attempt));
    if (outside_.fault(30)) return kill(gang, outside_.between(milliseconds(0), milliseconds(3000)));
    return leave(gang, 0, 9);
  }
  if (gang.told || gang.fate == Gang::Fate::kHang || outside_.fault(20)) return;  // does not listen
  gang.told = true;
  gang.ends = outside_.clock.monotonic() + outside_.between(milliseconds(100), milliseconds(8000));
}

void Gangs::kill(Gang& gang, std::optional<Micros> ranks_after) {
  if (!gang.live()) {
    if (gang.stage == Gang::Stage::kComing) gang.stage = Gang::Stage::kGone;
    return;
  }
  outside_.note(fmt::format("supervisor of {}/{} dies", gang.run, gang.attempt));
  outside_.count("supervisor killed");
  for (FaultyLog& log : gang.logs)
    if (outside_.dice.chance(50)) log.tear();
  gang.lock.reset();
  gang.code = 137;
  gang.stage = Gang::Stage::kRemains;
  gang.ends = outside_.clock.monotonic() + ranks_after.value_or(Micros(0));
  if (!ranks_after) gang.stage = Gang::Stage::kGone;
}

void Gangs::host_died() {
  for (const auto& gang : gangs_)
    if (gang->job == 0 && gang->stage != Gang::Stage::kGone) kill(*gang, std::nullopt);
}

}  // namespace rekindle::whole
