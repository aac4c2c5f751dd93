// Bearer tokens: made and kept as files of mode 0600, compared in constant time.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "net/http_server.h"

namespace rekindle::net {

// The token in `path`, made there (32 random bytes in hex, 0600, durable) when there is none.
Result<std::string> load_or_create_token(const std::filesystem::path& path);
// The token in `path`; says what to do when it is absent, unreadable or empty.
Result<std::string> load_token(const std::filesystem::path& path);

// Holder of "Bearer TOKEN"; role kNobody when the header is empty or fits none. Takes the same time whichever
// token fits and however much of it.
Identity identify(const std::vector<Token>& tokens, std::string_view authorization);
bool allows(Access access, Role role);
std::string_view access_word(Access access);  // "an operator's": whose token a route asks for

}  // namespace rekindle::net
