// rekindle-gang and its ranks, as the simulator plays them on the real files of their attempts: they take the
// lock, write records and reports, and end by their fate, by a signal, with their node, or never. They
// outlive the coordinator.
//
// What it watches over: never two gangs of one run at once, never more ranks on this host than it has slots,
// and no gang of a placement that is not durable.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>

#include "artifacts/store.h"
#include "launch/launcher.h"
#include "launch/report_log.h"
#include "tests/simulation/whole/outside.h"
#include "tests/simulation/whole/turns.h"

namespace rekindle::whole {

// One rank's report log, on a file system that loses, delays, repeats and tears.
class FaultyLog {
 public:
  FaultyLog(Outside& outside, const launch::AttemptFolder& folder, int rank);
  void append(const v1::Report& report);
  void tear();  // the writer died in the middle of a record

 private:
  Outside& outside_;
  fs::path path_;
  std::optional<launch::ReportWriter> writer_;
  std::vector<v1::Report> held_;  // on their way
  std::string rest_;              // of a record that is half there
};

struct Gang {
  enum class Stage { kComing, kRunning, kRemains, kGone };
  enum class Fate {
    kFinish,
    kFinishBadly,
    kFinishFew,
    kNoOutcome,
    kTornOutcome,
    kCrash,
    kRefuse,
    kHang,
    kSilent,
    kKilled
  };

  explicit Gang(launch::AttemptFolder at) : folder(std::move(at)) {}
  bool live() const { return stage == Stage::kRunning || stage == Stage::kRemains; }

  launch::AttemptFolder folder;
  std::string run;  // known once it has read its plan
  uint32_t attempt = 0;
  uint32_t ranks = 0;
  uint64_t job = 0;  // of Slurm's; 0: on this host
  Stage stage = Stage::kComing;
  Fate fate = Fate::kFinish;
  Instant begins, ends, beats;
  int code = 0;       // how it left
  bool told = false;  // to save and leave
  uint64_t steps = 0;
  std::optional<Fd> lock;
  std::vector<FaultyLog> logs;
};

class Gangs {
 public:
  Gangs(Outside& outside, artifacts::Store& store, uint32_t slots)
      : outside_(outside), store_(store), slots_(slots) {}

  // Whether the attempt's placement is durable.
  std::function<bool(const std::string& run, uint32_t attempt)> placed;

  std::shared_ptr<Gang> spawn(const launch::AttemptFolder& folder, uint64_t job, Micros after);
  void signal(Gang& gang, launch::Signal signal);
  // Its supervisor is gone without a word; its ranks follow within `ranks_after`.
  void kill(Gang& gang, std::optional<Micros> ranks_after);
  void host_died();                                          // everything on this host
  std::shared_ptr<Gang> find(const fs::path& folder) const;  // the one that lives, else the newest

  void pass();  // up to now
  std::optional<Instant> next() const;
  size_t live() const;

 private:
  void begin(Gang& gang);
  void beat(Gang& gang);
  void end(Gang& gang);
  void leave(Gang& gang, int code, int signal);
  void write_outcome(Gang& gang);
  void damage(const fs::path& file);
  void check(const Gang& gang);

  Outside& outside_;
  artifacts::Store& store_;
  const uint32_t slots_;
  std::list<std::shared_ptr<Gang>> gangs_;
};

}  // namespace rekindle::whole
