// A serving node: its state folder, its parts, and their order of starting and stopping.
//
// The state folder belongs to one process at a time (flock on "lock"):
//   address   URL of this node          plans/   last serving plan of each model that came wholly into force
//   models/   blobs of its versions     spool/   event batches not yet acknowledged
//   predictors/   sockets and files of running predictors     environments/   built ones, by hash
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "net/http_server.h"
#include "serving/follower.h"
#include "serving/link.h"
#include "serving/loader.h"
#include "serving/metrics.h"
#include "serving/routes.h"
#include "serving/spool/recorder.h"
#include "serving/spool/sender.h"
#include "serving/spool/spool.h"

namespace rekindle::serving {

struct NodeOptions {
  std::string name;
  std::vector<std::string> models;  // empty: all that the coordinator has plans for
  std::string coordinator;          // URL
  std::string authority;            // as in net::ClientOptions, of an https coordinator
  std::string serving_token;
  std::string operator_token;  // empty: nobody is an operator here
  fs::path artifacts;
  fs::path state;
  std::string address = "127.0.0.1";
  uint16_t port = 0;  // 0: any free one
  std::optional<net::TlsFiles> tls;
  std::vector<std::string> host_names;  // by which clients call this host
  uint64_t spool_bytes_max = 512ull << 20;
  RouteOptions routes;
  size_t pool_threads = 2;      // for large requests alone
  size_t waiting_threads = 32;  // for requests of versions with a process of their own
  std::chrono::milliseconds retry = FollowerOptions{}.retry;  // of versions that failed
  // What such versions may do here. `scratch` and `environments` are folders of the state folder.
  models::PredictorOptions predictors{.deadline = std::chrono::milliseconds(2'000)};
  std::chrono::milliseconds drain_max{10'000};  // for the last events, while the coordinator answers
  // Tests load versions of their own making; empty: from the artifact store.
  std::function<Result<VersionPtr>(const std::string& model, const v1::PlannedVersion&)> load;
};

class Node {
 public:
  // Takes the lock, recovers the spool, loads the kept plans, binds the port, writes `address`; from then on
  // it answers. Refusals name what is in the way.
  static Result<std::unique_ptr<Node>> start(boost::asio::io_context& io, NodeOptions options);
  ~Node();

  std::string url() const { return server_->url(); }
  Follower& follower() { return *follower_; }

  // Stops accepting, answers what is in flight, writes and sends what was recorded. On the io_context.
  boost::asio::awaitable<void> stop();

 private:
  explicit Node(NodeOptions options)
      : options_(std::move(options)), pool_(options_.pool_threads), waiting_(options_.waiting_threads) {}
  Status open_state();
  Status open_loader();
  Status listen(boost::asio::io_context& io);

  const NodeOptions options_;
  const SystemClock clock_;
  Fd lock_;
  NodeMetrics metrics_;
  boost::asio::thread_pool pool_;
  boost::asio::thread_pool waiting_;
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<Spool> spool_;
  std::unique_ptr<Sender> sender_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<Follower> follower_;
  std::unique_ptr<Link> link_;
  std::unique_ptr<Routes> routes_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace rekindle::serving
