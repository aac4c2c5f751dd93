#include "launch/command/parts.h"

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "base/clock.h"
#include "base/files/plain_file.h"
#include "base/log.h"
#include "jobs/task.h"
#include "launch/command/prepare.h"
#include "launch/command/script.h"
#include "launch/gang/ranks.h"
#include "launch/report_log.h"
#include "runtime/code.h"
#include "runtime/environment.h"

namespace rekindle::launch {
namespace {

class Parts {
 public:
  Parts(const GangOptions& options, const v1::Plan& plan, const fs::path& scratch, Confinement& confinement)
      : options_(options),
        plan_(plan),
        folder_(options.folder),
        work_(confinement.work() ? WorkFolder(*confinement.work()) : WorkFolder(folder_)),
        scratch_(scratch),
        confinement_(confinement),
        world_(static_cast<int>(std::max<uint32_t>(1, plan.world()))),
        ranks_(options) {}

  v1::ExitRecord run() {
    run_all();
    record_.set_note(ranks_.notes());
    return record_;
  }

 private:
  // The record says how the part ended that was the last.
  void run_all() {
    const std::string gang = options_.self.string(), trainer = options_.trainer.string();
    const std::vector<std::string> where = {"--folder", options_.folder.string()};
    const std::vector<std::string> with_trainer = {"--folder", options_.folder.string(), "--trainer",
                                                   trainer};
    const bool task = jobs::is_task(plan_.spec());
    const bool long_to_prepare = plan_.spec().has_code() || plan_.spec().train().has_env();
    // pip's words are progress: its output is watched as it grows.
    if (long_to_prepare ? !run_part(with(gang, "prepare", with_trainer), 0, v1::PHASE_START, folder_.log(0))
                        : !prepare_here())
      return;
    if (!task && !run_part(with(trainer, "rows", where), 1, v1::PHASE_DATA, {})) return;
    if (!run_scripts(with(gang, "rank", with_trainer)) || task) return;
    run_part(with(trainer, "score", where), 1, v1::PHASE_SCORE, {});
  }

  // Without code and environment there is nothing in it that could take time.
  bool prepare_here() {
    if (confinement_.work()) return true;
    record_.set_code(run_prepare(folder_, work_, plan_));
    return record_.code() == 0;
  }

  static std::vector<std::string> with(const std::string& program, const std::string& part,
                                       const std::vector<std::string>& more) {
    std::vector<std::string> out = {program, part};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }

  SpawnOptions spawning(std::vector<std::string> argv, const fs::path& output, Confinement::Part part) {
    SpawnOptions out;
    out.argv = std::move(argv);
    out.environment = rank_environment(options_, plan_, scratch_);
    // Packages, modules and proxies are found by what the host says of them.
    for (std::string& entry : runtime::host_environment()) {
      const std::string name = entry.substr(0, entry.find('=') + 1);
      const auto has = [&name](const std::string& other) { return other.starts_with(name); };
      if (std::none_of(out.environment.begin(), out.environment.end(), has))
        out.environment.push_back(std::move(entry));
    }
    out.output = output;
    out.die_with_parent = true;
    confinement_.around(out, part);
    return out;
  }

  // Whether the next part is to follow. Ranks from `beats_from` on are beaten for, with `phase`; with the
  // size of `grows` as their progress, else always moving.
  bool run_part(std::vector<std::string> argv, int beats_from, v1::Phase phase, const fs::path& grows) {
    const bool scoring = phase == v1::PHASE_SCORE;
    if (!scoring && leaving()) return false;
    beat(0, phase, grows);  // until the part speaks for itself
    if (const Status started =
            ranks_.start(spawning(std::move(argv), folder_.log(0), Confinement::Part::kOurs));
        !started.ok()) {
      cannot_start(started);
      return false;
    }
    ranks_.wait({.ready = [] { return false; },
                 .ends_on_yield = !scoring,
                 .each_second = [=, this] { beat(beats_from, phase, grows); }});
    sweep();
    record_ = exit_record(ranks_.status());
    const bool done = record_.code() == 0 && record_.signal() == 0;
    if (!done && !scoring) leaving();
    return done;
  }

