#include "serving/node.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include "base/faults/crash_point.h"
#include "base/ids.h"
#include "base/log.h"
#include "net/metrics.h"

namespace rekindle::serving {

namespace asio = boost::asio;

namespace {

std::vector<net::Token> tokens_of(const NodeOptions& options) {
  std::vector<net::Token> tokens;
  tokens.push_back(net::token_of(options.serving_token, net::Role::kServing, "serving"));
  if (!options.operator_token.empty())
    tokens.push_back(net::token_of(options.operator_token, net::Role::kOperator, "operator"));
  return tokens;
}

// A link without its report is no reason to hold a version back.
void report_through(Link* link) {
  if (link != nullptr) link->report_now();
}

}  // namespace

Result<std::unique_ptr<Node>> Node::start(asio::io_context& io, NodeOptions options) {
  TRY_STATUS(check_name("node name", options.name));
  for (const std::string& model : options.models) TRY_STATUS(check_name("model", model));
  std::unique_ptr<Node> node(new Node(std::move(options)));
  TRY_STATUS(node->open_state());
  TRY_STATUS(node->open_loader());
  const NodeOptions& its = node->options_;
  const std::string boot = new_uuid();
  const uint64_t recovered = node->spool_->last_id();
  node->sender_ = std::make_unique<Sender>(
      *node->spool_,
      SenderOptions{.coordinator = its.coordinator, .token = its.serving_token, .authority = its.authority});
  node->recorder_ = std::make_unique<Recorder>(RecorderOptions{.node = its.name, .boot = boot}, *node->spool_,
                                               *node->sender_);
  node->follower_->restore();
  crash_point("node-restored");
  TRY_STATUS(node->listen(io));
  node->link_ = std::make_unique<Link>(LinkOptions{.coordinator = its.coordinator,
                                                   .token = its.serving_token,
                                                   .authority = its.authority,
                                                   .node = its.name,
                                                   .boot = boot,
                                                   .url = node->url(),
                                                   .models = its.models,
                                                   .recovered_frames = recovered},
                                       *node->follower_, *node->spool_);
  node->routes_->report_by(
      [link = node->link_.get()](std::function<void(Status)> done) { link->report_then(std::move(done)); });
  // From here on other threads call back into the parts: all of them are in place.
  node->link_->start();
  node->follower_->start();
  return node;
}

Node::~Node() {
  if (link_) link_->stop();
  if (loader_) loader_->cancel();
  if (follower_) follower_->stop();
  pool_.join();
  waiting_.join();
}

Status Node::open_state() {
  TRY_STATUS(make_folders_durably(options_.state));
  if (const std::string network = network_filesystem(options_.state); !network.empty())
    return failed_precondition(
        fmt::format("the state folder {} lies on {}: a spool needs a local disk; choose another --state",
                    options_.state.string(), network));
  const fs::path path = options_.state / "lock";
  lock_ = Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_.valid()) return errno_status("opening", path);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
    return failed_precondition(
        fmt::format("another serving node uses the state folder {}: stop it, or give this one a "
                    "--state of its own",
                    options_.state.string()));
  crash_point("node-locked");
  TRY_STATUS(make_folders_durably(options_.state / "plans"));
  spool_ = TRY(Spool::open({.folder = options_.state / "spool", .bytes_max = options_.spool_bytes_max}));
  return ok_status();
}

Status Node::open_loader() {
  FollowerHooks hooks;
  if (options_.load) {
    hooks.load = options_.load;
    hooks.retain = [](const std::vector<std::string>&) {};
  } else {
    auto store = TRY(artifacts::open_folder_store(options_.artifacts));
    models::PredictorOptions predictors = options_.predictors;
    predictors.scratch = options_.state / "predictors";
    predictors.environments = options_.state / "environments";
    loader_ = std::make_unique<Loader>(
        TRY(Loader::open(std::move(store), options_.state / "models", std::move(predictors))));
    hooks.load = [this](const std::string& model, const v1::PlannedVersion& planned) {
      return loader_->load(model, planned);
    };
    hooks.retain = [this](const std::vector<std::string>& manifests) { loader_->retain(manifests); };
  }
  hooks.changed = [this] { report_through(link_.get()); };
  follower_ = std::make_unique<Follower>(
      FollowerOptions{.folder = options_.state / "plans", .models = options_.models, .retry = options_.retry},
      std::move(hooks));
  return ok_status();
}

Status Node::listen(asio::io_context& io) {
  net::ServerOptions server;
  server.address = options_.address;
  server.port = options_.port;
  server.tls = options_.tls;
  server.host_names = options_.host_names;
  server.tokens = tokens_of(options_);
  server_ = std::make_unique<net::HttpServer>(io, std::move(server));
  routes_ =
      std::make_unique<Routes>(options_.routes, clock_, *follower_, *recorder_, metrics_, pool_, waiting_);
  routes_->add_to(*server_);
  const auto refresh_server = net::server_metrics(*server_, metrics_.registry());
  net::add_metrics_route(*server_, metrics_.registry(), [this, refresh_server] {
    refresh_server();
    metrics_.refresh({follower_.get(), spool_.get(), recorder_.get(), sender_.get(), link_.get()});
  });
  TRY(server_->start());
  crash_point("node-listening");
  return write_file_durably(options_.state / "address", server_->url() + "\n");
}

asio::awaitable<void> Node::stop() {
  co_await server_->stop();
  link_->stop();
  if (loader_) loader_->cancel();
  follower_->stop();
  recorder_->stop();
  sender_->stop(options_.drain_max);
  const SpoolTotals totals = spool_->totals();
  log_info("node has stopped", {{"spooled", totals.records}});
  std::error_code ignored;
  fs::remove(options_.state / "address", ignored);
}

}  // namespace rekindle::serving
