// The serving node of a backtest: answers a history's requests by the plan in force, and tells the event
// store what a node would tell. The same choice of version, the same predictors, the same records and counts;
// no HTTP and no spool.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "backtest/fits/store.h"
#include "dataio/history/rows.h"
#include "events/store.h"
#include "serving/loader.h"
#include "serving/snapshot.h"

namespace rekindle::backtest {

class Node {
 public:
  // All outlive it.
  static Result<Node> open(const FitStore& store, events::EventStore& events, const v1::JobSpec& spec,
                           const dataio::history::Rows& rows);

  Status follow(const v1::ServingPlan& plan);
  // Requests by version.
  Result<std::map<uint64_t, uint64_t>> answer(const dataio::history::Slot& slot);
  Status label(const std::vector<v1::LabelRecord>& labels);

  // Row-major, NaN: not answered yet; and by which version, 0: none.
  const std::vector<double>& answers() const { return answers_; }
  const std::vector<uint64_t>& versions() const { return versions_; }

 private:
  Node(const FitStore& store, events::EventStore& events, const v1::JobSpec& spec,
       const dataio::history::Rows& rows, serving::Loader loader);
  Status append(v1::EventBatch batch);

  const FitStore& store_;
  events::EventStore& events_;
  const v1::JobSpec& spec_;
  dataio::LabelRule rule_;
  dataio::Table inputs_;  // of all rows
  serving::Loader loader_;
  std::map<uint64_t, serving::VersionPtr> loaded_;
  std::shared_ptr<const serving::Snapshot> snapshot_;
  uint64_t seq_ = 0;
  std::vector<double> answers_;
  std::vector<uint64_t> versions_;
};

// The columns that a request of this job carries, in the order of the version's inputs.
dataio::Table inputs_of(const v1::Data& data, const dataio::Table& rows);

}  // namespace rekindle::backtest
