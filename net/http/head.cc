#include "net/http/head.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/beast/core/string.hpp>
#include <iterator>

#include "base/hash.h"

namespace rekindle::net {
namespace {

namespace http = boost::beast::http;

constexpr std::array<std::string_view, 8> kSecretNames = {
    "token", "access_token", "auth_token", "authorization", "bearer", "api_key", "apikey", "secret"};

// Shorter ones are none of ours.
constexpr size_t kSecretBytesMin = 16;

bool knows(const std::vector<Token>& tokens, std::string_view secret) {
  const std::string hash = sha256_hex(secret);
  return std::any_of(tokens.begin(), tokens.end(),
                     [&hash](const Token& token) { return token.sha256 == hash; });
}

Response bad_request(std::string_view what) {
  return Response::error(400, invalid_argument(std::string(what)));
}

}  // namespace

// Beast passes over codings that it does not know, and would read the body as the next request.
std::optional<Response> check_framing(const Head& head) {
  const auto fields = static_cast<size_t>(std::distance(head.begin(), head.end()));
  if (fields > kHeaderFieldsMax)
    return Response::error(
        431, resource_exhausted(fmt::format("{} header fields; at most {}", fields, kHeaderFieldsMax)));
  const size_t codings = head.count(http::field::transfer_encoding);
  if (codings > 0 && head.version() != 11) return bad_request("Transfer-Encoding is of HTTP/1.1");
  if (codings > 1 ||
      (codings == 1 && !boost::beast::iequals(head[http::field::transfer_encoding], "chunked")))
    return bad_request("of Transfer-Encoding only one, chunked, is known");
  if (head.count(http::field::host) != 1) return bad_request("a request has exactly one Host header");
  return std::nullopt;
}

bool carries_token(std::string_view query, const std::vector<Token>& tokens) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const size_t equals = std::min(pair.find('='), pair.size());
    const std::string name = percent_decode(pair.substr(0, equals)).value_or("");
    const auto same = [&name](std::string_view known) { return boost::beast::iequals(name, known); };
    if (std::any_of(kSecretNames.begin(), kSecretNames.end(), same)) return true;
    if (equals == pair.size()) continue;
    const std::string value = percent_decode(pair.substr(equals + 1)).value_or("");
    if (value.size() >= kSecretBytesMin && knows(tokens, value)) return true;
  }
  return false;
}

}  // namespace rekindle::net
