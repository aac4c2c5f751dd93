#include "net/tokens.h"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include "base/files.h"
#include "base/hash.h"
#include "base/ids.h"

namespace rekindle::net {

Result<std::string> load_token(const std::filesystem::path& path) {
  Result<std::string> text = read_file(path, 4096);
  if (!text.ok()) {
    if (text.status().code() == Code::kNotFound)
      return not_found(
          fmt::format("no token file {}; is this the state folder of a started rekindled?", path.string()));
    return text.status().within("reading the token");
  }
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r' || text->back() == ' '))
    text->pop_back();
  if (text->empty())
    return invalid_argument(fmt::format("the token file {} is empty; remove it and restart", path.string()));
  return text;
}

Result<std::string> load_or_create_token(const std::filesystem::path& path) {
  Result<std::string> present = load_token(path);
  if (present.ok() || present.status().code() != Code::kNotFound) return present;
  std::string token = random_hex(32);
  TRY_STATUS(write_file_durably(path, token + "\n", 0600));
  return token;
}

Token token_of(std::string_view secret, Role role, std::string name) {
  return {sha256_hex(secret), role, std::move(name)};
}

Identity identify(const std::vector<Token>& tokens, std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme) || authorization.size() == kScheme.size()) return {};
  const std::string given = sha256_hex(authorization.substr(kScheme.size()));
  Identity who;
  for (const Token& token : tokens) {
    if (token.sha256.size() == given.size() &&
        CRYPTO_memcmp(given.data(), token.sha256.data(), given.size()) == 0)
      who = Identity{.role = token.role, .name = token.name};
  }
  return who;
}

bool allows(Access access, Role role) {
  switch (access) {
    case Access::kOpen:
      return true;
    case Access::kServing:
      return role == Role::kServing || role >= Role::kOperator;
    case Access::kViewer:
      return role >= Role::kViewer;
    case Access::kSubmitter:
      return role >= Role::kSubmitter;
    case Access::kOperator:
      return role >= Role::kOperator;
    case Access::kAdmin:
      return role >= Role::kAdmin;
  }
  return false;
}

std::string_view access_word(Access access) {
  switch (access) {
    case Access::kOpen:
      return "nobody's";
    case Access::kServing:
      return "a serving";
    case Access::kViewer:
      return "a viewer's";
    case Access::kSubmitter:
      return "a submitter's";
    case Access::kOperator:
      return "an operator's";
    case Access::kAdmin:
      return "an admin's";
  }
  return "another";
}

}  // namespace rekindle::net
