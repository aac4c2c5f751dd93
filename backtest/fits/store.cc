#include "backtest/fits/store.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <signal.h>

#include <cerrno>
#include <cstdlib>
#include <vector>

#include "artifacts/manifest.h"
#include "base/files.h"
#include "base/hash.h"

namespace rekindle::backtest {
namespace {

// Another release may train otherwise, or tell of it what another gate asks.
constexpr std::string_view kMadeBy = "rekindle " REKINDLE_VERSION ", evaluation 2";

std::string bytes_of(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream out(&stream);
  out.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&out);
  out.Trim();
  return bytes;
}

// Nothing where there is no such file, or it is not whole.
template <typename Message>
Result<std::optional<Message>> read_kept(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return std::optional<Message>();
  Message message;
  if (!message.ParseFromString(TRY(read_file(path)))) return std::optional<Message>();
  return std::optional(std::move(message));
}

// What a backtest that was killed left behind: names end in its process.
void sweep(const fs::path& scratch) {
  std::error_code ignored;
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(scratch, ignored)) {
    const std::string name = entry.path().filename().string();
    const size_t dash = name.find('-');
    const int pid = dash == std::string::npos ? 0 : std::atoi(name.c_str() + dash + 1);
    if (pid > 0 && kill(pid, 0) != 0 && errno == ESRCH) left.push_back(entry.path());
  }
  for (const fs::path& path : left) fs::remove_all(path, ignored);
}

}  // namespace

std::string fit_key(const v1::Plan& plan) {
  v1::Plan what = plan;
  // When, why and where.
  what.clear_run();
  what.clear_attempt();
  what.clear_submitted_by();
  what.clear_cause();
  what.clear_spec_sha256();
  what.clear_artifacts();
  what.clear_checkpoints();
  what.clear_environments();
  what.clear_start_nonce();
  what.clear_leave_by_us();
  what.clear_champion_version();
  what.clear_start_version();
  for (v1::Beginning& start : *what.mutable_candidate_starts()) start.clear_version();
  // What rules over a fit and is no part of it.
  v1::JobSpec& spec = *what.mutable_spec();
  spec.clear_retrain();
  spec.clear_serve();
  // The holdout's bounds are among the windows; what the serving program makes of a version is told by the
  // trainer, which also chooses among candidates by the metric.
  const v1::Gate gate = spec.gate();
  spec.clear_gate();
  if (gate.has_serving()) spec.mutable_gate()->mutable_serving();
  if (spec.train().candidates_size() > 0) spec.mutable_gate()->set_metric(gate.metric());
  spec.clear_priority();
  spec.mutable_data()->clear_initial();
  spec.mutable_data()->mutable_label()->clear_matures();
  spec.mutable_data()->clear_lateness();
  spec.mutable_data()->clear_slot();
  spec.mutable_train()->clear_limits();
  // Code by its digest alone.
  spec.mutable_train()->clear_code();
  if (spec.has_code()) {
    spec.mutable_code()->clear_commit();
    spec.mutable_code()->clear_dirty();
  }
  // Which rows are kept of a window is part of it; how far the window reaches back is among the windows.
  v1::Rows& rows = *spec.mutable_train()->mutable_rows();
  if (rows.has_last() || rows.has_since_drift()) rows.Clear();
  // Rows by their digests alone.
  for (v1::DatasetSnapshot& snapshot : *what.mutable_data()) {
    snapshot.clear_dataset();
    snapshot.clear_name();
    snapshot.clear_created_us();
    snapshot.clear_source();
  }
  return sha256_hex(std::string(kMadeBy) + bytes_of(what));
}

Result<FitStore> FitStore::open(const fs::path& folder) {
  FitStore store(folder);
  TRY_STATUS(make_folders_durably(folder / "fits"));
  TRY_STATUS(make_folders_durably(folder / "trees"));
  TRY_STATUS(make_folders_durably(store.scratch()));
  sweep(store.scratch());
  store.artifacts_ = TRY(artifacts::open_folder_store(store.artifacts_folder()));
  return store;
}

models::PredictorOptions FitStore::predictors() const {
  models::PredictorOptions out;
  out.environments = environments();
  out.allow_packages = true;
  return out;
}

Result<std::optional<v1::Outcome>> FitStore::find(const std::string& key) const {
  std::optional<v1::Outcome> outcome = TRY(read_kept<v1::Outcome>(file_of(key)));
  if (outcome && !artifacts::load_manifest(*artifacts_, outcome->manifest(), artifacts::Verify::kSize).ok())
    outcome.reset();
  return outcome;
}

Status FitStore::keep(const std::string& key, const v1::Outcome& outcome) const {
  return write_file_durably(file_of(key), bytes_of(outcome));
}

Result<std::optional<v1::KeptTrees>> FitStore::find_trees(const std::string& key) const {
  return read_kept<v1::KeptTrees>(trees_of(key));
}

Status FitStore::keep_trees(const std::string& key, const v1::KeptTrees& trees) const {
  return write_file_durably(trees_of(key), bytes_of(trees));
}

Status FitStore::bring(const artifacts::Store& from, const v1::DatasetSnapshot& snapshot) const {
  for (const v1::SnapshotPart& part : snapshot.parts()) {
    if (TRY(artifacts_->exists(part.sha256()))) continue;
    TRY(artifacts_->put_file(TRY(from.path(part.sha256()))));
  }
  return ok_status();
}

}  // namespace rekindle::backtest
