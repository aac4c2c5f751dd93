// A node inside the test's process, with its own thread and a temporary state folder; and a client of it.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <thread>

#include "base/files.h"
#include "net/client.h"
#include "serving/node.h"

namespace rekindle::serving::testing {

class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

class RunningNode {
 public:
  explicit RunningNode(NodeOptions options);
  ~RunningNode();  // stops it in order
  std::string url() const { return node_->url(); }
  Node& node() { return *node_; }

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::unique_ptr<Node> node_;
  std::thread thread_;
};

NodeOptions node_options(const std::string& coordinator, const fs::path& state,
                         const std::string& model = "m");

net::HttpClient http_client(const std::string& url, const std::string& token);
// The reply to a POST of JSON; the test's process ends when there is none.
net::Reply post(net::HttpClient& client, const std::string& path, const std::string& body);

}  // namespace rekindle::serving::testing
