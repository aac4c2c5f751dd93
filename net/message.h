// What handlers see of HTTP: requests already checked and decoded, answers still to be framed.
// Knows nothing of sockets.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace rekindle::net {

// Who may call a route. There is no default: every route names one.
enum class Access {
  kOpen,       // no token: health only
  kServing,    // a serving token, or an operator's
  kViewer,     // reads
  kSubmitter,  // also applies specs, starts and cancels runs, adds data
  kOperator,   // also moves aliases, freezes, approves, releases rows
  kAdmin,      // also ends the daemon
};

// From viewer to admin each may do what the one before may; serving stands beside them.
enum class Role { kNobody, kServing, kViewer, kSubmitter, kOperator, kAdmin };

std::string_view role_word(Role role);  // "viewer"
// Nothing for a word that names no role of a token.
std::optional<Role> role_of_word(std::string_view word);

// The holder of the token that came with a request.
struct Identity {
  Role role = Role::kNobody;
  std::string name;  // of the token, for audit lines; never the token itself
  bool is_operator() const { return role >= Role::kOperator; }
};

// Header fields in order of arrival, duplicates kept; names compare without case.
class Headers {
 public:
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string_view name, std::string value);
  // The first of that name, empty when absent.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct Request {
  std::string method;  // "GET", "POST", ...
  std::string path;    // decoded; no "..", empty or encoded segments (those were refused with 400)
  std::string query;   // raw, without '?'
  Headers headers;
  std::string body;  // whole; content encoding not undone (see net/gzip.h)
  std::string peer;  // address of the client
  Identity who;
  std::vector<std::pair<std::string, std::string>>
      params;  // of the route's pattern: "model" -> "flight-delay"

  std::string_view param(std::string_view name) const;   // empty when the pattern has none of that name
  std::string query_value(std::string_view name) const;  // decoded, empty when absent
};

struct Response {
  int status = 200;
  Headers headers;  // Content-Length and Connection are the server's
  std::string body;

  static Response json(std::string body, int status = 200);
  static Response text(std::string body, int status = 200);
  // {"code": ..., "message": ..., "error": ...}: the first two for Connect clients, the last for those of
  // the Open Inference Protocol.
  static Response error(const Status& status);
  static Response error(int http_status, const Status& status);
};

int http_status_of(Code code);         // Connect's table
Code code_of_http_status(int status);  // for answers without an error body
// From Connect's spelling; kUnknown for anything else.
Code code_of_name(std::string_view name);

// Percent-decoding; nothing when an escape is malformed. '+' is left alone.
std::optional<std::string> percent_decode(std::string_view text);

}  // namespace rekindle::net
