// What needs no model: the constant answer (rate, class shares or mean) and a table of them, both from the
// labels of the job's initial dataset alone. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "dataio/history/rows.h"
#include "dataio/labels.h"

namespace rekindle::cli::replay {

using dataio::history::Rows;

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
  static Result<Baselines> fit(const dataio::LabelRule& rule, const Rows& rows, const TableBy& by);

  const std::vector<double>& constant() const { return constant_; }  // one row's answer
  // Answers of all rows, row-major.
  std::vector<double> constant(const Rows& rows) const;
  std::vector<double> table(const Rows& rows) const;

 private:
  TableBy by_;
  std::vector<double> constant_;
  std::map<std::string, std::vector<double>> answers_;  // of each cell
};

}  // namespace rekindle::cli::replay
