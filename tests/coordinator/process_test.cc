// The daemon as a process: killed at random while it takes submissions, stopped, started wrongly.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cstdlib>
#include <random>

#include "base/chained_log.h"
#include "net/token_file.h"
#include "net/tokens.h"
#include "tests/coordinator/harness.h"

extern char** environ;

namespace rekindle::coordinator {
namespace {

std::string program(const char* name) {
  const char* folder = std::getenv("REKINDLE_BIN");
  return (fs::path(folder != nullptr ? folder : "build/release/bin") / name).string();
}

// REKINDLE_KILLS says how often the daemon is killed in a nightly run.
int kills() {
  const char* text = std::getenv("REKINDLE_KILLS");
  return text != nullptr ? std::atoi(text) : 5;
}

class Process {
 public:
  explicit Process(std::vector<std::string> argv, const fs::path& log) {
    std::vector<char*> pointers;
    for (std::string& argument : argv) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    EXPECT_EQ(posix_spawn(&pid_, argv[0].c_str(), &actions, nullptr, pointers.data(), environ), 0) << argv[0];
    posix_spawn_file_actions_destroy(&actions);
  }
  ~Process() {
    if (pid_ > 0) kill(SIGKILL), wait();
  }
  void kill(int signal) { ::kill(pid_, signal); }
  // Exit code, or minus the signal.
  int wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
};

class DaemonProcess : public testing::Test {
 protected:
  fs::path state() const { return folder_.path() / "state"; }
  fs::path log() const { return folder_.path() / "log"; }

