#include "trainer/publish/probe.h"

#include <chrono>

#include "base/log.h"
#include "models/process/child.h"

namespace rekindle::trainer {
namespace {

constexpr std::chrono::minutes kLongest{10};
constexpr int kLookMs = 1000;

models::ChildOptions child_options(const Context& context, const std::string& manifest,
                                   const fs::path& folder) {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  models::ChildOptions out;
  out.argv = {(self.parent_path() / "rekindle-serve").string(),
              "try",
              "--artifacts",
              context.plan.artifacts(),
              "--state",
              (folder / "node").string(),
              "--model",
              context.plan.spec().name(),
              "--manifest",
              manifest,
              "--out",
              (folder / "probe.pb").string()};
  if (const std::string& kept = context.plan.environments(); !kept.empty())
    out.argv.insert(out.argv.end(), {"--environments", kept});
  out.mark = "REKINDLE_PROBE=" + folder.string();
  out.environment = bare_environment();
  out.environment.push_back(out.mark);
  out.folder = folder;
  return out;
}

// How it ended.
std::string awaited(const Context& context, models::Child& child) {
  const auto until = std::chrono::steady_clock::now() + kLongest;
  while (!child.ended()) {
    if (std::chrono::steady_clock::now() >= until) return "it was still busy after ten minutes";
    child.wait(-1, kLookMs);
    context.reporter.advance();
  }
  return "it ended with " + *child.ended();
}

v1::ServingProbe cannot(std::string why) {
  v1::ServingProbe out;
  out.set_failure(std::move(why));
  return out;
}

}  // namespace

std::optional<v1::ServingProbe> probe_serving(const Context& context, const std::string& manifest) {
  const fs::path folder = context.scratch() / "serving";
  std::error_code error;
  fs::remove_all(folder, error);
  if (const Status made = make_folders_durably(folder / "node"); !made.ok()) {
    log_warning("the candidate cannot be tried in the serving program", {{"why", made.message()}});
    return std::nullopt;
  }
  models::BoundedLog log(folder / "log");
  auto child = models::Child::start(child_options(context, manifest, folder), log);
  if (!child.ok()) {
    log_warning("the serving program cannot be started", {{"why", child.status().message()}});
    return std::nullopt;
  }
  const std::string ended = awaited(context, *child);
  child->kill();
  const auto bytes = read_file(folder / "probe.pb");
  v1::ServingProbe out;
  const bool told = bytes.ok() && out.ParseFromString(*bytes);
  fs::remove_all(folder, error);
  return told ? out : cannot(ended + ": " + log.tail());
}

}  // namespace rekindle::trainer
