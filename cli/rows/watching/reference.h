// Rows of a reference as a profile, and windows of new rows scored against it: what a coordinator does with
// the counts of its serving nodes, for files and without one. Pure: tables in, scores out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataio/table.h"
#include "drift/profile.h"
#include "drift/psi.h"
#include "rekindle/v1/drift.pb.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::cli {

// Of the rows of a window over the reference's edges. Windows add up exactly.
struct WindowCounts {
  std::vector<std::vector<int64_t>> features;  // in the reference's order
  int64_t rows = 0;
  int64_t first_us = 0, last_us = 0;  // event times; 0 without rows

  void add(const WindowCounts& more);
};

class Reference {
 public:
  // The features of `data` that are numbers or categories; invalid_argument when there is none, or a column
  // of the rows is not what the spec says.
  static Result<Reference> make(const v1::Data& data, const dataio::Table& rows);

  int64_t rows() const { return rows_; }
  std::string sha256() const;  // of all that scores depend on
  WindowCounts empty() const;
  // not_found and invalid_argument name the column: a feed that has changed its form has not drifted.
  Result<WindowCounts> count(const dataio::Table& rows) const;
  std::vector<v1::Score> scores(const WindowCounts& window, const v1::DriftTrigger& trigger,
                                int64_t min_rows) const;

 private:
  std::string time_;
  int64_t rows_ = 0;
  std::vector<v1::FeatureProfile> profiles_;
  std::vector<drift::FeatureBins> bins_;
};

}  // namespace rekindle::cli
