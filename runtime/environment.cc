#include "runtime/environment.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/files/passing_files.h"
#include "base/process.h"
#include "runtime/venv.h"

namespace rekindle::runtime {
namespace {

// Of programs that must be there for an environment of this kind.
fs::path in_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    const size_t colon = std::min(rest.find(':'), rest.size());
    const fs::path candidate = fs::path(rest.substr(0, colon)) / name;
    std::error_code error;
    if (colon > 0 && ::access(candidate.c_str(), X_OK) == 0 && fs::is_regular_file(candidate, error))
      return candidate;
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return {};
}

// `module` is a function of login shells; this is the program behind it (Lmod or Environment Modules).
fs::path modules_tool() {
  for (const char* name : {"LMOD_CMD", "MODULES_CMD"}) {
    const char* tool = std::getenv(name);
    if (tool != nullptr && ::access(tool, X_OK) == 0) return tool;
  }
  if (fs::path tool = in_path("modulecmd"); !tool.empty()) return tool;
  for (const char* tool : {"/usr/share/lmod/lmod/libexec/lmod", "/usr/lib/x86_64-linux-gnu/modulecmd.tcl",
                           "/usr/share/Modules/libexec/modulecmd.tcl"}) {
    if (::access(tool, X_OK) == 0) return tool;
  }
  return {};
}

Result<Environment> with_modules(const v1::Environment& spec) {
  Environment out{.spec = spec, .tool = modules_tool(), .described = "modules"};
  if (out.tool.empty())
    return failed_precondition(
        "train.env asks for modules, but this host has no module system: neither $LMOD_CMD nor $MODULES_CMD, "
        "and "
        "no modulecmd in PATH. Install Lmod or Environment Modules, or use env: {venv: ...}");
  for (const std::string& name : spec.modules().load()) out.described += " " + name;
  return out;
}

Result<Environment> with_container(const v1::Environment& spec) {
  Environment out{.spec = spec, .tool = in_path("apptainer"), .described = "container " + spec.container()};
  if (out.tool.empty())
    return failed_precondition(
        "train.env asks for a container, but this host has no apptainer in PATH (Debian 12 does not ship "
        "it): "
        "install Apptainer, or use env: {venv: ...}");
  return out;
}

// Sets PATH's front and leaves the rest of it.
void put_first_in_path(std::vector<std::string>& variables, const fs::path& folder) {
  for (std::string& entry : variables) {
    if (!entry.starts_with("PATH=")) continue;
    entry = fmt::format("PATH={}:{}", folder.string(), entry.substr(5));
    return;
  }
  variables.push_back(fmt::format("PATH={}:/usr/local/bin:/usr/bin:/bin", folder.string()));
}

// The shell reads only this text and what the module program answers; names and command are its words. A
// module that is not there is said by the answer's last command alone: the program itself leaves with 0.
constexpr const char* kLoadModules =
    "tool=$1; count=$2; shift 2; loaded=$(\"$tool\" bash load \"${@:1:count}\") && eval \"$loaded\" || exit "
    "78; "
    "shift \"$count\"; exec \"$@\"";

}  // namespace

namespace {

Environment of_host(const v1::Environment& spec) {
  return {.spec = spec, .venv = {}, .tool = {}, .described = "host"};
}

}  // namespace

Result<Environment> prepare_environment(const v1::Environment& spec, const fs::path& code,
                                        const fs::path& kept, const Say& say) {
  switch (spec.kind_case()) {
    case v1::Environment::kVenv: {
      const Venv built = TRY(prepare_venv(
          code, spec.venv(), kept, say ? say : [](std::string_view) {}));
      return Environment{.spec = spec, .venv = built.folder, .tool = {}, .described = built.described};
    }
    case v1::Environment::kModules:
      return with_modules(spec);
    case v1::Environment::kContainer:
      return with_container(spec);
    case v1::Environment::KIND_NOT_SET:
      break;
  }
  return of_host(spec);
}

Status keep(const Environment& environment, const fs::path& file) {
  if (environment.spec.kind_case() == v1::Environment::KIND_NOT_SET) return ok_status();
  return write_file_atomically(file,
                               fmt::format("{}\n{}\n{}\n", environment.venv.string(),
                                           environment.tool.string(), environment.described),
                               0640);
}

Result<Environment> read_kept(const v1::Environment& spec, const fs::path& file) {
  if (spec.kind_case() == v1::Environment::KIND_NOT_SET) return of_host(spec);
  const std::string text = TRY(read_file(file));
  const size_t first = text.find('\n');
  const size_t second = first == std::string::npos ? first : text.find('\n', first + 1);
  if (second == std::string::npos) return data_loss(file.string() + " is damaged");
  Environment out{.spec = spec, .venv = text.substr(0, first), .tool = {}, .described = {}};
  out.tool = text.substr(first + 1, second - first - 1);
  out.described = text.substr(second + 1, text.find('\n', second + 1) - second - 1);
  return out;
}

Invocation invocation(const Environment& environment, const std::vector<std::string>& command,
                      std::vector<std::string> variables, const fs::path& code,
                      const std::vector<fs::path>& folders) {
  Invocation out;
  switch (environment.spec.kind_case()) {
    case v1::Environment::kVenv:
      put_first_in_path(variables, environment.venv / "bin");
      variables.push_back("VIRTUAL_ENV=" + environment.venv.string());
      break;
    case v1::Environment::kModules: {
      const auto& names = environment.spec.modules().load();
      out.argv = {"/bin/bash",
                  "--noprofile",
                  "--norc",
                  "-c",
                  kLoadModules,
                  "rekindle",
                  environment.tool.string(),
                  std::to_string(names.size())};
      out.argv.insert(out.argv.end(), names.begin(), names.end());
      break;
    }
    case v1::Environment::kContainer: {
      out.argv = {environment.tool.string(), "exec", "--pwd", code.string()};
      std::vector<fs::path> seen = folders;
      seen.push_back(code);
      for (const fs::path& folder : seen) {
        out.argv.push_back("--bind");
        out.argv.push_back(folder.string());
      }
      out.argv.push_back(environment.spec.container());
      break;
    }
    case v1::Environment::KIND_NOT_SET:
      break;
  }
  out.argv.insert(out.argv.end(), command.begin(), command.end());
  out.environment = std::move(variables);
  return out;
}

std::vector<std::string> host_environment() {
  std::vector<std::string> out = bare_environment();
  constexpr std::string_view kExact[] = {
      "HTTP_PROXY",  "HTTPS_PROXY",   "NO_PROXY",     "http_proxy",         "https_proxy",
      "no_proxy",    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "MODULEPATH",
      "MODULES_CMD", "MODULESHOME",   "LMOD_CMD"};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::string_view name = text.substr(0, text.find('='));
    if (name.starts_with("PIP_") || std::find(std::begin(kExact), std::end(kExact), name) != std::end(kExact))
      out.emplace_back(text);
  }
  return out;
}

}  // namespace rekindle::runtime
