// The services over real HTTP, with gangs that the test plays.
#include "coordinator/attempts/logs.h"
#include "net/tokens.h"
#include "tests/coordinator/harness.h"

namespace rekindle::coordinator {
namespace {

class Api : public testing::Test {
 protected:
  void SetUp() override {
    daemon_ = std::make_unique<TestDaemon>(state(), launcher_);
    ASSERT_TRUE(daemon_->started().ok()) << daemon_->started().to_string();
    client_ = std::make_unique<net::ConnectClient>(daemon_->client());
  }
  fs::path state() const { return folder_.path() / "state"; }

  template <typename Resp, typename Req>
  Result<Resp> call(const std::string& method, const Req& request) {
    return coordinator::call<Resp>(*client_, method, request);
  }

  void apply_and_add_rows(const std::string& job = "flight-delay", uint32_t ranks = 2) {
    v1::ApplyRequest apply;
    *apply.mutable_spec() = sample_spec(job, ranks);
    auto applied = call<v1::ApplyResponse>("JobService/Apply", apply);
    ASSERT_TRUE(applied.ok()) << applied.status().to_string();
    auto added = call<v1::DatasetSnapshot>("DataService/AddSnapshot", sample_snapshot(state() / "artifacts"));
    ASSERT_TRUE(added.ok()) << added.status().to_string();
  }

  Result<v1::Run> start_run(const std::string& job = "flight-delay", const std::string& key = "") {
    v1::StartRunRequest start;
    start.set_job(job);
    start.set_idempotency_key(key);
    return call<v1::Run>("RunService/StartRun", start);
  }

  v1::Run run(const std::string& id) {
    v1::GetRunRequest get;
    get.set_id(id);
    auto found = call<v1::Run>("RunService/GetRun", get);
    EXPECT_TRUE(found.ok()) << found.status().to_string();
    return found.ok() ? *found : v1::Run();
  }

  bool reaches(const std::string& id, v1::RunState state) {
    return eventually([&] { return run(id).state() == state; });
  }

  // Attempt `n` of the run, once its gang has started.
  launch::AttemptFolder started_attempt(const std::string& id, int n = 1) {
    EXPECT_TRUE(eventually([&] {
      v1::Run now = run(id);
      return now.attempts_size() >= n && now.attempts(n - 1).state() == v1::Attempt::STARTED;
    })) << run(id).DebugString();
    return launch::AttemptFolder(this->state() / "runs" / id / std::to_string(n));
  }

  void end_attempt(const launch::AttemptFolder& folder, int code, int signal = 0) {
    v1::ExitRecord exit;
    exit.set_code(code);
    exit.set_signal(signal);
    launcher_.with([&](launch::FakeLauncher& fake) { fake.end(folder, exit); });
  }

