#include "launch/slurm/identity.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <cmath>

#include "base/base64.h"
#include "launch/slurm/commands.h"
#include "proto/time.h"
#include "runtime/capture.h"

namespace rekindle::launch::slurm {
namespace {

namespace json = boost::json;

constexpr std::string_view kVariable = "SLURM_JWT=";
constexpr size_t kTokenBytesMax = 16 * 1024;

Status no_token() {
  return invalid_argument(
      "that is no token of Slurm's: store what `scontrol token lifespan=SECONDS` prints, all of it");
}

// Base64url without padding, as JSON Web Tokens have it.
Result<std::string> decoded(std::string_view part) {
  std::string text(part);
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  text.append((4 - text.size() % 4) % 4, '=');
  return base64_decode(text);
}

std::string text_at(const json::object& claims, std::string_view key) {
  const json::value* found = claims.if_contains(key);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

// A name that may stand in a path, a message and an environment.
bool plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && name.front() != '-' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                  c == '_' || c == '.';
         });
}

}  // namespace

std::string bare_token(std::string_view text) {
  while (!text.empty() && std::string_view(" \t\r\n").find(text.back()) != std::string_view::npos)
    text.remove_suffix(1);
  while (!text.empty() && std::string_view(" \t\r\n").find(text.front()) != std::string_view::npos)
    text.remove_prefix(1);
  if (text.starts_with(kVariable)) text.remove_prefix(kVariable.size());
  return std::string(text);
}

Result<Claims> read_token(std::string_view text) {
  const std::string token = bare_token(text);
  const size_t first = token.find('.'), last = token.rfind('.');
  if (token.size() > kTokenBytesMax || first == std::string::npos || first == last) return no_token();
  const Result<std::string> payload = decoded(std::string_view(token).substr(first + 1, last - first - 1));
  if (!payload.ok() || !decoded(std::string_view(token).substr(last + 1)).ok()) return no_token();
  boost::system::error_code error;
  const json::value value = json::parse(*payload, error);
  if (error || !value.is_object()) return no_token();
  Claims out;
  // Slurm's own name for it, and that of tokens which others sign for Slurm.
  for (const char* key : {"sun", "username"})
    if (out.user.empty()) out.user = text_at(value.get_object(), key);
  if (!plain_name(out.user))
    return invalid_argument("the token names no user (`sun`): Slurm itself has to make it, for you");
  const json::value* expires = value.get_object().if_contains("exp");
  if (expires == nullptr) return out;
  boost::system::error_code none;
  const double seconds = expires->to_number<double>(none);
  if (none || !(seconds > 0) || seconds > 1e11) return no_token();
  out.expires_us = static_cast<int64_t>(seconds * 1e6);
  return out;
}

Result<Identity> identity_of(std::string token) {
  Identity out;
  out.user = TRY(read_token(token)).user;
  out.token = bare_token(token);
  struct passwd entry {};
  struct passwd* found = nullptr;
  std::string buffer(16 * 1024, '\0');
  if (::getpwnam_r(out.user.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return failed_precondition(
        fmt::format("this host knows no user '{}': it has to know those of the cluster", out.user));
  out.uid = found->pw_uid;
  out.gid = found->pw_gid;
  out.home = found->pw_dir;
  if (out.uid == 0) return permission_denied("root's jobs are nobody's runs: store a user's own token");
  return out;
}

Call own_call(const v1::SlurmPool& pool, std::vector<std::string> argv) {
  return {std::move(argv), command_environment(pool)};
}

Call call_as(const Identity& identity, const v1::SlurmPool& pool, const fs::path& gang,
             std::vector<std::string> argv) {
  Call out = own_call(pool, {gang.string(), "as", fmt::format("{}:{}", identity.uid, identity.gid)});
  out.argv.insert(out.argv.end(), argv.begin(), argv.end());
  std::erase_if(out.environment, [](const std::string& entry) {
    return entry.starts_with("HOME=") || entry.starts_with("USER=");
  });
  out.environment.push_back("HOME=" + identity.home);
  out.environment.push_back("USER=" + identity.user);
  out.environment.push_back("LOGNAME=" + identity.user);
  out.environment.push_back(std::string(kVariable) + identity.token);
  return out;
}

Status try_identity(const Identity& identity, const v1::SlurmPool& pool, const fs::path& gang) {
  const Call call = call_as(identity, pool, gang, list_command());
  const auto limit = std::chrono::ceil<std::chrono::milliseconds>(from_proto(pool.answer_within()));
  const runtime::Captured ran = TRY(runtime::capture(call.argv, call.environment, "/", {}, {.limit = limit}));
  if (ran.code == 0) return ok_status();
  return failed_precondition(fmt::format("Slurm does not take this token of user '{}': {}", identity.user,
                                         runtime::last_lines(ran.tail, 2)));
}

}  // namespace rekindle::launch::slurm
