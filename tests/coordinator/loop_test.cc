// From a published version through traffic to judgements and settled days: what event intake and the core
// tell each other, with no trainer and no node but the test itself.
#include <google/protobuf/util/json_util.h>

#include "artifacts/manifest.h"
#include "base/hash.h"
#include "coordinator/journal/sqlite.h"
#include "tests/coordinator/harness.h"
#include "tests/events/traffic.h"

namespace rekindle::coordinator {
namespace {

using events::kHour;
using events::kStart;

class TheLoop : public testing::Test {
 protected:
  void SetUp() override {
    start();
    v1::JobSpec spec = events::demand_spec();
    spec.mutable_data()->set_initial("flights@2013-01");
    spec.mutable_train()->mutable_model()->mutable_linear();
    v1::ApplyRequest apply;
    *apply.mutable_spec() = spec;
    must<v1::ApplyResponse>("JobService/Apply", apply);
    must<v1::DatasetSnapshot>("DataService/AddSnapshot", sample_snapshot(state() / "artifacts"));
  }
  void start() {
    daemon_.reset();
    daemon_ = std::make_unique<TestDaemon>(state(), launcher_);
    ASSERT_TRUE(daemon_->started().ok()) << daemon_->started().to_string();
    client_ = std::make_unique<net::ConnectClient>(daemon_->client());
  }
  fs::path state() const { return folder_.path() / "state"; }

  template <typename Resp, typename Req>
  Resp must(const std::string& method, const Req& request) {
    auto result = coordinator::call<Resp>(*client_, method, request);
    EXPECT_TRUE(result.ok()) << method << ": " << result.status().to_string();
    return result.ok() ? *result : Resp();
  }
  v1::Run run(const std::string& id) {
    v1::GetRunRequest request;
    request.set_id(id);
    return must<v1::Run>("RunService/GetRun", request);
  }

  // A candidate as a trainer would leave it; `damage` spoils a file after the manifest was written.
  v1::Outcome candidate(bool damage) {
    auto store = artifacts::open_folder_store(state() / "artifacts").value();
    std::string profile;
    EXPECT_TRUE(google::protobuf::util::MessageToJsonString(events::demand_profile(), &profile).ok());
    artifacts::ManifestWriter writer(*store, "demand");
    EXPECT_TRUE(writer.add("profile.json", profile).ok());
    EXPECT_TRUE(writer.add("model.json", "{}").ok());
    v1::Outcome outcome;
    outcome.set_kind(v1::Outcome::FINISHED);
    outcome.set_manifest(writer.finish().value());
    if (damage) {
      const fs::path file = store->path(sha256_hex("{}"), artifacts::Verify::kSize).value();
      fs::permissions(file, fs::perms::owner_all);
      std::ofstream(file) << "[]";
    }
    v1::SliceSums& whole = *outcome.mutable_evaluation()->add_slices();
    whole.set_rows(1000);
    whole.set_positives(400);
    whole.set_candidate_log_loss_sum(500);
    whole.set_constant_log_loss_sum(670);
    whole.set_candidate_auroc(0.8);
    outcome.mutable_evaluation()->set_constant_rate(0.4);
    return outcome;
  }

  // Runs the job once; the test is its gang.
  void train(const std::string& id, const v1::Outcome& outcome) {
    v1::StartRunRequest request;
    request.set_job("demand");
    must<v1::Run>("RunService/StartRun", request);
    ASSERT_TRUE(eventually([&] {
      v1::Run now = run(id);
      return now.attempts_size() == 1 && now.attempts(0).state() == v1::Attempt::STARTED;
    }));
    launch::AttemptFolder folder(state() / "runs" / id / "1");
    ASSERT_TRUE(folder.write_outcome(outcome).ok());
    launcher_.with([&](launch::FakeLauncher& fake) { fake.end(folder, v1::ExitRecord()); });
  }

  void begin_replay() {
    v1::BeginReplayRequest begin;
    begin.set_model("demand");
    begin.set_session("s");
    begin.set_clock_us(kStart);
    must<v1::ReplayState>("ReplayService/BeginReplay", begin);
  }
  // One hour of requests with their labels, then the clock moves past it.
  v1::ReplayState hour(int h) {
    const int64_t from = kStart + h * kHour;
    std::vector<v1::RequestRecord> requests;
    std::vector<v1::LabelRecord> labels;
    for (int i = 0; i < 4; ++i) {
      const events::Asked asked = events::request(from + i * 60'000'000, i, 5);
      requests.push_back(asked.record);
      labels.push_back(asked.labels);
    }
    const v1::EventBatch batch = node_.batch(requests, labels);
    net::ConnectClient node = daemon_->serving_client();
    auto taken = coordinator::call<v1::AppendResponse>(node, "EventService/Append", batch);
    EXPECT_TRUE(taken.ok()) << taken.status().to_string();
    return advance(h + 1);
  }
  v1::ReplayState advance(int hours) {
    v1::AdvanceRequest advance;
    advance.set_model("demand");
    advance.set_session("s");
    advance.set_clock_us(kStart + hours * kHour);
    return must<v1::ReplayState>("ReplayService/Advance", advance);
  }
  std::vector<std::string> settled() {
    v1::ListDatasetsRequest list;
    list.set_dataset("demand");
    std::vector<std::string> names;
    auto found = coordinator::call<v1::ListDatasetsResponse>(*client_, "DataService/ListDatasets", list);
    if (found.ok())
      for (const v1::DatasetSnapshot& snapshot : found->snapshots()) names.push_back(snapshot.name());
    return names;
  }

