#include "core/windows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/units.h"
#include "jobs/rows.h"
#include "jobs/spec.h"
#include "proto/candidates.h"
#include "proto/time.h"

namespace rekindle::core {
namespace {

constexpr int64_t kDayUs = 86'400'000'000;

bool in_range(const jobs::DatasetRef& ref, const std::string& name) {
  return ref.first.empty() || (ref.first <= name && name <= ref.last);
}

// When every row of a settled day had its label. A settled snapshot is named by its day; what is named
// otherwise counts from its newest row.
int64_t over_at_us(const v1::DatasetSnapshot& settled) {
  Result<Time> day = parse_time(settled.name());
  return day.ok() ? to_micros(*day) + kDayUs : settled.last_time_us() + 1;
}

// A day that was settled before it was noticed that rows of it are broken holds them: it is left out whole
// until they are released.
bool settled_unaware(const State& state, const v1::DatasetSnapshot& settled) {
  return std::any_of(state.quarantines.begin(), state.quarantines.end(), [&](const auto& item) {
    const v1::Quarantine& q = item.second;
    return q.model() == settled.dataset() && q.state() != v1::Quarantine::RELEASED &&
           settled.created_us() <= q.opened_us() && q.breach().from_us() <= settled.last_time_us() &&
           settled.first_time_us() < q.breach().until_us();
  });
}

bool by_time(const v1::DatasetSnapshot& a, const v1::DatasetSnapshot& b) {
  return std::make_tuple(a.first_time_us(), std::string_view(a.dataset()), std::string_view(a.name())) <
         std::make_tuple(b.first_time_us(), std::string_view(b.dataset()), std::string_view(b.name()));
}

std::string when(int64_t us) {
  return format_time(time_from_micros(us));
}

// Where training rows begin by what `train` says itself, then by each of its candidates.
std::vector<int64_t> starts_of(const v1::Train& train, int64_t oldest, int64_t known, int64_t changed_us,
                               Micros late) {
  const Micros since_change = changed_us == 0 ? Micros::max() : Micros(known - changed_us);
  std::vector<int64_t> starts;
  for (int number = 0; number <= train.candidates_size(); ++number)
    starts.push_back(
        std::max(oldest, known - jobs::reach(train_of(train, number).rows(), since_change, late).count()));
  return starts;
}

// Knowing the label takes this long after the event.
int64_t known_after_us(const v1::JobSpec& spec) {
  return from_proto(spec.data().lateness()).count() + from_proto(spec.data().label().matures()).count();
}

}  // namespace

int64_t known_at_us(const v1::JobSpec& spec, const v1::Windows& windows) {
  return windows.until_us() + known_after_us(spec);
}

int64_t oldest_row_us(const State& state, const v1::JobSpec& spec) {
  const Result<jobs::DatasetRef> initial = jobs::parse_dataset_ref(spec.data().initial());
  int64_t oldest = INT64_MAX;
  const auto look = [&](const std::string& dataset, const auto& counts) {
    const auto found = state.datasets.find(dataset);
    if (found == state.datasets.end()) return;
    for (const auto& [name, snapshot] : found->second)
      if (snapshot.rows() > 0 && counts(name)) oldest = std::min(oldest, snapshot.first_time_us());
  };
  if (initial.ok()) look(initial->dataset, [&](const std::string& name) { return in_range(*initial, name); });
  look(spec.name(), [](const std::string&) { return true; });
  return oldest == INT64_MAX ? 0 : oldest;
}

int64_t learns_from_us(const v1::JobSpec& spec, int64_t oldest_us, int64_t as_of_us, int64_t changed_us) {
  if (oldest_us == 0) return 0;
  return starts_of(spec.train(), oldest_us, as_of_us, changed_us, Micros(known_after_us(spec))).front();
}

int64_t learns_until_us(const v1::JobSpec& spec, int64_t as_of_us) {
  return as_of_us - known_after_us(spec) - from_proto(spec.gate().holdout()).count();
}

uint64_t new_labels(const State& state, const v1::JobSpec& spec, const v1::Version& champion,
                    int64_t as_of_us) {
  const auto settled = state.datasets.find(spec.name());
  if (settled == state.datasets.end()) return 0;
  const int64_t known_until = champion.as_of_us() - known_after_us(spec);
  const int64_t cut = as_of_us - known_after_us(spec);
  uint64_t rows = 0;
  for (const auto& [name, snapshot] : settled->second)
    if (snapshot.last_time_us() >= known_until && over_at_us(snapshot) <= cut) rows += snapshot.rows();
  return rows;
}

Result<Selection> training_rows(const State& state, const v1::JobSpec& spec, int64_t as_of_us,
                                int64_t changed_us) {
  const int64_t cut = as_of_us - known_after_us(spec);
  Selection selection;
  jobs::DatasetRef initial = TRY(jobs::parse_dataset_ref(spec.data().initial()));
  if (auto found = state.datasets.find(initial.dataset); found != state.datasets.end())
    for (const auto& [name, snapshot] : found->second)
      if (in_range(initial, name) && snapshot.rows() > 0 && snapshot.first_time_us() < cut)
        selection.data.push_back(snapshot);
  const bool any_initial = !selection.data.empty();
  if (auto found = state.datasets.find(spec.name());
      found != state.datasets.end() && initial.dataset != spec.name())
    for (const auto& [name, snapshot] : found->second)
      if (snapshot.rows() > 0 && over_at_us(snapshot) <= cut && !settled_unaware(state, snapshot))
        selection.data.push_back(snapshot);
  if (selection.data.empty())
    return failed_precondition(
        fmt::format("no rows to train on as of {}: dataset '{}' has no rows before {}, and model '{}' none "
                    "that settled; import "
                    "it with `rekindle dataset import`",
                    when(as_of_us), spec.data().initial(), when(cut), spec.name()));

  int64_t oldest = INT64_MAX, newest = INT64_MIN;
  for (const auto& snapshot : selection.data) {
    oldest = std::min(oldest, snapshot.first_time_us());
    newest = std::max(newest, snapshot.last_time_us());
  }
  const int64_t end = std::min(cut, newest + 1);
  // The as-of time, or the moment at which the newest row's label was known when the rows end earlier.
  const int64_t known = end + known_after_us(spec);
  const std::vector<int64_t> starts = starts_of(spec.train(), oldest, known, changed_us, Micros(known - end));
  const auto [longest, shortest] = std::minmax_element(starts.begin(), starts.end());
  const int64_t start = *shortest;
  const int64_t holdout = end - from_proto(spec.gate().holdout()).count();
  if (holdout <= start)
    return failed_precondition(fmt::format(
        "rows from {} to {} leave nothing to train on before a holdout of {}{}: wait for more rows or "
        "lower gate.holdout",
        when(start), when(end), format_duration(from_proto(spec.gate().holdout())),
        any_initial ? "" : " (the initial snapshot has none)"));
  const auto validation =
      static_cast<int64_t>(std::llround(static_cast<double>(holdout - start) * spec.train().validation()));
  selection.windows.set_train_from_us(starts.front());
  selection.windows.mutable_candidates_from_us()->Assign(starts.begin() + 1, starts.end());
  selection.windows.set_valid_from_us(holdout - validation);
  selection.windows.set_holdout_from_us(holdout);
  selection.windows.set_until_us(end);
  // Whole snapshots that lie before the window are of no use to the ranks.
  std::erase_if(selection.data,
                [from = *longest](const auto& snapshot) { return snapshot.last_time_us() < from; });
  std::sort(selection.data.begin(), selection.data.end(), by_time);
  return selection;
}

Result<Selection> scored_rows(const State& state, std::string_view dataset) {
  jobs::DatasetRef ref = TRY(jobs::parse_dataset_ref(dataset));
  Selection selection;
  if (auto found = state.datasets.find(ref.dataset); found != state.datasets.end())
    for (const auto& [name, snapshot] : found->second)
      if (in_range(ref, name) && snapshot.rows() > 0) selection.data.push_back(snapshot);
  if (selection.data.empty())
    return not_found(fmt::format(
        "dataset '{}' has no rows to score; `rekindle dataset list` shows what there is", dataset));
  std::sort(selection.data.begin(), selection.data.end(), by_time);
  int64_t newest = INT64_MIN;
  for (const auto& snapshot : selection.data) newest = std::max(newest, snapshot.last_time_us());
  // All rows are held-back rows here: nothing is fitted.
  int64_t oldest = selection.data.front().first_time_us();
  selection.windows.set_train_from_us(oldest);
  selection.windows.set_valid_from_us(oldest);
  selection.windows.set_holdout_from_us(oldest);
  selection.windows.set_until_us(newest + 1);
  return selection;
}

}  // namespace rekindle::core
