// The real program with real files: kill -9, restarts with everybody away, damaged blobs, orderly end.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <thread>

#include "artifacts/manifest.h"
#include "base/process.h"

#include "fake_coordinator.h"
#include "running_node.h"
#include "versions.h"

namespace rekindle::serving::testing {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kEvent = 1'368'000'000'000'000;
constexpr const char* kInfer = "/v2/models/m/infer";

std::string program() {
  const char* folder = ::getenv("REKINDLE_BIN");
  return std::string(folder != nullptr ? folder : "build/release/bin") + "/rekindle-serve";
}

// One child at a time, its stderr in a file.
class Child {
 public:
  Child(std::vector<std::string> arguments, fs::path log) : log_(std::move(log)) {
    arguments.insert(arguments.begin(), program());
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ != 0) return;
    const int fd = ::open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(fd, 2);
    for (int other = 3; other < 256; ++other) ::close(other);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ~Child() {
    if (pid_ > 0) end(SIGKILL);
  }
  // The exit status as waitpid gives it.
  int end(int signal) {
    ::kill(pid_, signal);
    return join();
  }
  int join() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }
  std::string log() const { return read_file(log_).ok() ? *read_file(log_) : ""; }

 private:
  fs::path log_;
  pid_t pid_ = -1;
};

class ProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store = artifacts::open_folder_store(artifacts_.path());
    ASSERT_TRUE(store.ok());
    store_ = std::move(store).value();
    first_ = publish_version(*store_, "m", 0.25);
    ASSERT_TRUE(write_file_durably(state_.path() / "serving-token", std::string(kServingToken) + "\n").ok());
    ASSERT_TRUE(
        write_file_durably(state_.path() / "operator-token", std::string(kOperatorToken) + "\n").ok());
    coordinator_ = std::make_unique<FakeCoordinator>();
    port_ = coordinator_->port();
    coordinator_->set_plan(plan_of("m", 1, {{1, 10'000, first_}}));
  }
  std::vector<std::string> arguments() const {
    return {"--model",
            "m",
            "--coordinator",
            "http://127.0.0.1:" + std::to_string(port_),
            "--token-file",
            state_.path() / "serving-token",
            "--operator-token-file",
            state_.path() / "operator-token",
            "--artifacts",
            artifacts_.path(),
            "--state",
            state_.path() / "node",
            "--name",
            "n1"};
  }
  void start() {
    fs::remove(state_.path() / "node" / "address");
    child_ = std::make_unique<Child>(arguments(), state_.path() / "log");
    for (int i = 0; i < 2000 && !fs::exists(state_.path() / "node" / "address"); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    const auto address = read_file(state_.path() / "node" / "address");
    ASSERT_TRUE(address.ok()) << child_->log();
    client_ = std::make_unique<net::HttpClient>(
        http_client(address->substr(0, address->find('\n')), kServingToken));
  }
  net::Reply infer(const std::string& id) { return post(*client_, kInfer, infer_body(id, 4, kEvent)); }
  fs::path blob_of(const std::string& manifest, const std::string& name) {
    const auto read = artifacts::load_manifest(*store_, manifest);
    CHECK(read.ok());
    const auto path = artifacts::file_path(*store_, *read, name);
    CHECK(path.ok());
    return *path;
  }
  // The plan is in force a moment before it lies in the state folder.
  void wait_kept() const {
    for (int i = 0; i < 2000 && !fs::exists(state_.path() / "node" / "plans" / "m.pb"); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  static void damage(const fs::path& path) {
    fs::permissions(path, fs::perms::owner_write, fs::perm_options::add);
    std::string bytes = *read_file(path);
    bytes[bytes.size() / 2] ^= 1;
    Fd fd(::open(path.c_str(), O_WRONLY | O_TRUNC));
    ASSERT_TRUE(write_all(fd.get(), bytes, path).ok());
  }

  TempFolder state_, artifacts_;
  std::unique_ptr<artifacts::Store> store_;
  std::string first_;
  uint16_t port_ = 0;
  std::unique_ptr<FakeCoordinator> coordinator_;
  std::unique_ptr<Child> child_;
  std::unique_ptr<net::HttpClient> client_;
};

TEST_F(ProcessTest, AnswersAfterKillAndRestartWithEverybodyAway) {
  start();
  ASSERT_TRUE(coordinator_->wait_in_force("m", 1)) << child_->log();
  const net::Reply before = infer("before");
  ASSERT_EQ(before.status, 200) << before.body;
  EXPECT_THAT(before.body, HasSubstr(R"("model_version":"1")"));
  coordinator_.reset();
  ASSERT_EQ(infer("without").status, 200);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // a commit interval, three times
  child_->end(SIGKILL);
  fs::remove_all(artifacts_.path() / "blobs");
  start();
  const net::Reply after = infer("after");
  ASSERT_EQ(after.status, 200) << after.body;
  EXPECT_EQ(after.body.substr(after.body.find("outputs")), before.body.substr(before.body.find("outputs")));
  // The coordinator comes back and hears of each request once, with its counts.
  coordinator_ = std::make_unique<FakeCoordinator>(port_);
  ASSERT_TRUE(coordinator_->wait([](FakeCoordinator& self) { return self.requests() >= 2; }));
  EXPECT_EQ(WEXITSTATUS(child_->end(SIGTERM)), 0) << child_->log();
  coordinator_->wait([](FakeCoordinator& self) {
    std::multiset<std::string> ids;
    for (const auto& batch : self.batches)
      for (const auto& request : batch.requests()) ids.insert(request.request_id());
    ids.erase("before");  // acknowledged by the first coordinator, perhaps
    EXPECT_EQ(ids, (std::multiset<std::string>{"after", "without"}));
    EXPECT_EQ(self.counted_rows(), static_cast<int64_t>(4 * self.requests()));
    return true;
  });
}

TEST_F(ProcessTest, ADamagedVersionIsNeverServed) {
  start();
  ASSERT_TRUE(coordinator_->wait_in_force("m", 1)) << child_->log();
  const std::string second = publish_version(*store_, "m", 0.75);
  damage(blob_of(second, "model.safetensors"));
  coordinator_->set_plan(plan_of("m", 2, {{2, 10'000, second}}));
  ASSERT_TRUE(coordinator_->wait([](FakeCoordinator& self) {
    const v1::NodeReport& report = self.reports["m"];
    return report.versions_size() == 1 && report.versions(0).version() == 2 &&
           report.versions(0).state() == v1::VersionHealth::FAILED;
  }));
  EXPECT_EQ(coordinator_->reports["m"].revision(), 1u);
  EXPECT_THAT(coordinator_->reports["m"].versions(0).message(), HasSubstr("model.safetensors"));
  EXPECT_THAT(infer("a").body, HasSubstr(R"("model_version":"1")"));
  EXPECT_EQ(post(*client_, "/v2/models/m/versions/2/infer", infer_body("b", 1)).status, 404);
  const std::string third = publish_version(*store_, "m", 0.5);
  coordinator_->set_plan(plan_of("m", 3, {{3, 10'000, third}}));
  ASSERT_TRUE(coordinator_->wait_in_force("m", 3));
  EXPECT_THAT(infer("c").body, HasSubstr(R"("model_version":"3")"));
}

TEST_F(ProcessTest, ADamagedCopyIsFetchedAgain) {
  start();
  ASSERT_TRUE(coordinator_->wait_in_force("m", 1));
  wait_kept();
  const std::string name = blob_of(first_, "model.safetensors").filename();
  child_->end(SIGKILL);
  for (const auto& file : fs::recursive_directory_iterator(state_.path() / "node" / "models"))
    if (file.path().filename() == name) damage(file.path());
  start();
  const net::Reply reply = infer("a");
  EXPECT_EQ(reply.status, 200) << reply.body << child_->log();
}

TEST_F(ProcessTest, AKilledNodeTakesItsPredictorsAlong) {
  const std::string script = publish_process_version(*store_, "m", 0.5, {"--fault", "double-fork"});
  coordinator_->set_plan(plan_of("m", 2, {{2, 10'000, script}}));
  start();
  ASSERT_TRUE(coordinator_->wait_in_force("m", 2)) << child_->log();
  EXPECT_EQ(infer("a").status, 200);
  wait_kept();
  const fs::path folder = state_.path() / "node" / "predictors";
  const auto processes = [&] { return processes_with_environment("REKINDLE_PREDICTORS=" + folder.string()); };
  const std::vector<pid_t> before = processes();
  EXPECT_GE(before.size(), 1u);
  child_->end(SIGKILL);
  // The predictor dies with the node; a stray process of its, in a session of its own, is found by the next.
  start();
  EXPECT_EQ(infer("b").status, 200) << child_->log();
  const std::vector<pid_t> after = processes();
  for (const pid_t pid : before) EXPECT_EQ(std::count(after.begin(), after.end(), pid), 0);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1);
  EXPECT_EQ(WEXITSTATUS(child_->end(SIGTERM)), 0) << child_->log();
  EXPECT_TRUE(processes().empty());
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST_F(ProcessTest, AnsweredFeedbackSurvivesKillMinusNine) {
  start();
  ASSERT_TRUE(coordinator_->wait_in_force("m", 1));
  const std::string url = client_->url();
  coordinator_.reset();
  net::ConnectClient client(url, kServingToken);
  for (int i = 0; i < 20; ++i) {
    v1::FeedbackRequest request;
    request.set_model("m");
    v1::LabelRecord& label = *request.add_labels();
    label.set_request_id("id-" + std::to_string(i));
    label.add_labels(1);
    label.set_event_time_us(kEvent);
    ASSERT_TRUE(
        (client.call<v1::FeedbackRequest, v1::FeedbackResponse>("rekindle.v1.NodeService/Feedback", request)
             .ok()));
  }
  child_->end(SIGKILL);
  coordinator_ = std::make_unique<FakeCoordinator>(port_);
  start();
  EXPECT_TRUE(coordinator_->wait([](FakeCoordinator& self) { return self.labels() == 20; }));
}

TEST_F(ProcessTest, RefusalsNameWhatIsInTheWay) {
  start();
  auto second = arguments();
  Child same(second, state_.path() / "log-2");
  EXPECT_EQ(WEXITSTATUS(same.join()), 1);
  EXPECT_THAT(same.log(), HasSubstr("another serving node uses the state folder"));
  auto taken = arguments();
  *(std::find(taken.begin(), taken.end(), "--state") + 1) = (state_.path() / "other").string();
  taken.insert(taken.end(), {"--listen", client_->url().substr(7)});
  Child port(taken, state_.path() / "log-3");
  EXPECT_EQ(WEXITSTATUS(port.join()), 1);
  EXPECT_THAT(port.log(), HasSubstr(client_->url().substr(client_->url().rfind(':') + 1)));
  taken.back() = "0.0.0.0:0";
  Child open(taken, state_.path() / "log-4");
  EXPECT_EQ(WEXITSTATUS(open.join()), 1);
  EXPECT_THAT(open.log(), HasSubstr("refusing to listen on 0.0.0.0"));
}

}  // namespace
}  // namespace rekindle::serving::testing