  TempFolder folder_;
  SharedLauncher launcher_;
  std::unique_ptr<TestDaemon> daemon_;
  std::unique_ptr<net::ConnectClient> client_;
};

TEST_F(Api, HealthNeedsNoTokenAndEverythingElseDoes) {
  net::HttpClient nobody(net::ClientOptions{.url = daemon_->url()});
  EXPECT_EQ(nobody.request("GET", "/health")->status, 200);
  EXPECT_EQ(nobody.request("GET", "/metrics")->status, 401);
  EXPECT_EQ(nobody.request("POST", "/rekindle.v1.AdminService/Status", "{}")->status, 401);
  net::ConnectClient serving = daemon_->serving_client();
  auto refused = coordinator::call<v1::StatusResponse>(serving, "AdminService/Status", v1::StatusRequest());
  EXPECT_EQ(refused.status().code(), Code::kPermissionDenied);
  v1::NodeReport report;
  report.set_node("node-1");
  EXPECT_TRUE(coordinator::call<v1::ReportNodeResponse>(serving, "ServingService/ReportNode", report).ok());
}

TEST_F(Api, ApplyTwiceIsOneRevision) {
  v1::ApplyRequest apply;
  *apply.mutable_spec() = sample_spec("a");
  auto first = call<v1::ApplyResponse>("JobService/Apply", apply);
  ASSERT_TRUE(first.ok()) << first.status().to_string();
  EXPECT_TRUE(first->changed());
  EXPECT_EQ(first->job().spec().train().batch(), 1024u) << "resolved";
  auto second = call<v1::ApplyResponse>("JobService/Apply", apply);
  EXPECT_FALSE(second->changed());
  EXPECT_EQ(second->job().revision(), 1u);
  apply.mutable_spec()->mutable_train()->set_batch(64);
  EXPECT_EQ(call<v1::ApplyResponse>("JobService/Apply", apply)->job().revision(), 2u);
  apply.mutable_spec()->mutable_data()->add_numeric("late");  // the label among the features
  EXPECT_EQ(call<v1::ApplyResponse>("JobService/Apply", apply).status().code(), Code::kInvalidArgument);
  EXPECT_EQ(call<v1::ListJobsResponse>("JobService/ListJobs", v1::ListJobsRequest())->jobs_size(), 1);
}

TEST_F(Api, SnapshotsNeedTheirBlobs) {
  v1::AddSnapshotRequest request = sample_snapshot(state() / "artifacts");
  auto added = call<v1::DatasetSnapshot>("DataService/AddSnapshot", request);
  ASSERT_TRUE(added.ok()) << added.status().to_string();
  EXPECT_TRUE(call<v1::DatasetSnapshot>("DataService/AddSnapshot", request).ok())
      << "equal content: no change";
  v1::AddSnapshotRequest other = request;
  other.mutable_snapshot()->set_rows(999);
  EXPECT_EQ(call<v1::DatasetSnapshot>("DataService/AddSnapshot", other).status().code(),
            Code::kAlreadyExists);
  other.mutable_snapshot()->set_name("2013-02");
  other.mutable_snapshot()->mutable_parts(0)->set_bytes(3);
  EXPECT_EQ(call<v1::DatasetSnapshot>("DataService/AddSnapshot", other).status().code(),
            Code::kInvalidArgument);
  other.mutable_snapshot()->mutable_parts(0)->set_sha256(std::string(64, '0'));
  EXPECT_EQ(call<v1::DatasetSnapshot>("DataService/AddSnapshot", other).status().code(), Code::kNotFound);
  v1::ListDatasetsRequest list;
  EXPECT_EQ(call<v1::ListDatasetsResponse>("DataService/ListDatasets", list)->snapshots_size(), 1);
  list.set_dataset("flights@2013-02");
  EXPECT_FALSE(call<v1::ListDatasetsResponse>("DataService/ListDatasets", list).ok());
}

TEST_F(Api, ARunIsLaunchedAndRetriedByClassOfEnd) {
  apply_and_add_rows();
  auto started = start_run();
  ASSERT_TRUE(started.ok()) << started.status().to_string();
  EXPECT_EQ(started->id(), "flight-delay-1");
  auto first = started_attempt("flight-delay-1");
  auto plan = first.read_plan();
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->world(), 2u);
  EXPECT_EQ(plan->artifacts(), (state() / "artifacts").string());
  EXPECT_EQ(plan->checkpoints(), (state() / "runs/flight-delay-1/checkpoints").string());
  EXPECT_FALSE(plan->start_nonce().empty());
  EXPECT_EQ(plan->data_size(), 1);
  // A crash costs a retry.
  std::ofstream(first.log(1)) << "loading\nout of luck\n";
  v1::ExitRecord exit;
  exit.set_code(1);
  v1::RankExit& rank = *exit.add_ranks();
  rank.set_rank(1);
  rank.set_signal(9);
  launcher_.with([&](launch::FakeLauncher& fake) { fake.end(first, exit); });
  ASSERT_TRUE(eventually([&] { return run("flight-delay-1").attempts(0).state() == v1::Attempt::ENDED; }));
  v1::Run after = run("flight-delay-1");
  EXPECT_EQ(after.attempts(0).end(), v1::END_CRASH);
  EXPECT_NE(after.attempts(0).message().find("rank 1 ended by signal 9"), std::string::npos)
      << after.attempts(0).message();
  EXPECT_NE(after.attempts(0).message().find("out of luck"), std::string::npos);
  EXPECT_EQ(after.crash_failures(), 1u);
  // What is refused is not tried again.
  auto second = started_attempt("flight-delay-1", 2);
  v1::Outcome outcome;
  outcome.set_kind(v1::Outcome::DATA_REFUSED);
  outcome.set_message("column distance is missing in flights@2013-01");
  ASSERT_TRUE(second.write_outcome(outcome).ok());
  end_attempt(second, 65);
  ASSERT_TRUE(reaches("flight-delay-1", v1::FAILED_RUN)) << run("flight-delay-1").DebugString();
  EXPECT_NE(run("flight-delay-1").reason().find("column distance is missing"), std::string::npos);
}

TEST_F(Api, WhyNotAndTopSayWhatARunWaitsFor) {
  apply_and_add_rows();
  ASSERT_TRUE(start_run().ok());
  started_attempt("flight-delay-1");
  ASSERT_TRUE(start_run().ok());
  ASSERT_TRUE(start_run().ok());
  v1::WhyNotRequest request;
  request.set_id("flight-delay-3");
  auto why = call<v1::WhyNotResponse>("RunService/WhyNot", request);
  ASSERT_TRUE(why.ok()) << why.status().to_string();
  EXPECT_EQ(why->place().position(), 2u);
  EXPECT_EQ(why->place().start_us(), 0) << "flight-delay-1 has no time limit";
  ASSERT_GE(why->reasons_size(), 2);
  EXPECT_EQ(why->reasons(0), "behind flight-delay-2, which waits for 2 slots");
  EXPECT_NE(why->reasons(1).find("flight-delay-1 has no time limit"), std::string::npos) << why->reasons(1);
  EXPECT_EQ(why->run().spec().name(), "flight-delay") << "the API shows runs with their specs";
  EXPECT_EQ(run("flight-delay-3").reason(), why->reasons(0));
  request.set_id("flight-delay-1");
  why = call<v1::WhyNotResponse>("RunService/WhyNot", request);
  ASSERT_TRUE(why.ok());
  EXPECT_FALSE(why->has_place());
  EXPECT_NE(why->reasons(0).find("it is RUNNING"), std::string::npos) << why->reasons(0);
  request.set_id("nobody-1");
  EXPECT_EQ(call<v1::WhyNotResponse>("RunService/WhyNot", request).status().code(), Code::kNotFound);

  v1::TopRequest look;
  look.set_limit(1);
  auto top = call<v1::TopResponse>("RunService/Top", look);
  ASSERT_TRUE(top.ok()) << top.status().to_string();
  ASSERT_EQ(top->pools_size(), 1);
  EXPECT_EQ(top->pools(0).nodes(0).slots_used(), 2u);
  EXPECT_EQ(top->pools(0).queued(), 2u);
  ASSERT_EQ(top->pools(0).waiting_size(), 1);
  EXPECT_EQ(top->pools(0).waiting(0).run(), "flight-delay-2");
  ASSERT_EQ(top->running_size(), 1);
}

TEST_F(Api, ALostGangIsANodeFailure) {
  apply_and_add_rows();
  ASSERT_TRUE(start_run().ok());
  auto folder = started_attempt("flight-delay-1");
  launcher_.with([&](launch::FakeLauncher& fake) { fake.lose(folder); });
  ASSERT_TRUE(eventually([&] { return run("flight-delay-1").node_failures() == 1; }));
  EXPECT_EQ(run("flight-delay-1").attempts(0).end(), v1::END_NODE_LOST);
  EXPECT_EQ(run("flight-delay-1").crash_failures(), 0u);
  started_attempt("flight-delay-1", 2);
}

TEST_F(Api, ARankThatStandsStillIsNamedAndItsGangKilled) {
  v1::ApplyRequest apply;
  *apply.mutable_spec() = sample_spec("a");
  apply.mutable_spec()->mutable_train()->mutable_limits()->mutable_hang()->set_seconds(1);
  apply.mutable_spec()->mutable_train()->mutable_limits()->mutable_hang_warm()->set_seconds(1);
  ASSERT_TRUE(call<v1::ApplyResponse>("JobService/Apply", apply).ok());
  ASSERT_TRUE(
      call<v1::DatasetSnapshot>("DataService/AddSnapshot", sample_snapshot(state() / "artifacts")).ok());
  ASSERT_TRUE(start_run("a").ok());
  auto folder = started_attempt("a-1");
  for (int rank = 0; rank < 2; ++rank) {
    auto writer = launch::ReportWriter::open(folder, rank);
    v1::Report report;
    report.mutable_beat()->set_step(3);
    report.mutable_beat()->set_collective(rank == 1 ? 6 : 7);
    report.mutable_beat()->set_progress(9);
    report.mutable_beat()->set_phase(v1::PHASE_BACKWARD);
    ASSERT_TRUE(writer->append(report).ok());
  }
  ASSERT_TRUE(eventually(
      [&] { return launcher_.with([](launch::FakeLauncher& fake) { return !fake.signals().empty(); }); }));
  EXPECT_EQ(launcher_.with([](launch::FakeLauncher& fake) { return fake.signals()[0].second; }),
            launch::Signal::kKill);
  end_attempt(folder, 0, 9);
  ASSERT_TRUE(eventually([&] { return run("a-1").hang_failures() == 1; }));
  EXPECT_EQ(run("a-1").attempts(0).end(), v1::END_HANG);
  EXPECT_NE(run("a-1").attempts(0).message().find("rank 1 stopped beating"), std::string::npos)
      << run("a-1").attempts(0).message();
}

TEST_F(Api, TheSameKeyIsTheSameRun) {
  apply_and_add_rows();
  auto first = start_run("flight-delay", "key-1");
  auto again = start_run("flight-delay", "key-1");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(first->id(), again->id());
  v1::StartRunRequest other;
  other.set_job("flight-delay");
  other.set_idempotency_key("key-1");
  other.set_no_publish(true);
  EXPECT_EQ(call<v1::Run>("RunService/StartRun", other).status().code(), Code::kAlreadyExists);
  other.set_idempotency_key(std::string(500, 'x'));
  EXPECT_EQ(call<v1::Run>("RunService/StartRun", other).status().code(), Code::kInvalidArgument);
  other.set_idempotency_key("");
  other.set_fault("rank 0 at step 1: SIGKILL");
  EXPECT_EQ(call<v1::Run>("RunService/StartRun", other).status().code(), Code::kPermissionDenied);
  EXPECT_EQ(call<v1::ListRunsResponse>("RunService/ListRuns", v1::ListRunsRequest())->runs_size(), 1);
}

TEST_F(Api, SlotsAreSharedAndWaitersHaveAReason) {
  apply_and_add_rows();
  ASSERT_TRUE(start_run().ok());
  ASSERT_TRUE(start_run().ok());
  started_attempt("flight-delay-1");
  EXPECT_EQ(run("flight-delay-2").state(), v1::QUEUED);
  EXPECT_NE(run("flight-delay-2").reason().find("slots"), std::string::npos)
      << run("flight-delay-2").reason();
  auto status = call<v1::StatusResponse>("AdminService/Status", v1::StatusRequest());
  EXPECT_EQ(status->slots_used(), 2u);
  EXPECT_EQ(status->runs_queued(), 1u);
  // Cancelled while it waits: at once. While it runs: told to leave first.
  v1::CancelRunRequest cancel;
  cancel.set_id("flight-delay-2");
  ASSERT_TRUE(call<v1::Run>("RunService/CancelRun", cancel).ok());
  EXPECT_EQ(run("flight-delay-2").state(), v1::CANCELLED);
  cancel.set_id("flight-delay-1");
  ASSERT_TRUE(call<v1::Run>("RunService/CancelRun", cancel).ok());
  ASSERT_TRUE(eventually(
      [&] { return launcher_.with([](launch::FakeLauncher& fake) { return !fake.signals().empty(); }); }));
  EXPECT_EQ(launcher_.with([](launch::FakeLauncher& fake) { return fake.signals()[0].second; }),
            launch::Signal::kYield);
  end_attempt(started_attempt("flight-delay-1"), 75);
  EXPECT_TRUE(reaches("flight-delay-1", v1::CANCELLED));
}

TEST_F(Api, WatchRunShowsProgressAndEnds) {
  apply_and_add_rows();
  ASSERT_TRUE(start_run().ok());
  auto folder = started_attempt("flight-delay-1");
  auto writer = launch::ReportWriter::open(folder, 0);
  ASSERT_TRUE(writer.ok());
  v1::Report report;
  report.mutable_progress()->set_step(7);
  ASSERT_TRUE(writer->append(report).ok());
  net::ConnectClient watcher = daemon_->client();
  v1::WatchRunRequest request;
  request.set_id("flight-delay-1");
  bool progressed = false, beaten = false, ended = false;
  auto seen = [&](const v1::RunUpdate& update) {
    if (update.heartbeat()) beaten = true;
    if (update.progress().step() == 7 && !std::exchange(progressed, true)) return true;
    if (progressed && beaten && !ended) {
      ended = true;
      v1::Outcome outcome;
      outcome.set_kind(v1::Outcome::SPEC_REFUSED);
      outcome.set_message("no");
      EXPECT_TRUE(folder.write_outcome(outcome).ok());
      end_attempt(folder, 78);
    }
    return true;
  };
  Status status =
      watcher.stream<v1::WatchRunRequest, v1::RunUpdate>("rekindle.v1.RunService/WatchRun", request, seen);
  EXPECT_TRUE(status.ok()) << status.to_string();
  EXPECT_TRUE(progressed && beaten && ended);
  EXPECT_EQ(run("flight-delay-1").state(), v1::FAILED_RUN);
}

TEST_F(Api, LogsAreReadAndFollowed) {
  apply_and_add_rows();
  ASSERT_TRUE(start_run().ok());
  auto folder = started_attempt("flight-delay-1");
  std::ofstream(folder.log(0)) << "zero one\nzero two\nunfinished";
  std::ofstream(folder.log(1)) << "one one\n";
  net::HttpClient http(
      net::ClientOptions{.url = daemon_->url(), .token = net::load_token(state() / "token").value()});
  auto reply = http.request("GET", "/v1/runs/flight-delay-1/logs");
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(
      reply->body,
      "{\"attempt\":1,\"rank\":0,\"line\":\"zero one\"}\n{\"attempt\":1,\"rank\":0,\"line\":\"zero two\"}\n"
      "{\"attempt\":1,\"rank\":0,\"line\":\"unfinished\"}\n{\"attempt\":1,\"rank\":1,\"line\":\"one "
      "one\"}\n");
  EXPECT_EQ(http.request("GET", "/v1/runs/flight-delay-1/logs?rank=1&tail=1")->body,
            "{\"attempt\":1,\"rank\":1,\"line\":\"one one\"}\n");
  EXPECT_EQ(http.request("GET", "/v1/runs/flight-delay-1/logs?rank=7")->status, 400);
  EXPECT_EQ(http.request("GET", "/v1/runs/nothing-1/logs")->status, 404);
  EXPECT_EQ(http.request("GET", "/v1/runs/flight-delay-1/logs?rank=x")->status, 400);

  net::ConnectClient follower = daemon_->client();
  v1::ReadLogsRequest request;
  request.set_run("flight-delay-1");
  request.set_rank(0);
  request.set_follow(true);
  request.set_tail_lines(1);
  std::vector<std::string> lines;
  bool beaten = false;
  auto seen = [&](const v1::LogChunk& chunk) {
    for (const std::string& line : chunk.lines()) lines.push_back(line);
    if (chunk.heartbeat() && !std::exchange(beaten, true)) {
      std::ofstream(folder.log(0), std::ios::app) << " now\nlast words";
      v1::Outcome outcome;
      outcome.set_kind(v1::Outcome::SPEC_REFUSED);
      EXPECT_TRUE(folder.write_outcome(outcome).ok());
      end_attempt(folder, 78);
    }
    return true;
  };
  Status status =
      follower.stream<v1::ReadLogsRequest, v1::LogChunk>("rekindle.v1.RunService/ReadLogs", request, seen);
  EXPECT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(lines, (std::vector<std::string>{"unfinished now", "last words"}));
}

TEST_F(Api, PlanRunChangesNothing) {
  v1::PlanRunRequest request;
  *request.mutable_spec() = sample_spec("flight-delay", 8);
  auto plan = call<v1::PlanRunResponse>("JobService/PlanRun", request);
  ASSERT_TRUE(plan.ok()) << plan.status().to_string();
  EXPECT_EQ(plan->problems_size(), 2) << plan->DebugString();  // too many ranks, no rows
  EXPECT_EQ(call<v1::StatusResponse>("AdminService/Status", v1::StatusRequest())->journal_seq(), 0u);
  EXPECT_EQ(call<v1::ListJobsResponse>("JobService/ListJobs", v1::ListJobsRequest())->jobs_size(), 0);
}

TEST_F(Api, AReplayHoldsTheClock) {
  apply_and_add_rows();
  v1::BeginReplayRequest begin;
  begin.set_model("flight-delay");
  begin.set_session("s1");
  begin.set_clock_us(kJanuary + 31 * kDay);
  auto begun = call<v1::ReplayState>("ReplayService/BeginReplay", begin);
  ASSERT_TRUE(begun.ok()) << begun.status().to_string();
  EXPECT_EQ(begun->clock_us(), kJanuary + 31 * kDay);
  v1::AdvanceRequest advance;
  advance.set_model("flight-delay");
  advance.set_session("s1");
  advance.set_clock_us(kJanuary + 31 * kDay + 3'600'000'000);
  auto advanced = call<v1::ReplayState>("ReplayService/Advance", advance);
  ASSERT_TRUE(advanced.ok()) << advanced.status().to_string();
  EXPECT_EQ(advanced->clock_us(), advance.clock_us());
  advance.set_clock_us(kJanuary);
  EXPECT_FALSE(call<v1::ReplayState>("ReplayService/Advance", advance).ok()) << "never goes back";
  advance.set_session("s2");
  advance.set_clock_us(kJanuary + 40 * kDay);
  EXPECT_FALSE(call<v1::ReplayState>("ReplayService/Advance", advance).ok());
  ASSERT_TRUE(start_run().ok());
  v1::AwaitSettledRequest wait;
  wait.set_model("flight-delay");
  wait.set_session("s1");
  wait.mutable_max_wait()->set_nanos(100'000'000);
  auto waited = call<v1::ReplayState>("ReplayService/AwaitSettled", wait);
  ASSERT_TRUE(waited.ok());
  EXPECT_FALSE(waited->settled());
  EXPECT_NE(waited->waiting_for().find("flight-delay-1"), std::string::npos) << waited->waiting_for();
  EXPECT_EQ(waited->active_runs_size(), 1);
  v1::EndReplayRequest end;
  end.set_model("flight-delay");
  end.set_session("s1");
  EXPECT_TRUE(call<v1::ReplayState>("ReplayService/EndReplay", end).ok());
}

TEST_F(Api, PlanStreamBeatsAndNodesAreSeen) {
  apply_and_add_rows();
  net::ConnectClient node = daemon_->serving_client();
  int beats = 0;
  v1::WatchPlanRequest watch;
  watch.set_model("flight-delay");
  watch.set_node("node-1");
  Status status = node.stream<v1::WatchPlanRequest, v1::PlanUpdate>("rekindle.v1.ServingService/WatchPlan",
                                                                    watch, [&](const v1::PlanUpdate& update) {
                                                                      beats += update.heartbeat() ? 1 : 0;
                                                                      return beats < 3;
                                                                    });
  EXPECT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(beats, 3);
  v1::NodeReport report;
  report.set_node("node-1");
  report.set_model("flight-delay");
  ASSERT_TRUE(coordinator::call<v1::ReportNodeResponse>(node, "ServingService/ReportNode", report).ok());
  EXPECT_EQ(call<v1::StatusResponse>("AdminService/Status", v1::StatusRequest())->nodes(), 1u);
  EXPECT_EQ(call<v1::ServingStatusResponse>("ServingService/ServingStatus", v1::ServingStatusRequest())
                ->nodes_size(),
            1);
  report.set_node("../etc");
  EXPECT_EQ(
      coordinator::call<v1::ReportNodeResponse>(node, "ServingService/ReportNode", report).status().code(),
      Code::kInvalidArgument);
}

TEST_F(Api, EventsAreTakenOnce) {
  apply_and_add_rows();
  v1::EventBatch batch;
  batch.set_node("node-1");
  batch.set_boot("b1");
  batch.set_seq(1);
  batch.set_model("flight-delay");
  net::ConnectClient node = daemon_->serving_client();
  for (int i = 0; i < 2; ++i) {
    auto taken = coordinator::call<v1::AppendResponse>(node, "EventService/Append", batch);
    ASSERT_TRUE(taken.ok()) << taken.status().to_string();
    EXPECT_EQ(taken->seq(), 1u);
  }
  v1::FeedbackRequest feedback;
  feedback.set_model("flight-delay");
  v1::LabelRecord& label = *feedback.add_labels();
  label.set_request_id("r1");
  label.add_labels(1);
  label.set_event_time_us(kJanuary);
  label.set_known_at_us(kJanuary + kDay);
  auto accepted = coordinator::call<v1::FeedbackResponse>(node, "EventService/Feedback", feedback);
  ASSERT_TRUE(accepted.ok()) << accepted.status().to_string();
  EXPECT_EQ(accepted->accepted(), 1u);
  feedback.set_model("nothing");
  EXPECT_EQ(coordinator::call<v1::FeedbackResponse>(node, "EventService/Feedback", feedback).status().code(),
            Code::kNotFound);
  v1::DriftStatusRequest drift;
  drift.set_model("flight-delay");
  EXPECT_EQ(call<v1::DriftStatusResponse>("DataService/DriftStatus", drift)->waiting_labels(), 1u);
}

TEST_F(Api, MetricsAndDoctorSpeak) {
  apply_and_add_rows();
  net::HttpClient http(
      net::ClientOptions{.url = daemon_->url(), .token = net::load_token(state() / "serving-token").value()});
  auto metrics = http.request("GET", "/metrics");
  ASSERT_EQ(metrics->status, 200);
  for (const char* name :
       {"rekindle_runs{state=\"queued\"} 0", "rekindle_commit_seconds_count", "rekindle_slots 2"})
    EXPECT_NE(metrics->body.find(name), std::string::npos) << name;
  fs::permissions(state() / "token", fs::perms::group_read, fs::perm_options::add);
  auto doctor = call<v1::DoctorResponse>("AdminService/Doctor", v1::DoctorRequest());
  ASSERT_TRUE(doctor.ok());
  bool named = false, pool = false;
  for (const v1::Finding& finding : doctor->findings()) {
    pool |= finding.what().starts_with("pool local: ");
    EXPECT_EQ(finding.level() == v1::Finding::OK, finding.fix().empty()) << finding.DebugString();
    named = named || (finding.level() == v1::Finding::ERROR &&
                      finding.what().find("token can be read by others") != std::string::npos);
  }
  EXPECT_TRUE(named && pool) << doctor->DebugString();
}

TEST_F(Api, ShutdownAnswersFirst) {
  EXPECT_TRUE(call<v1::ShutdownResponse>("AdminService/Shutdown", v1::ShutdownRequest()).ok());
  EXPECT_TRUE(eventually([&] { return !fs::exists(state() / "address"); }));
}

}  // namespace
}  // namespace rekindle::coordinator
