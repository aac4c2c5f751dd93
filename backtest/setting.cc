#include "backtest/setting.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "backtest/backtest.h"
#include "backtest/trees/reference.h"
#include "base/units.h"
#include "dataio/snapshot.h"
#include "jobs/spec.h"
#include "jobs/task.h"
#include "proto/time.h"

namespace rekindle::backtest {
namespace {

constexpr int64_t kDayUs = 86'400'000'000;

// The job as one rank on this host makes it; nothing else of it changes.
Result<v1::JobSpec> job_of(const v1::BacktestRequest& request) {
  v1::JobSpec spec = request.spec();
  if (jobs::is_task(spec))
    return failed_precondition(fmt::format(
        "'{}' is a plain task: no version comes of it, so there is no policy to try", spec.name()));
  v1::Ranks& ranks = *spec.mutable_train()->mutable_ranks();
  ranks.Clear();
  ranks.set_count(1);
  spec.clear_pool();
  spec.clear_waive();
  if (request.has_label_delay())
    *spec.mutable_data()->mutable_label()->mutable_matures() = request.label_delay();
  TRY_STATUS(jobs::check(spec));
  return TRY(jobs::resolve(spec)).spec;
}

bool among(const std::vector<v1::DatasetSnapshot>& snapshots, const v1::DatasetSnapshot& one) {
  return std::any_of(snapshots.begin(), snapshots.end(), [&one](const v1::DatasetSnapshot& other) {
    return other.dataset() == one.dataset() && other.name() == one.name();
  });
}

Status check_labels(const Setting& setting, const std::string& column) {
  const auto labelled = std::count_if(setting.rows.labels.begin(), setting.rows.labels.end(),
                                      [](double label) { return !std::isnan(label); });
  if (labelled > 0) return ok_status();
  return failed_precondition(
      fmt::format("none of the {} rows of {} has a label in '{}': without labels nothing can be judged",
                  setting.rows.labels.size(), setting.history, column));
}

Status check_slices(const Setting& setting) {
  const size_t slices = slice_ends(setting.from_us, setting.until_us, setting.slice_us).size();
  if (slices >= kSlicesLeast) return ok_status();
  const int64_t days = (setting.until_us - setting.from_us) / kDayUs;
  const int64_t fits = std::max<int64_t>(1, days / static_cast<int64_t>(kSlicesLeast));
  return failed_precondition(fmt::format(
      "{} covers {} days, {} slices of {}: a backtest needs {} at least; use --slice {}d or a longer history",
      setting.history, days, slices, format_duration(Micros(setting.slice_us)), kSlicesLeast, fits));
}

// Where nobody asked for them by a path, trees that cannot be are a remark.
Status find_trees(const v1::BacktestRequest& request, Setting& setting) {
  if (request.trees().empty() || request.trees() == "no") return ok_status();
  setting.no_trees = no_trees_for(setting.spec);
  if (!setting.no_trees.empty()) return ok_status();
  Result<LightGbm> library = LightGbm::open(request.trees());
  if (!library.ok() && request.trees() != "auto") return library.status();
  if (library.ok())
    setting.trees = *library;
  else
    setting.no_trees = library.status().message();
  return ok_status();
}

}  // namespace

Result<Setting> prepare(const v1::BacktestRequest& request, const FitStore& store) {
  Setting setting;
  const std::vector<std::string> names(request.policies().begin(), request.policies().end());
  setting.policies = TRY(parse_policies(names));
  setting.spec = TRY(job_of(request));
  setting.history = request.data();
  setting.run_takes = from_proto(request.run_takes());
  setting.slice_us = from_proto(request.slice()).count();
  TRY_STATUS(find_trees(request, setting));
  if (setting.slice_us < kDayUs) return invalid_argument("a slice is a day at least, as in --slice 28d");

  const auto artifacts = TRY(artifacts::open_folder_store(request.artifacts()));
  const std::vector<v1::DatasetSnapshot> all(request.snapshots().begin(), request.snapshots().end());
  setting.initial = TRY(dataio::select_snapshots(setting.spec.data().initial(), all));
  std::vector<v1::DatasetSnapshot> history = TRY(dataio::select_snapshots(request.data(), all));
  std::erase_if(history, [&](const auto& snapshot) { return among(setting.initial, snapshot); });
  if (history.empty())
    return failed_precondition(fmt::format(
        "{} holds only the rows that version 1 is trained on ({}): there is no history after them",
        request.data(), setting.spec.data().initial()));
  for (const v1::DatasetSnapshot& snapshot : setting.initial) TRY_STATUS(store.bring(*artifacts, snapshot));
  setting.rows =
      TRY(dataio::history::read_replay_rows(*artifacts, setting.spec.data(),
                                            {.snapshots = history,
                                             .group_by = request.group_by(),
                                             .until_us = request.until_us(),
                                             .slot_us = from_proto(setting.spec.data().slot()).count()}));
  setting.from_us = setting.rows.slots.front().start_us;
  setting.until_us = setting.rows.slots.back().start_us + from_proto(setting.spec.data().slot()).count();
  TRY_STATUS(check_labels(setting, setting.spec.data().label().column()));
  TRY_STATUS(check_slices(setting));
  return setting;
}

}  // namespace rekindle::backtest