  bool run_scripts(std::vector<std::string> rank) {
    if (leaving()) return false;
    StartOfRanks start = start_of_ranks(options_, plan_, scratch_, std::move(rank));
    const SpawnOptions how = spawning(
        std::move(start.argv), start.alone ? folder_.log(0) : folder_.gang_log(), Confinement::Part::kRanks);
    // One rank by itself is this program: a process of its own, but no start of a program.
    ToldEnd told;
    const auto body = [this, &how, &told] {
      const int prepared = confinement_.work() ? run_prepare(folder_, work_, plan_) : 0;
      return prepared == 0 ? run_script(options_, work_, plan_, how.environment, &told) : prepared;
    };
    if (const Status started = start.alone ? ranks_.start(body, how) : ranks_.start(how); !started.ok()) {
      cannot_start(started);
      return false;
    }
    const auto all_ready = [this, alone = start.alone] {
      for (int rank = 0; rank < world_ && !alone; ++rank)
        if (::access(work_.ready(rank).c_str(), F_OK) != 0) return false;
      return true;
    };
    ranks_.wait({.ready = all_ready, .ends_on_yield = false, .each_second = {}});
    sweep();
    record_ = exit_record(ranks_.status());
    return scripts_finished(start.alone ? &told : nullptr);
  }

  bool read_end(int rank, v1::RankExit& ended) const {
    const Result<std::string> bytes = read_plain_file(work_.ended(rank));
    return bytes.ok() && ended.ParseFromString(*bytes);
  }

  // What the scripts left with: mpirun knows only of the first that failed.
  bool scripts_finished(const ToldEnd* told) {
    int yielded = -1, finished = 0;
    for (int rank = 0; rank < world_; ++rank) {
      v1::RankExit ended;
      if (!(told != nullptr ? told->read(ended) : read_end(rank, ended))) continue;
      *record_.add_ranks() = ended;
      if (ended.signal() == 0 && ended.code() == kExitYielded && yielded < 0) yielded = rank;
      finished += ended.signal() == 0 && ended.code() == 0;
    }
    if (record_.code() != 0 || record_.signal() != 0) return false;
    if (yielded >= 0) {
      leave(fmt::format("the script left with 75 (rank {}); the next attempt goes on from its checkpoint",
                        yielded));
      return false;
    }
    if (finished == world_) return true;
    record_.set_code(1);
    ranks_.note("not every rank said how its script ended");
    return false;
  }

  // A wish to yield that came while there was nothing to save.
  bool leaving() {
    if (ranks_.yield_wanted()) leave("left on request, before the script had begun");
    if (ranks_.stopped() && record_.code() == 0 && record_.signal() == 0) record_.set_signal(SIGTERM);
    return ranks_.yield_wanted() || ranks_.stopped();
  }

  void leave(const std::string& why) {
    v1::Outcome outcome;
    outcome.set_kind(v1::Outcome::YIELDED);
    outcome.set_message(why);
    if (const Status written = folder_.write_outcome(outcome); !written.ok()) ranks_.note(written.message());
    record_.set_code(kExitYielded);
    record_.set_signal(0);
  }

  void cannot_start(const Status& why) {
    record_.set_code(127);
    ranks_.note(why.message());
  }

  void sweep() {
    confinement_.sweep();
    if (!ranks_.sweep()) ranks_.note("a process of the ranks could not be killed");
  }

  void beat(int from, v1::Phase phase, const fs::path& grows) {
    ++beats_;
    std::error_code none;
    const uint64_t size = grows.empty() ? 0 : fs::file_size(grows, none);
    for (int rank = from; rank < world_; ++rank) {
      Result<ReportWriter> writer = ReportWriter::open(folder_, rank);
      if (!writer.ok()) continue;
      v1::Report report;
      report.set_time_us(to_micros(SystemClock().wall()));
      report.mutable_beat()->set_phase(phase);
      report.mutable_beat()->set_progress(grows.empty() ? beats_ : (none ? 1 : size + 1));
      const Status lost = writer->append(report);
      if (!lost.ok()) log_warning("a report is lost", {{"reason", lost.message()}});
    }
  }

  const GangOptions& options_;
  const v1::Plan& plan_;
  const AttemptFolder folder_;
  const WorkFolder work_;
  const fs::path& scratch_;
  Confinement& confinement_;
  const int world_;
  Ranks ranks_;
  v1::ExitRecord record_;
  uint64_t beats_ = 0;
};

}  // namespace

v1::ExitRecord run_command_parts(const GangOptions& options, const v1::Plan& plan, const fs::path& scratch,
                                 Confinement& confinement) {
  v1::ExitRecord record = Parts(options, plan, scratch, confinement).run();
  runtime::remove_folder(WorkFolder(AttemptFolder(options.folder)).root());
  return record;
}

}  // namespace rekindle::launch
