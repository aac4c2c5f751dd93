// The driver of event time: sends a slot's requests and due labels, has the node flush, lets the coordinator
// judge, and only then goes on. While a run is under way the clock stands, as an operator's would not but a
// slow machine's would: the outcome must not depend on how fast anything is.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/rows/replay/node_client.h"
#include "cli/rows/replay/report.h"
#include "cli/rows/replay/session.h"
#include "dataio/history/rows.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::cli::replay {

using dataio::history::Group;
using dataio::history::Rows;
using dataio::history::Slot;

struct DriverOptions {
  Micros run_takes{0};     // model clock from a trigger to its run's verdict
  Micros labels_after{0};  // from a request's event time to its labels
  std::vector<uint64_t> pins;
  uint64_t compare = 0;                 // version to compare with; 0: none
  std::chrono::seconds patience{1200};  // of a standing clock
};

using Say = std::function<void(const std::string& line)>;

class Driver {
 public:
  // `spec` is resolved. Referenced objects outlive the driver.
  Driver(Session& session, NodeClient& node, const Rows& rows, const v1::JobSpec& spec, DriverOptions options,
         Say say);

  // Begins the session, plays every slot and lets what was triggered come to its end. Fills all of the report
  // but the baselines and cron. The session stays open.
  Status run(Report& report);

  int64_t begin_us() const { return begin_us_; }
  int64_t end_us() const { return end_us_; }  // end of the last slot that holds rows

 private:
  void skip_until(int64_t clock_us);
  Status play_slot(int64_t start_us);
  Status send_requests(const Slot& slot);
  Result<bool> send_due_labels(int64_t start_us);
  Status advance(int64_t clock_us);
  Status note_triggers(const v1::ReplayState& state);
  void note_rollout(const v1::ReplayState& state);
  Status stand();
  Status finish_runs();
  Result<std::vector<double>> compare_rows(size_t begin, size_t end);
  Status end_week(int64_t until_us);
  std::string decision_text() const;
  Status finish_report();
  std::vector<InferJob> probe_jobs() const;
  std::chrono::seconds patience() const { return options_.patience; }

  struct Triggered {
    TriggeredRun run;
    int64_t queued_us = 0;
    int64_t clock_us = 0;  // when it was first seen
    bool over = false;
  };

  Session& session_;
  NodeClient& node_;
  const Rows& rows_;
  const v1::JobSpec& spec_;
  const dataio::LabelRule rule_;
  DriverOptions options_;
  Say say_;
  Report* report_ = nullptr;

  int64_t slot_us_, begin_us_, end_us_;
  int64_t clock_us_ = 0;
  size_t next_slot_ = 0;  // of rows_.slots
  dataio::history::Labels labels_;
  uint64_t settled_revision_ = 0;
  v1::ReplayState state_;
  std::map<std::string, Triggered> triggered_;  // by run
  std::vector<std::string> order_;              // of the triggers
  std::map<uint64_t, int64_t> serving_us_;      // version -> wall clock
  std::vector<double> served_, frozen_;         // rule_.outputs() a row, NaN: none
  Week week_;
  size_t week_first_row_ = 0, next_row_ = 0;
};

}  // namespace rekindle::cli::replay
