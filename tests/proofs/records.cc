#include "records.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <fstream>
#include <set>

namespace rekindle::trainer {

Epochs epochs_of(const TestRun& run, const std::vector<v1::Plan>& attempts) {
  Epochs out;
  std::map<uint64_t, uint64_t> epoch_of_step;
  for (const auto& plan : attempts) {
    std::map<uint64_t, std::vector<int64_t>> rows;
    for (uint32_t rank = 0; rank < plan.world(); ++rank) {
      std::ifstream lines(run.folder(plan).root() / ("record-" + std::to_string(rank) + ".jsonl"));
      for (std::string line; std::getline(lines, line);) {
        const auto record = boost::json::parse(line);
        const auto step = record.at("step").to_number<uint64_t>();
        if (const auto* loss = record.as_object().if_contains("loss")) {
          out.loss_of_step[step] = loss->to_number<double>();
          continue;
        }
        auto& taken = rows[step];
        for (const auto& row : record.at("rows").as_array()) taken.push_back(row.to_number<int64_t>());
        epoch_of_step[step] = record.at("epoch").to_number<uint64_t>();
      }
    }
    if (rows.empty()) continue;
    out.rows_of_step.erase(out.rows_of_step.lower_bound(rows.begin()->first), out.rows_of_step.end());
    for (auto& [step, taken] : rows) {
      std::sort(taken.begin(), taken.end());
      out.rows_of_step[step] = taken;
    }
  }
  std::map<uint64_t, std::vector<int64_t>> rows_of_epoch;
  uint64_t next = 0;
  for (const auto& [step, taken] : out.rows_of_step) {
    if (step != next++) out.problem = "nobody took step " + std::to_string(step - 1);
    auto& rows = rows_of_epoch[epoch_of_step[step]];
    rows.insert(rows.end(), taken.begin(), taken.end());
  }
  out.epochs = rows_of_epoch.size();
  for (auto& [epoch, rows] : rows_of_epoch) {
    std::sort(rows.begin(), rows.end());
    for (size_t i = 0; i < rows.size() && out.problem.empty(); ++i) {
      if (rows[i] != static_cast<int64_t>(i))
        out.problem = "epoch " + std::to_string(epoch) + ": row " +
                      std::to_string(std::min(rows[i], static_cast<int64_t>(i))) +
                      (rows[i] < static_cast<int64_t>(i) ? " comes twice" : " is left out");
    }
    if (rows.size() != rows_of_epoch.begin()->second.size()) out.problem = "epochs of different sizes";
  }
  return out;
}

}  // namespace rekindle::trainer
