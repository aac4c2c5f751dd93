#include "models/process/version.h"

#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>

#include "artifacts/manifest.h"
#include "base/process.h"
#include "models/process/process_predictor.h"
#include "proto/time.h"
#include "runtime/code.h"
#include "runtime/environment.h"

namespace rekindle::models {
namespace {

constexpr size_t kSocketPathMax = 107;

// Removed when nothing holds it: after the process, or on the way out of a failed start.
class Folder {
 public:
  explicit Folder(fs::path path) : path_(std::move(path)) {}
  Folder(const Folder&) = delete;
  ~Folder() { runtime::remove_folder(path_); }
  const fs::path& path() const { return path_; }

 private:
  const fs::path path_;
};

// In the environment of all processes under one scratch folder.
std::string mark(const fs::path& scratch) {
  std::error_code error;
  return "REKINDLE_PREDICTORS=" + fs::absolute(scratch, error).string();
}

// A new folder that is only this user's, whose "s" fits into a socket's address.
Result<std::shared_ptr<Folder>> make_folder(const fs::path& scratch) {
  std::error_code error;
  fs::path parent = scratch.empty() ? fs::temp_directory_path(error) : fs::absolute(scratch, error);
  if (error || parent.string().size() + sizeof("/p-XXXXXX/s") > kSocketPathMax) parent = "/tmp";
  if (!scratch.empty()) TRY_STATUS(make_folders_durably(parent));
  std::string name = parent / "p-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) return errno_status("making a folder in", parent);
  return std::make_shared<Folder>(name);
}

// The manifest's files under their names. Links cost nothing and keep a blob that the store drops meanwhile.
Status lay_out(const artifacts::Store& store, const v1::Manifest& manifest, const fs::path& folder) {
  for (const v1::ManifestFile& file : manifest.files()) {
    const fs::path blob = TRY(store.path(file.sha256()));
    const fs::path to = folder / file.name();
    std::error_code error;
    fs::create_directories(to.parent_path(), error);
    fs::create_hard_link(blob, to, error);
    if (error) fs::copy_file(blob, to, error);
    if (error)
      return unavailable(
          fmt::format("{} cannot be laid out as {}: {}", file.name(), to.string(), error.message()));
  }
  return ok_status();
}

Status check_allowed(const v1::ModelCard& card, const PredictorOptions& options) {
  const bool package = !card.predict().package().empty();
  if (options.allow_packages || (!package && !card.kind().has_plugin())) return ok_status();
  return permission_denied(fmt::format(
      "this version is {}, compiled code that would run here; the operator allows that with --allow-packages",
      package ? "a package" : "of the kind plugin"));
}

// What starts the program: the user's command in its environment, or rekindle-predict.
Result<runtime::Invocation> invocation(const artifacts::Store& store, const v1::Manifest& manifest,
                                       const v1::ModelCard& card, const PredictorOptions& options,
                                       const fs::path& folder) {
  std::vector<std::string> variables = bare_environment();
  variables.push_back("TMPDIR=" + (folder / "tmp").string());
  variables.push_back(mark(options.scratch.empty() ? folder.parent_path() : options.scratch));
  const fs::path code = folder / "code";
  const fs::path version = folder / "version";
  if (card.predict().command().empty()) {
    TRY_STATUS(lay_out(store, manifest, version));
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error);
    const fs::path program =
        options.program.empty() ? self.parent_path() / "rekindle-predict" : options.program;
    TRY_STATUS(runtime::prepare_code(store, card.code(), code));  // of a plugin; otherwise empty
    return runtime::Invocation{.argv = {program, "--version", version}, .environment = std::move(variables)};
  }
  TRY_STATUS(runtime::prepare_version(store, manifest, version));
  TRY_STATUS(runtime::prepare_code(store, card.code(), code));
  const fs::path kept = options.environments.empty() ? folder / "environments" : options.environments;
  const auto environment = TRY(runtime::prepare_environment(card.env(), code, kept));
  variables.push_back("REKINDLE_MODEL=" + version.string());
  return runtime::invocation(environment, {card.predict().command().begin(), card.predict().command().end()},
                             std::move(variables), code, {folder});
}

}  // namespace

bool needs_process(const v1::ModelCard& card) {
  if (card.predict().command_size() > 0 || !card.predict().package().empty()) return true;
  switch (card.kind().kind_case()) {
    case v1::Model::kCnn:
    case v1::Model::kTransformer:
    case v1::Model::kPlugin:
      return true;
    default:
      return false;  // built in, or refused as unknown
  }
}

Result<std::unique_ptr<Predictor>> load_process(const artifacts::Store& store, const v1::Manifest& manifest,
                                                v1::ModelCard card, const PredictorOptions& options) {
  TRY_STATUS(check_allowed(card, options));
  const std::shared_ptr<Folder> folder = TRY(make_folder(options.scratch));
  TRY_STATUS(make_folders_durably(folder->path() / "tmp"));
  auto invoked = TRY(invocation(store, manifest, card, options, folder->path()));
  ProcessOptions process;
  process.deadline = options.deadline;
  process.stop = options.stop;
  process.keeps = folder;
  process.supervisor.argv = std::move(invoked.argv);
  process.supervisor.environment = std::move(invoked.environment);
  process.supervisor.folder = folder->path() / "code";
  process.supervisor.scratch = folder->path();
  // Defaults of the spec; a built-in kind has none of its own.
  if (card.predict().memory() > 0) process.supervisor.memory_bytes = card.predict().memory();
  if (card.predict().has_start_within())
    process.supervisor.start_within =
        std::chrono::duration_cast<std::chrono::milliseconds>(from_proto(card.predict().start_within()));
  return ProcessPredictor::start(std::move(card), std::move(process));
}

void sweep_predictors(const fs::path& scratch) {
  std::error_code error;
  for (const pid_t pid : processes_with_environment(mark(scratch)))
    signal_process(pid, start_ticks(pid), SIGKILL);
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(scratch, error)) left.push_back(entry.path());
  for (const fs::path& path : left) runtime::remove_folder(path);
}

}  // namespace rekindle::models
