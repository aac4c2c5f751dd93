#include "cli/context.h"

#include <fmt/format.h>

#include <cstdlib>

#include "base/files.h"
#include "cli/output.h"

namespace rekindle::cli {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\r')) text.pop_back();
  return text;
}

}  // namespace

fs::path Context::state_folder() const {
  if (!state.empty()) return state;
  if (std::string named = environment("REKINDLE_STATE"); !named.empty()) return named;
  if (std::string home = environment("XDG_STATE_HOME"); !home.empty()) return fs::path(home) / "rekindle";
  const std::string home = environment("HOME");
  return fs::path(home.empty() ? "/tmp" : home) / ".local" / "state" / "rekindle";
}

fs::path Context::cache_folder() const {
  if (std::string named = environment("XDG_CACHE_HOME"); !named.empty()) return fs::path(named) / "rekindle";
  const std::string home = environment("HOME");
  return fs::path(home.empty() ? "/tmp" : home) / ".cache" / "rekindle";
}

Result<std::string> Context::server_url() const {
  if (!server.empty()) return server;
  if (std::string named = environment("REKINDLE_SERVER"); !named.empty()) return named;
  const fs::path file = state_folder() / "address";
  const Result<std::string> address = read_file(file, 4096);
  if (address.ok()) return trimmed(*address);
  return unavailable(
      fmt::format("no coordinator runs on {}: start one with `rekindle up`, or name one with --server URL",
                  state_folder().string()));
}

Result<std::string> Context::token() const {
  const fs::path file = token_file.empty() ? state_folder() / "token" : fs::path(token_file);
  const Result<std::string> text = read_file(file, 4096);
  if (!text.ok())
    return permission_denied(
        fmt::format("{}; name the operator's token with --token-file", text.status().message()));
  return trimmed(*text);
}

std::string Context::authority_file() const {
  if (!authority.empty()) return authority;
  if (std::string named = environment("REKINDLE_CA"); !named.empty()) return named;
  const fs::path own = state_folder() / "tls" / "ca.pem";
  std::error_code error;
  return fs::exists(own, error) ? own.string() : std::string();
}

Result<net::ConnectClient> Context::connect() const {
  std::string url = TRY(server_url());
  std::string secret = TRY(token());
  return net::ConnectClient(std::move(url), std::move(secret), authority_file());
}

void Context::say(std::string_view text) const {
  if (!quiet && !json) print(fmt::format("{}\n", text));
}

}  // namespace rekindle::cli