  TempFolder folder_;
  SharedLauncher launcher_;
  events::Node node_{"node-1"};
  std::unique_ptr<TestDaemon> daemon_;
  std::unique_ptr<net::ConnectClient> client_;
};

TEST_F(TheLoop, ADamagedCandidateIsNeverPublished) {
  train("demand-1", candidate(true));
  // What the trainer left cannot be trusted: a failure of the attempt, tried again.
  ASSERT_TRUE(eventually([&] { return run("demand-1").data_failures() > 0; }));
  EXPECT_EQ(run("demand-1").version(), 0u);
  v1::ListVersionsRequest list;
  list.set_model("demand");
  EXPECT_EQ(must<v1::ModelState>("RegistryService/ListVersions", list).versions_size(), 0);
}

TEST_F(TheLoop, SealedSlotsAreJudgedInOrderAndDaysSettle) {
  train("demand-1", candidate(false));
  ASSERT_TRUE(eventually([&] { return run("demand-1").state() == v1::PUBLISHED; }))
      << run("demand-1").DebugString();
  EXPECT_EQ(run("demand-1").version(), 1u);
  begin_replay();
  for (int h = 0; h < 50; ++h) {
    v1::ReplayState state = hour(h);
    // Lateness is an hour: at h + 1 the slot h - 1 is sealed.
    if (h >= 2) {
      ASSERT_EQ(state.window().slot_us(), kStart + (h - 1) * kHour) << h;
      ASSERT_EQ(state.window().version(), 1u);
    }
    if (h == 20) start();  // a restart in the middle changes nothing
  }
  // 1 February is over at hour 24, its labels known a day later, all of it in an hour after that.
  EXPECT_EQ(settled(), (std::vector<std::string>{"2013-02-01"}));
  advance(73);
  EXPECT_EQ(settled(), (std::vector<std::string>{"2013-02-01", "2013-02-02"}));
  v1::DriftStatusRequest request;
  request.set_model("demand");
  auto status = must<v1::DriftStatusResponse>("DataService/DriftStatus", request);
  EXPECT_EQ(status.watermark_us(), kStart + 72 * kHour);
  EXPECT_EQ(status.requests(), 200u);
  EXPECT_EQ(status.labelled_rows(), 1000u);
  EXPECT_EQ(status.decision().judged_slot_us(), kStart + 71 * kHour);
  EXPECT_EQ(status.champion(), 1u);
  v1::ListVersionsRequest versions;
  versions.set_model("demand");
  EXPECT_EQ(status.champion_as_of_us(),
            must<v1::ModelState>("RegistryService/ListVersions", versions).versions(0).as_of_us());
  EXPECT_EQ(status.retrain().persistence().of(), 3u) << "resolved";
  EXPECT_EQ(status.judgements_size(), 0) << "none were asked for";
  request.set_judgements(3);
  status = must<v1::DriftStatusResponse>("DataService/DriftStatus", request);
  ASSERT_EQ(status.judgements_size(), 3);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(status.judgements(i).window().slot_us(), kStart + (69 + i) * kHour) << i;
  EXPECT_EQ(status.judgements(2).reason(), status.decision().last_reason());
  request.set_judgements(1001);
  EXPECT_EQ(coordinator::call<v1::DriftStatusResponse>(*client_, "DataService/DriftStatus", request)
                .status()
                .code(),
            Code::kInvalidArgument);
  v1::WhyRequest why;
  why.set_model("demand");
  why.set_version(1);
  EXPECT_GT(must<v1::WhyResponse>("RegistryService/Why", why).steps_size(), 4);
}

TEST_F(TheLoop, WhatTheEventStoreSettledIsRegisteredAfterACrash) {
  train("demand-1", candidate(false));
  ASSERT_TRUE(eventually([&] { return run("demand-1").state() == v1::PUBLISHED; }));
  begin_replay();
  for (int h = 0; h < 50; ++h) hour(h);
  ASSERT_EQ(settled().size(), 1u);
  // As if the process had died between the event store's commit and the journal's: the journal is put
  // back to a copy from before.
  daemon_.reset();
  {
    auto db = Sqlite::open(state() / "journal.db");
    ASSERT_TRUE(db.ok());
    const int64_t seq =
        db->integer("SELECT min(seq) FROM events WHERE kind = 'snapshot_added' AND subject = 'demand'")
            .value();
    ASSERT_GT(seq, 0);
    ASSERT_TRUE(db->execute(("DELETE FROM events WHERE seq >= " + std::to_string(seq)).c_str()).ok());
    ASSERT_TRUE(db->execute("DELETE FROM snapshots").ok());
  }
  start();
  EXPECT_TRUE(settled().empty());
  advance(50);
  EXPECT_EQ(settled(), (std::vector<std::string>{"2013-02-01"}));
}

}  // namespace
}  // namespace rekindle::coordinator
