// rekindle-serve: a serving node. See docs/serving.md.
#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <csignal>
#include <iostream>
#include <string_view>

#include "base/log.h"
#include "base/units.h"
#include "net/tokens.h"
#include "serving/node.h"
#include "serving/probe.h"

namespace rekindle::serving {
namespace {

struct Flags {
  std::vector<std::string> models;
  std::string coordinator;
  std::string authority, certificate, key;
  std::vector<std::string> host_names;
  std::string token_file;
  std::string operator_token_file;
  std::string artifacts;
  std::string state;
  std::string listen = "127.0.0.1:0";
  std::string name = "node";
  std::string spool = "512MiB";
  size_t rows_max = models::InferLimits{}.rows_max;
  bool json_logs = false;
  bool allow_packages = false;
  std::string predict_within = "2s";
  std::string predict_program;
};

void declare(CLI::App& app, Flags& flags) {
  app.add_option("--model", flags.models, "model to serve; again for more; 'all' for every one")->required();
  app.add_option("--coordinator", flags.coordinator,
                 "URL of rekindled, http://127.0.0.1:PORT or https://HOST:PORT")
      ->required();
  app.add_option("--ca", flags.authority,
                 "PEM file of the authority of an https coordinator: its STATE/tls/ca.pem");
  app.add_option("--token-file", flags.token_file, "file with the serving token")->required();
  app.add_option("--operator-token-file", flags.operator_token_file,
                 "file with the operator token that this node accepts");
  app.add_option("--artifacts", flags.artifacts, "folder of the artifact store")->required();
  app.add_option("--state", flags.state, "folder of this node's own: plans, models, spool")->required();
  app.add_option("--listen", flags.listen,
                 "ADDRESS:PORT, beyond loopback with TLS alone; port 0 takes any free one")
      ->capture_default_str();
  CLI::Option* certificate =
      app.add_option("--tls-certificate", flags.certificate,
                     "PEM file of the certificate, with its chain, that this node shows");
  CLI::Option* key = app.add_option("--tls-key", flags.key, "PEM file of its key");
  certificate->needs(key);
  key->needs(certificate);
  app.add_option("--host-name", flags.host_names, "name by which clients call this host; again for more");
  app.add_option("--name", flags.name, "name of this node, unique among the nodes")->capture_default_str();
  app.add_option("--spool", flags.spool, "most bytes that wait for the coordinator on disk")
      ->capture_default_str();
  app.add_option("--max-rows", flags.rows_max, "most rows of one request")->capture_default_str();
  app.add_flag("--allow-packages", flags.allow_packages,
               "serve packages and plugins: compiled code that runs as this user");
  app.add_option("--predict-within", flags.predict_within,
                 "longest wait for the answer of a predictor process, for each 4,096 rows")
      ->capture_default_str();
  app.add_option("--predict-program", flags.predict_program,
                 "rekindle-predict (default: beside this program)");
  app.add_flag("--json-logs", flags.json_logs, "one JSON object a line instead of text");
}

Status read_listen(const std::string& listen, NodeOptions& options) {
  const size_t colon = listen.rfind(':');
  unsigned port = 0;
  const char* first = listen.data() + (colon == std::string::npos ? listen.size() : colon + 1);
  const auto [end, error] = std::from_chars(first, listen.data() + listen.size(), port);
  if (colon == std::string::npos || error != std::errc() || end != listen.data() + listen.size() ||
      port > 65535)
    return invalid_argument("--listen takes ADDRESS:PORT, such as 127.0.0.1:7800, not '" + listen + "'");
  options.address = listen.substr(0, colon);
  if (options.address.starts_with('[') && options.address.ends_with(']'))
    options.address = options.address.substr(1, options.address.size() - 2);
  options.port = static_cast<uint16_t>(port);
  return ok_status();
}

Result<NodeOptions> to_options(const Flags& flags) {
  NodeOptions options;
  options.name = flags.name;
  options.models = flags.models;
  for (const std::string& model : flags.models)
    if (model == "all") options.models.clear();
  options.coordinator = flags.coordinator;
  options.authority = flags.authority;
  if (!flags.certificate.empty()) options.tls = net::TlsFiles{flags.certificate, flags.key};
  options.host_names = flags.host_names;
  options.serving_token = TRY(net::load_token(flags.token_file));
  if (!flags.operator_token_file.empty())
    options.operator_token = TRY(net::load_token(flags.operator_token_file));
  options.artifacts = flags.artifacts;
  options.state = flags.state;
  options.spool_bytes_max = TRY(parse_bytes(flags.spool));
  options.routes.limits.rows_max = flags.rows_max;
  options.predictors.allow_packages = flags.allow_packages;
  options.predictors.program = flags.predict_program;
  const Micros within = TRY(parse_duration(flags.predict_within));
  if (within < std::chrono::milliseconds(1)) return invalid_argument("--predict-within must be 1ms at least");
  options.predictors.deadline = std::chrono::duration_cast<std::chrono::milliseconds>(within);
  TRY_STATUS(read_listen(flags.listen, options));
  return options;
}

boost::asio::awaitable<void> serve(Node* node) {
  boost::asio::signal_set signals(co_await boost::asio::this_coro::executor, SIGTERM, SIGINT);
  const int signal = co_await signals.async_wait(boost::asio::use_awaitable);
  log_info("stopping", {{"signal", signal}});
  co_await node->stop();
}

int run(const Flags& flags) {
  start_logging("rekindle-serve", LogLevel::kInfo, flags.json_logs);
  std::signal(SIGPIPE, SIG_IGN);
  auto options = to_options(flags);
  if (!options.ok()) {
    std::cerr << "rekindle-serve: " << options.status().message() << "\n";
    return 2;
  }
  boost::asio::io_context io(1);
  auto node = Node::start(io, std::move(options).value());
  if (!node.ok()) {
    std::cerr << "rekindle-serve: " << node.status().message() << "\n";
    return 1;
  }
  log_info("serving", {{"node", flags.name}, {"url", (*node)->url()}});
  boost::asio::co_spawn(io, serve(node->get()), [&io](std::exception_ptr error) {
    CHECK(!error, "the serving loop ended with an exception");
    io.stop();
  });
  io.run();
  return 0;
}

// `rekindle-serve try`: what the gate asks, in the attempt of a run.
struct TryFlags {
  std::string artifacts, state, model, manifest, out, environments;
};

void declare(CLI::App& app, TryFlags& flags) {
  app.add_option("--artifacts", flags.artifacts, "folder of the artifact store")->required();
  app.add_option("--state", flags.state, "folder for the version's files, removed by whoever named it")
      ->required();
  app.add_option("--environments", flags.environments, "folder of built environments");
  app.add_option("--model", flags.model, "model that the version is of")->required();
  app.add_option("--manifest", flags.manifest, "SHA-256 of its manifest")->required();
  app.add_option("--out", flags.out, "file for what came of it, a ServingProbe")->required();
}

Status try_version(const TryFlags& flags) {
  models::PredictorOptions predictors;
  predictors.scratch = fs::path(flags.state) / "predictors";
  predictors.environments = flags.environments;
  // The job's own code has run here already.
  predictors.allow_packages = true;
  TRY_STATUS(make_folders_durably(predictors.scratch));
  const auto store = TRY(artifacts::open_folder_store(flags.artifacts));
  const Loader loader = TRY(Loader::open(TRY(artifacts::open_folder_store(flags.artifacts)),
                                         fs::path(flags.state) / "models", predictors));
  const v1::ServingProbe came = probe(loader, *store, flags.model, flags.manifest);
  return write_file_durably(flags.out, came.SerializeAsString());
}

int run_try(const TryFlags& flags) {
  start_logging("rekindle-serve try", LogLevel::kInfo, false);
  std::signal(SIGPIPE, SIG_IGN);
  const Status tried = try_version(flags);
  if (tried.ok()) return 0;
  std::cerr << "rekindle-serve try: " << tried.message() << "\n";
  return 1;
}

}  // namespace
}  // namespace rekindle::serving

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "try") {
    CLI::App app{"Loads one version as a serving node would, and answers by it."};
    rekindle::serving::TryFlags flags;
    rekindle::serving::declare(app, flags);
    CLI11_PARSE(app, argc - 1, argv + 1);
    return rekindle::serving::run_try(flags);
  }
  CLI::App app{"Serves the models of a rekindle coordinator over the Open Inference Protocol."};
  rekindle::serving::Flags flags;
  rekindle::serving::declare(app, flags);
  CLI11_PARSE(app, argc, argv);
  return rekindle::serving::run(flags);
}
