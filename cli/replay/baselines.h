// What needs no model: the constant rate and a table of rates, both from the labels of the job's initial
// dataset alone. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/replay/rows.h"

namespace rekindle::cli::replay {

// How rows fall into the table's cells: the hour of the event time (UTC), or floor(column / width).
struct TableBy {
  std::string column;  // empty: the event time
  double width = 1;
  std::string words() const;
};
Result<TableBy> parse_table_by(const std::string& text);  // "", "sched_minute/60", "weekday"

class Baselines {
 public:
  // failed_precondition when no row is labelled.
  static Result<Baselines> fit(const Rows& rows, const TableBy& by);

  double constant() const { return constant_; }
  std::vector<double> table(const Rows& rows) const;  // one probability a row

 private:
  TableBy by_;
  double constant_ = 0;
  std::map<std::string, double> rates_;
};

}  // namespace rekindle::cli::replay