  // Gangs whose rank cannot work: runs crash and are retried, which is all that is wanted here.
  std::vector<std::string> argv(std::vector<std::string> more = {}) const {
    std::vector<std::string> out = {program("rekindled"), "--state",   state().string(), "--slots", "1",
                                    "--trainer-program",  "/bin/false"};
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  std::unique_ptr<Process> start(const std::vector<std::string>& more = {}) {
    std::error_code ignored;
    fs::remove(state() / "address", ignored);
    auto process = std::make_unique<Process>(argv(more), log());
    EXPECT_TRUE(eventually([&] { return fs::exists(state() / "address"); })) << read_file(log()).value();
    return process;
  }
  std::string url() const {
    std::string out = read_file(state() / "address").value();
    out.pop_back();
    return out;
  }
  net::ConnectClient client() const {
    return net::ConnectClient(url(), net::load_token(state() / "token").value());
  }
  void prepare() {
    net::ConnectClient to = client();
    v1::ApplyRequest apply;
    *apply.mutable_spec() = sample_spec("a", 1);
    auto applied = coordinator::call<v1::ApplyResponse>(to, "JobService/Apply", apply);
    ASSERT_TRUE(applied.ok()) << applied.status().to_string();
    auto added = coordinator::call<v1::DatasetSnapshot>(to, "DataService/AddSnapshot",
                                                        sample_snapshot(state() / "artifacts"));
    ASSERT_TRUE(added.ok()) << added.status().to_string();
  }

  TempFolder folder_;
};

TEST_F(DaemonProcess, KilledWhileSubmittingLosesNothingAcknowledged) {
  std::mt19937 random(7);
  std::map<std::string, std::string> acknowledged;  // key to run
  std::unique_ptr<Process> daemon = start();
  prepare();
  int submitted = 0;
  for (int round = 0; round < kills(); ++round) {
    std::atomic<bool> killed{false};
    std::thread killer([&, delay = std::chrono::milliseconds(20 + random() % 200)] {
      std::this_thread::sleep_for(delay);
      daemon->kill(SIGKILL);
      killed = true;
    });
    net::ConnectClient to = client();
    std::vector<std::string> in_doubt;
    for (;;) {
      v1::StartRunRequest request;
      request.set_job("a");
      request.set_idempotency_key("key-" + std::to_string(submitted++));
      auto run = coordinator::call<v1::Run>(to, "RunService/StartRun", request);
      if (!run.ok()) {
        EXPECT_EQ(run.status().code(), Code::kUnavailable) << run.status().to_string();
        in_doubt.push_back(request.idempotency_key());
        break;
      }
      acknowledged[request.idempotency_key()] = run->id();
    }
    killer.join();
    EXPECT_TRUE(killed);
    EXPECT_EQ(daemon->wait(), -SIGKILL);
    daemon = start();
    net::ConnectClient again = client();
    for (const std::string& key : in_doubt) {
      v1::StartRunRequest request;
      request.set_job("a");
      request.set_idempotency_key(key);
      auto run = coordinator::call<v1::Run>(again, "RunService/StartRun", request);
      ASSERT_TRUE(run.ok()) << run.status().to_string();
      acknowledged[key] = run->id();
    }
    std::set<std::string> ids;
    for (const auto& [key, id] : acknowledged) {
      v1::GetRunRequest request;
      request.set_id(id);
      auto run = coordinator::call<v1::Run>(again, "RunService/GetRun", request);
      ASSERT_TRUE(run.ok()) << id << " was acknowledged: " << run.status().to_string();
      EXPECT_EQ(run->idempotency_key(), key);
      EXPECT_TRUE(ids.insert(id).second) << "two keys, one run";
    }
  }
  EXPECT_GT(acknowledged.size(), 10u);
  v1::ListRunsRequest list;
  list.set_limit(1000);
  net::ConnectClient to = client();
  auto runs = coordinator::call<v1::ListRunsResponse>(to, "RunService/ListRuns", list);
  ASSERT_TRUE(runs.ok());
  if (acknowledged.size() < 1000) EXPECT_EQ(static_cast<size_t>(runs->runs_size()), acknowledged.size());
}

TEST_F(DaemonProcess, SigtermDrainsAndLeavesWithZero) {
  std::unique_ptr<Process> daemon = start();
  prepare();
  std::map<std::string, std::string> acknowledged;
  std::thread submitter([&] {
    net::ConnectClient to = client();
    for (int i = 0;; ++i) {
      v1::StartRunRequest request;
      request.set_job("a");
      request.set_idempotency_key("key-" + std::to_string(i));
      auto run = coordinator::call<v1::Run>(to, "RunService/StartRun", request);
      if (!run.ok()) return;
      acknowledged[request.idempotency_key()] = run->id();
    }
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  daemon->kill(SIGTERM);
  EXPECT_EQ(daemon->wait(), 0);
  submitter.join();
  EXPECT_FALSE(fs::exists(state() / "address"));
  daemon = start();
  net::ConnectClient to = client();
  EXPECT_GT(acknowledged.size(), 0u);
  for (const auto& [key, id] : acknowledged) {
    v1::GetRunRequest request;
    request.set_id(id);
    EXPECT_TRUE(coordinator::call<v1::Run>(to, "RunService/GetRun", request).ok()) << id;
  }
}

TEST_F(DaemonProcess, SaysWhyItDoesNotStart) {
  std::unique_ptr<Process> daemon = start();
  EXPECT_EQ(Process(argv(), folder_.path() / "second").wait(), 78);
  EXPECT_NE(read_file(folder_.path() / "second").value().find("is held by rekindled"), std::string::npos);

  std::string url = read_file(state() / "address").value();
  std::string port = url.substr(url.rfind(':') + 1);
  port.pop_back();
  Process taken(
      {program("rekindled"), "--state", (folder_.path() / "other").string(), "--listen", "127.0.0.1:" + port},
      folder_.path() / "third");
  EXPECT_EQ(taken.wait(), 78);
  EXPECT_NE(read_file(folder_.path() / "third").value().find(port), std::string::npos);

  Process wrong({program("rekindled"), "--state", (folder_.path() / "other").string(), "--listen", "nowhere"},
                folder_.path() / "fourth");
  EXPECT_EQ(wrong.wait(), 64);
  Process open(
      {program("rekindled"), "--state", (folder_.path() / "other").string(), "--listen", "0.0.0.0:0"},
      folder_.path() / "fifth");
  EXPECT_EQ(open.wait(), 78) << "anything but loopback needs TLS and named tokens";
  const std::string why = read_file(folder_.path() / "fifth").value();
  EXPECT_NE(why.find("token add NAME --role operator"), std::string::npos) << why;
  EXPECT_NE(why.find("--listen 0.0.0.0:0 --tls"), std::string::npos) << why;
}

// As an operator would: TLS, a viewer, a submitter, what they may, what is left of it in the audit log.
TEST_F(DaemonProcess, NamedTokensOverTlsDoWhatTheirRoleMay) {
  const net::TokenFile tokens(state() / "tokens.json");
  fs::create_directories(state());
  fs::permissions(state(), fs::perms::owner_all);
  const std::string viewer = tokens.add("vera", net::Role::kViewer, 1).value();
  const std::string submitter = tokens.add("sam", net::Role::kSubmitter, 1).value();
  std::unique_ptr<Process> daemon = start({"--tls", "--host-name", "train.example"});
  ASSERT_TRUE(url().starts_with("https://127.0.0.1:")) << url();
  const auto as = [&](const std::string& secret) {
    return net::ConnectClient(url(), secret, state() / "tls" / "ca.pem");
  };
  const auto freeze = [&](const std::string& secret) {
    v1::FreezeRequest request;
    request.set_model("late");
    return as(secret).call<v1::FreezeRequest, v1::ModelState>("rekindle.v1.RegistryService/Freeze", request);
  };
  const auto start_run = [&](const std::string& secret) {
    v1::StartRunRequest request;
    request.set_job("late");
    return as(secret).call<v1::StartRunRequest, v1::Run>("rekindle.v1.RunService/StartRun", request);
  };
  const auto status = [&](const std::string& secret) {
    return as(secret).call<v1::StatusRequest, v1::StatusResponse>("rekindle.v1.AdminService/Status", {});
  };
  EXPECT_TRUE(status(viewer).ok()) << status(viewer).status().message();
  EXPECT_EQ(start_run(viewer).status().code(), Code::kPermissionDenied);
  EXPECT_EQ(start_run(submitter).status().code(), Code::kNotFound) << "allowed, but there is no such job";
  EXPECT_EQ(freeze(submitter).status().code(), Code::kPermissionDenied);
  EXPECT_EQ(status("guessed").status().code(), Code::kUnauthenticated);

  ASSERT_TRUE(tokens.revoke("vera").ok());
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (status(viewer).ok() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(status(viewer).status().code(), Code::kUnauthenticated) << "a revoked token is good for nothing";

  std::vector<std::string> lines;
  const auto checked = check_chained_log(state() / "audit.log",
                                         [&](std::string_view content) { lines.emplace_back(content); });
  ASSERT_TRUE(checked.ok()) << checked.status().message();
  ASSERT_EQ(lines.size(), 2u) << "what was not allowed never began";
  EXPECT_NE(lines[0].find(R"("who":"sam","role":"submitter")"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find(R"("method":"RunService/StartRun","about":"job=late")"), std::string::npos)
      << lines[0];
  EXPECT_NE(lines[1].find(R"("ended":"not_found")"), std::string::npos) << lines[1];
}

TEST_F(DaemonProcess, TokensArePrivate) {
  std::unique_ptr<Process> daemon = start();
  for (const char* name : {"token", "serving-token"}) {
    EXPECT_EQ(fs::status(state() / name).permissions(), fs::perms::owner_read | fs::perms::owner_write)
        << name;
    const std::string secret = net::load_token(state() / name).value();
    EXPECT_GE(secret.size(), 64u);
    EXPECT_EQ(read_file(log()).value().find(secret), std::string::npos);
  }
  EXPECT_EQ(fs::status(state()).permissions(), fs::perms::owner_all);
}

}  // namespace
}  // namespace rekindle::coordinator
