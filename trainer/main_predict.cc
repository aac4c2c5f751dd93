// rekindle-predict: answers for one version that needs LibTorch, in the Open Inference Protocol on the Unix
// socket $REKINDLE_SOCKET. Started and watched by whoever scores; see docs/predictors.md.
#include <CLI/CLI.hpp>
#include <cstdlib>
#include <thread>

#include "base/log.h"
#include "models/oip/serve.h"
#include "trainer/predict/load.h"
#include "trainer/torch.h"

int main(int argc, char** argv) {
  using namespace rekindle;
  CLI::App app{
      "Serves one version on the Unix socket $REKINDLE_SOCKET; started by rekindle-serve and ranks."};
  std::string folder;
  size_t threads = std::max(1u, std::thread::hardware_concurrency());
  app.add_option("--version", folder, "folder with the version's files, model.json among them")->required();
  app.add_option("--threads", threads, "requests that are computed at once")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  start_logging("rekindle-predict", LogLevel::kInfo, false);
  const char* socket = std::getenv("REKINDLE_SOCKET");
  if (socket == nullptr) {
    log_error("not started", {{"reason", "REKINDLE_SOCKET names no socket to listen on"}});
    return 2;
  }
  // One request, one thread: requests come side by side.
  at::set_num_threads(1);
  auto predictor = trainer::load_version(folder);
  if (!predictor.ok()) {
    log_error("the version cannot be served", {{"reason", predictor.status().message()}});
    return 1;
  }
  const Status served = models::serve_predictor(**predictor, {.socket = socket, .threads = threads});
  if (!served.ok()) log_error("not serving", {{"reason", served.message()}});
  return served.ok() ? 0 : 1;
}
