// What the columns of a table are good for, given which one is the label and which the event time.
//
// Pure: a table in, findings out. Knows nothing of files or YAML. A finding is a proposal with its reason:
// its reader knows the columns, this knows their values alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "dataio/table.h"
#include "rekindle/v1/job.pb.h"

namespace rekindle::cli {

enum class Use { kTime, kLabel, kNumeric, kCategorical, kSuspect, kLeftOut };

struct Finding {
  std::string column;
  Use use = Use::kLeftOut;
  std::string reason;
  double missing = 0;    // share of rows
  size_t distinct = 0;   // values, counted up to kDistinctMax + 1
  double explains = -1;  // share of the label's uncertainty that this column alone removes; -1: not asked
};

inline constexpr size_t kDistinctMax = 1000;

struct Inspection {
  v1::Label::Kind label_kind = v1::Label::BINARY;
  std::vector<std::string> classes;  // multiclass: by falling frequency
  std::vector<Finding> findings;     // in the order of the columns
  int64_t rows = 0, labelled = 0;
  Time first{}, last{};
  Micros matures{};          // what the values say of when labels are known; 0: nothing
  std::string matures_from;  // the column that says so
};

// invalid_argument and not_found name the column and what to do.
Result<Inspection> inspect(const dataio::Table& table, const std::string& time, const std::string& label);

}  // namespace rekindle::cli
