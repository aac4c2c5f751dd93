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

Identity identify(const std::vector<Token>& tokens, std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!authorization.starts_with(kScheme)) return {};
  // Digests are of equal length, so that not even the length of a token shows in the time taken.
  const std::string given = sha256_hex(authorization.substr(kScheme.size()));
  Identity who;
  for (const Token& token : tokens) {
    const std::string wanted = sha256_hex(token.secret);
    if (CRYPTO_memcmp(given.data(), wanted.data(), given.size()) == 0 && !token.secret.empty())
      who = Identity{.role = token.role, .name = token.name};
  }
  return who;
}

bool allows(Access access, Role role) {
  switch (access) {
    case Access::kOpen:
      return true;
    case Access::kServing:
      return role == Role::kServing || role == Role::kOperator;
    case Access::kOperator:
      return role == Role::kOperator;
  }
  return false;
}

}  // namespace rekindle::net
