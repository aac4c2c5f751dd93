// What is refused of a request's head before anything is made of it: framing that two readers could take
// differently, no one host, a secret where it would be logged. Pure; included only by net/, since it names
// Beast types.
#pragma once

#include <boost/beast/http/fields.hpp>
#include <boost/beast/http/message.hpp>
#include <optional>
#include <string_view>
#include <vector>

#include "net/http_server.h"

namespace rekindle::net {

inline constexpr size_t kHeaderFieldsMax = 100;

using Head = boost::beast::http::request_header<boost::beast::http::fields>;

// A refusal after which the connection closes: what follows on it cannot be trusted to be a request.
std::optional<Response> check_framing(const Head& head);

// Whether a query string holds a token, by the name of a value or because it is one of `tokens`. It may stand
// in logs of proxies by now.
bool carries_token(std::string_view query, const std::vector<Token>& tokens);

}  // namespace rekindle::net
