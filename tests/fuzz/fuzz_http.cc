// The head of a request, from bytes to a route: what is let through can be read in one way alone. Beast
// reads; what is checked here is ours. `./dev fuzz http`.
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>
#include <cstdlib>

#include "net/http/head.h"
#include "net/http/router.h"
#include "net/tokens.h"

namespace {

using namespace rekindle::net;  // NOLINT: a fuzz target
namespace http = boost::beast::http;

void must(bool condition) {
  if (!condition) std::abort();
}

const Router& table() {
  static const Router router = [] {
    Router out;
    for (const auto& [method, pattern] : {std::pair("GET", "/health"),
                                          {"GET", "/v2/models/{model}"},
                                          {"GET", "/v2/models/stats"},
                                          {"POST", "/v2/models/{model}/infer"},
                                          {"POST", "/v2/models/{model}/versions/{version}/infer"},
                                          {"GET", "/blobs/{path...}"},
                                          {"POST", "/rekindle.v1.JobService/Apply"},
                                          {"GET", "/"}})
      out.add(Route{method, pattern, Access::kOpen, {}, {}});
    return out;
  }();
  return router;
}

const std::vector<Token>& tokens() {
  static const std::vector<Token> known = {token_of("a-secret-of-sixteen", Role::kViewer, "vera")};
  return known;
}

// A clean path is absolute, plain, and means the same when it is cleaned again.
void check_path(std::string_view target) {
  const auto path = clean_path(target);
  if (!path.ok()) return must(!path.status().message().empty());
  must(path->starts_with('/') && path->find("//") == std::string::npos &&
       path->find("/../") == std::string::npos);
  must(!path->ends_with("/..") && !path->ends_with("/.") && (path->size() == 1 || !path->ends_with('/')));
  for (const char c : *path) must(c >= 0x20 && c <= 0x7e && c != '\\');
  for (const char* method : {"GET", "POST", "PUT"}) {
    const Router::Match match = table().find(method, *path);
    must(match.route == nullptr || match.allowed.empty());
    for (const auto& [name, value] : match.params) must(path->find(value) != std::string::npos);
  }
}

void check_query(std::string_view target) {
  const size_t mark = target.find('?');
  if (mark == std::string_view::npos) return;
  Request request;
  request.query = target.substr(mark + 1);
  const bool carries = carries_token(request.query, tokens());
  for (const char* name : {"token", "access_token"}) must(carries || request.query_value(name).empty());
  must(carries || request.query_value("q") != "a-secret-of-sixteen");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  http::request_parser<http::string_body> parser;
  parser.header_limit(16 * 1024);
  parser.body_limit(64 * 1024);
  boost::beast::error_code error;
  boost::asio::const_buffer rest(data, size);
  while (!error && !parser.is_header_done() && rest.size() > 0) {
    const size_t used = parser.put(rest, error);
    rest += used;
    if (used == 0) break;
  }
  if (error || !parser.is_header_done()) return 0;
  const auto& head = parser.get();
  const auto refused = check_framing(head);
  if (refused) {
    must(refused->status == 400 || refused->status == 431);
    return 0;
  }
  // One host, and a body that has one length.
  must(head.count(http::field::host) == 1);
  const bool coded = head.count(http::field::transfer_encoding) > 0;
  must(!coded || (parser.chunked() && head.count(http::field::content_length) == 0 && head.version() == 11));
  must(parser.chunked() == coded);
  must(head.count(http::field::content_length) == 0 || parser.content_length().has_value());
  check_path(head.target());
  check_query(head.target());
  parser.eager(true);
  for (int i = 0; i < 1'000 && !error && !parser.is_done() && rest.size() > 0; ++i) {
    const size_t used = parser.put(rest, error);
    rest += used;
    if (used == 0) break;
  }
  must(parser.get().body().size() <= 64 * 1024);
  return 0;
}
