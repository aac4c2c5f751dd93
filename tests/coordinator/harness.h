// A daemon in this process, on a thread of its own, with a launcher whose gangs the test plays, and clients
// that talk to it over real HTTP.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "artifacts/store.h"
#include "coordinator/daemon.h"
#include "jobs/spec.h"
#include "launch/fake.h"
#include "launch/report_log.h"
#include "net/client.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::coordinator {

class TempFolder {
 public:
  TempFolder() {
    char name[] = "/tmp/rekindle-coordinator-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TempFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// Polls until it holds; the bound is only for a broken test.
template <typename F>
bool eventually(F holds, std::chrono::milliseconds bound = std::chrono::seconds(10)) {
  const auto until = std::chrono::steady_clock::now() + bound;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

// The fake launcher, asked by the daemon's thread and told by the test's.
class SharedLauncher final : public launch::Launcher {
 public:
  Status start(const launch::AttemptFolder& folder) override {
    std::lock_guard lock(mutex_);
    return fake_.start(folder);
  }
  Status signal(const launch::AttemptFolder& folder, launch::Signal signal) override {
    std::lock_guard lock(mutex_);
    return fake_.signal(folder, signal);
  }
  Result<launch::GangState> probe(const launch::AttemptFolder& folder) override {
    std::lock_guard lock(mutex_);
    return fake_.probe(folder);
  }
  template <typename F>
  auto with(F use) {
    std::lock_guard lock(mutex_);
    return use(fake_);
  }

 private:
  std::mutex mutex_;
  launch::FakeLauncher fake_;
};

class TestDaemon {
 public:
  TestDaemon(const fs::path& state, SharedLauncher& launcher, uint32_t slots = 2) : launcher_(launcher) {
    Options options;
    options.state = state;
    options.slots = slots;
    options.heartbeat = std::chrono::milliseconds(200);
    options.attempt_poll = std::chrono::milliseconds(5);
    options.judge_every = std::chrono::milliseconds(100);
    options.gang_program = options.trainer_program = "/bin/true";
    daemon_ = std::make_unique<Daemon>(io_, clock_, launcher, options);
    started_ = daemon_->start();
    if (started_.ok()) thread_ = std::thread([this] { io_.run(); });
  }
  ~TestDaemon() { stop(); }

  void stop() {
    if (!thread_.joinable()) return;
    boost::asio::post(io_, [this] { daemon_->shut_down(); });
    thread_.join();
    daemon_.reset();
  }

  const Status& started() const { return started_; }
  const std::string& url() const { return daemon_->url(); }
  std::vector<std::tuple<std::string, std::string, net::Access>> routes() const { return daemon_->routes(); }
  net::ConnectClient client() const { return net::ConnectClient(daemon_->url(), daemon_->operator_token()); }
  net::ConnectClient serving_client() const {
    return net::ConnectClient(daemon_->url(), daemon_->serving_token());
  }

 private:
  SharedLauncher& launcher_;
  SystemClock clock_;
  boost::asio::io_context io_{1};
  std::unique_ptr<Daemon> daemon_;
  Status started_;
  std::thread thread_;
};

template <typename Resp, typename Req>
Result<Resp> call(net::ConnectClient& client, const std::string& method, const Req& request) {
  return client.call<Req, Resp>("rekindle.v1." + method, request);
}

inline constexpr int64_t kDay = 86'400'000'000;
inline const int64_t kJanuary = to_micros(parse_time("2013-01-01").value());

inline v1::JobSpec sample_spec(const std::string& name, uint32_t ranks = 2) {
  v1::JobSpec spec;
  spec.set_rekindle(1);
  spec.set_name(name);
  spec.mutable_data()->set_initial("flights@2013-01");
  spec.mutable_data()->set_time("sched_dep");
  spec.mutable_data()->mutable_label()->set_column("late");
  spec.mutable_data()->add_numeric("distance");
  spec.mutable_train()->mutable_model()->mutable_linear();
  spec.mutable_train()->mutable_ranks()->set_count(ranks);
  return spec;
}

// A snapshot whose blob is there but is no Parquet: enough for everything but training.
inline v1::AddSnapshotRequest sample_snapshot(const fs::path& artifacts,
                                              const std::string& name = "2013-01") {
  auto store = artifacts::open_folder_store(artifacts);
  const std::string bytes = "rows of " + name;
  v1::AddSnapshotRequest request;
  v1::DatasetSnapshot& snapshot = *request.mutable_snapshot();
  snapshot.set_dataset("flights");
  snapshot.set_name(name);
  snapshot.set_rows(1000);
  snapshot.set_time_column("sched_dep");
  snapshot.set_first_time_us(kJanuary);
  snapshot.set_last_time_us(kJanuary + 31 * kDay - 1);
  for (auto [column, type] :
       {std::pair("sched_dep", v1::TIMESTAMP), {"distance", v1::NUMBER}, {"late", v1::BOOL}}) {
    snapshot.add_columns()->set_name(column);
    snapshot.mutable_columns(snapshot.columns_size() - 1)->set_type(type);
  }
  v1::SnapshotPart& part = *snapshot.add_parts();
  part.set_sha256((*store)->put(bytes).value());
  part.set_rows(1000);
  part.set_bytes(bytes.size());
  return request;
}

}  // namespace rekindle::coordinator
