// The replay's hold on the model's clock: calls of the coordinator and the node's own service, repeated
// while either is away for a moment. Every call here may be repeated without harm.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "base/clock.h"
#include "net/client.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::cli::replay {

class Session {
 public:
  // `patience`: how long coordinator or node may be away (a restart) before the replay is given up.
  Session(net::ConnectClient coordinator, net::ConnectClient node, std::string model, std::string session,
          std::chrono::seconds patience);

  Result<v1::ReplayState> begin(int64_t clock_us, const std::vector<uint64_t>& pins, Micros run_takes);
  Result<v1::ReplayState> advance(int64_t clock_us);
  // Until settled; deadline_exceeded with what stands in the way after `most`.
  Result<v1::ReplayState> await_settled(std::chrono::seconds most);
  Result<v1::ReplayState> end();

  // Labels and flush go to the node, as a client's would.
  Status send_labels(const std::vector<v1::LabelRecord>& labels);
  Status flush();
  // Until every live node of the model has this revision of the plan in force.
  Status await_nodes(uint64_t revision, std::chrono::seconds most);

  Result<v1::Run> get_run(const std::string& id);
  Result<std::vector<v1::Run>> runs();  // of the job, newest first
  Result<v1::Run> start(v1::StartRunRequest request);
  Result<v1::Run> await_run(const std::string& id);  // terminal or held
  Result<v1::Job> job();
  Result<v1::StatusResponse> status();
  Result<std::vector<v1::DatasetSnapshot>> snapshots(const std::string& dataset);

  void interrupt();  // from any thread
  const std::atomic<bool>& interrupted() const { return interrupted_; }

 private:
  template <typename Response, typename Request>
  Result<Response> repeat(net::ConnectClient& client, std::string_view method, const Request& request,
                          net::Deadline deadline);

  net::ConnectClient coordinator_, node_;
  std::string model_, session_;
  std::chrono::seconds patience_;
  std::atomic<bool> interrupted_{false};
};

}  // namespace rekindle::cli::replay
