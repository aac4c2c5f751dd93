#include "tests/decisions/life.h"

#include <fmt/format.h>

#include <algorithm>

#include "artifacts/store.h"
#include "backtest/fits/matrix.h"
#include "backtest/setting.h"
#include "base/check.h"
#include "dataio/history/rows.h"
#include "dataio/snapshot.h"
#include "jobs/spec.h"
#include "proto/time.h"
#include "registry/aliases.h"
#include "tests/worlds/specs.h"

namespace rekindle::decisions {
namespace {

constexpr int64_t kStart = 18'262 * kDay;  // 2020-01-01
constexpr int64_t kRowsAfter = 20'000;     // of a world that goes on, to know a version's true loss by

int64_t rows_of(const Life& life) {
  return int64_t{life.days} * 24 * life.rows_an_hour;
}
int64_t time_of(const Life& life, int64_t row) {
  return kStart + row * (kHour / life.rows_an_hour);
}

worlds::World world_of(const Life& life) {
  Result<worlds::World> world = worlds::world(life.world, life.seed, rows_of(life));
  CHECK(world.ok(), world.status().message());
  return std::move(world).value();
}

void add_snapshot(v1::BacktestRequest& request, artifacts::Store& store, const Life& life,
                  worlds::World& world, const std::string& name, int64_t first, int64_t rows) {
  const dataio::Table table = worlds::table_of(world, rows, time_of(life, first), kHour / life.rows_an_hour);
  const auto snapshot = dataio::make_snapshot(store, worlds::kDataset, name, table, "at", "made up");
  CHECK(snapshot.ok(), snapshot.status().message());
  *request.add_snapshots() = *snapshot;
}

// A version's mean loss on rows of its world.
Result<double> loss_of(const backtest::FitStore& store, const backtest::Setting& setting,
                       const dataio::history::Rows& rows, const std::string& manifest) {
  backtest::Matrix matrix(store, dataio::LabelRule(setting.spec.data().label()), setting.spec.data(), rows);
  TRY(matrix.add({.manifest = manifest}));
  return matrix.losses()[0].between(0, matrix.judged().rows()).mean();
}

}  // namespace

v1::BacktestRequest request_of(const fs::path& folder, const Life& life) {
  auto store = artifacts::open_folder_store(folder / "rows");
  CHECK(store.ok(), store.status().message());
  worlds::World world = world_of(life);
  v1::BacktestRequest request;
  const auto spec = jobs::parse_job(worlds::job_text(world), life.world + ".yaml");
  CHECK(spec.ok(), spec.status().message());
  *request.mutable_spec() = *spec;
  add_snapshot(request, **store, life, world, "first", 0, worlds::first_rows(rows_of(life)));
  add_snapshot(request, **store, life, world, "later", worlds::first_rows(rows_of(life)),
               rows_of(life) - worlds::first_rows(rows_of(life)));
  add_snapshot(request, **store, life, world, "after", rows_of(life), kRowsAfter);
  request.set_artifacts((folder / "rows").string());
  request.set_cache((folder / "cache").string());
  request.set_data(fmt::format("{}@later", worlds::kDataset));
  *request.mutable_slice() = to_proto(Micros(14 * kDay));
  *request.mutable_run_takes() = to_proto(Micros(kHour));
  for (const int64_t change : change_times(life)) request.add_changed_us(change);
  return request;
}

std::vector<int64_t> change_times(const Life& life) {
  std::vector<int64_t> out;
  for (const int64_t row : world_of(life).changes) out.push_back(time_of(life, row));
  return out;
}

Result<Lived> live(const fs::path& folder, const Life& life) {
  const v1::BacktestRequest request = request_of(folder, life);
  const backtest::FitStore store = TRY(backtest::FitStore::open(request.cache()));
  const backtest::Setting setting = TRY(backtest::prepare(request, store));
  const auto events = TRY(events::EventStore::open(folder / "events.db", store.artifacts(), true));
  backtest::Trainer trainer(store);
  backtest::Coordinator coordinator(store, *events, trainer,
                                    time_from_micros(setting.until_us + 3650 * kDay));
  TRY_STATUS(coordinator.begin(setting.spec, setting.initial));
  backtest::Node node = TRY(backtest::Node::open(store, *events, setting.spec, setting.rows));
  std::vector<int64_t> alarms;
  bool on = false;
  const auto watch = [&](double, int64_t slot_us) {
    const auto& words = coordinator.model().decision().words();
    const bool fired = std::any_of(words.begin(), words.end(),
                                   [](const auto& word) { return word.fired() && !word.for_more_rows(); });
    if (fired && !on) alarms.push_back(slot_us + kHour);
    on = fired;
  };
  backtest::Replayed played =
      TRY(backtest::replay(coordinator, node, setting.spec, setting.rows, setting.run_takes, watch));

  const auto rows_store = TRY(artifacts::open_folder_store(request.artifacts()));
  const dataio::history::Rows after = TRY(dataio::history::read_replay_rows(
      *rows_store, setting.spec.data(),
      {.snapshots = {request.snapshots(2)}, .slot_us = from_proto(setting.spec.data().slot()).count()}));
  backtest::Matrix first(store, dataio::LabelRule(setting.spec.data().label()), setting.spec.data(),
                         setting.rows);
  TRY(first.add({.manifest = coordinator.model().versions(0).manifest()}));
  Lived out{std::move(played.runs),
            std::move(alarms),
            {},
            setting.rows.times,
            {},
            from_proto(setting.spec.data().label().matures()).count()};
  for (size_t row = 0; row < out.times.size(); ++row) out.errors.push_back(first.error(0, row));
  for (const v1::AliasMove& move : coordinator.model().history()) {
    if (move.alias() != registry::kChampion || move.to() == 0) continue;
    const v1::Version* version = registry::find_version(coordinator.model(), move.to());
    out.losses.push_back(TRY(loss_of(store, setting, after, version->manifest())));
  }
  return out;
}

}  // namespace rekindle::decisions
