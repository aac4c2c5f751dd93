#include "running_node.h"

#include <stdlib.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>

#include "fake_coordinator.h"

namespace rekindle::serving::testing {

namespace asio = boost::asio;

TempFolder::TempFolder() {
  std::string pattern = (fs::temp_directory_path() / "rekindle-serving-XXXXXX").string();
  CHECK(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

RunningNode::RunningNode(NodeOptions options) {
  auto node = Node::start(io_, std::move(options));
  CHECK(node.ok(), node.status().message());
  node_ = std::move(node).value();
  thread_ = std::thread([this] { io_.run(); });
}

RunningNode::~RunningNode() {
  asio::co_spawn(io_, node_->stop(), asio::use_future).wait();
  work_.reset();
  io_.stop();
  thread_.join();
}

NodeOptions node_options(const std::string& coordinator, const fs::path& state, const std::string& model) {
  NodeOptions options;
  options.name = "n1";
  options.models = {model};
  options.coordinator = coordinator;
  options.serving_token = kServingToken;
  options.operator_token = kOperatorToken;
  options.state = state;
  options.drain_max = std::chrono::milliseconds(500);
  return options;
}

net::HttpClient http_client(const std::string& url, const std::string& token) {
  return net::HttpClient({.url = url, .token = token});
}

net::Reply post(net::HttpClient& client, const std::string& path, const std::string& body) {
  net::Headers headers;
  headers.add("Content-Type", "application/json");
  auto reply = client.request("POST", path, body, headers);
  CHECK(reply.ok(), reply.status().message());
  return std::move(reply).value();
}

}  // namespace rekindle::serving::testing
