#include "net/message.h"

#include <array>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cctype>

namespace rekindle::net {
namespace {

bool same_without_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::tolower(static_cast<unsigned char>(a[i])) != std::tolower(static_cast<unsigned char>(b[i])))
      return false;
  }
  return true;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Connect's table of codes and statuses, by code.
constexpr std::array<int, 17> kStatusOfCode = {200, 499, 500, 400, 504, 404, 409, 403, 429,
                                               400, 409, 400, 501, 500, 503, 500, 401};

}  // namespace

void Headers::set(std::string_view name, std::string value) {
  for (auto& [present, old] : fields_) {
    if (same_without_case(present, name)) {
      old = std::move(value);
      return;
    }
  }
  fields_.emplace_back(std::string(name), std::move(value));
}

std::string_view Headers::get(std::string_view name) const {
  for (const auto& [present, value] : fields_) {
    if (same_without_case(present, name)) return value;
  }
  return {};
}

bool Headers::has(std::string_view name) const {
  for (const auto& [present, value] : fields_) {
    if (same_without_case(present, name)) return true;
  }
  return false;
}

std::string_view Request::param(std::string_view name) const {
  for (const auto& [present, value] : params) {
    if (present == name) return value;
  }
  return {};
}

std::string Request::query_value(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    const size_t equals = pair.find('=');
    if (pair.substr(0, equals) != name) continue;
    if (equals == std::string_view::npos) return {};
    return percent_decode(pair.substr(equals + 1)).value_or("");
  }
  return {};
}

Response Response::json(std::string body, int status) {
  Response response{.status = status, .body = std::move(body)};
  response.headers.add("Content-Type", "application/json");
  return response;
}

Response Response::text(std::string body, int status) {
  Response response{.status = status, .body = std::move(body)};
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  return response;
}

Response Response::error(const Status& status) {
  return error(http_status_of(status.code()), status);
}

Response Response::error(int http_status, const Status& status) {
  const boost::json::value body = {
      {"code", code_name(status.code())}, {"message", status.message()}, {"error", status.message()}};
  Response response = json(boost::json::serialize(body), http_status);
  if (http_status == 503 || http_status == 429) response.headers.add("Retry-After", "1");
  return response;
}

namespace {

constexpr std::pair<Role, std::string_view> kRoleWords[] = {{Role::kServing, "serving"},
                                                            {Role::kViewer, "viewer"},
                                                            {Role::kSubmitter, "submitter"},
                                                            {Role::kOperator, "operator"},
                                                            {Role::kAdmin, "admin"}};

}  // namespace

std::string_view role_word(Role role) {
  for (const auto& [of, word] : kRoleWords)
    if (of == role) return word;
  return "nobody";
}

std::optional<Role> role_of_word(std::string_view word) {
  for (const auto& [role, of] : kRoleWords)
    if (of == word) return role;
  return std::nullopt;
}

int http_status_of(Code code) {
  return kStatusOfCode[static_cast<size_t>(code)];
}

Code code_of_http_status(int status) {
  switch (status) {
    case 400:
      return Code::kInternal;
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return Code::kUnavailable;
    default:
      return Code::kUnknown;
  }
}

Code code_of_name(std::string_view name) {
  for (int code = 1; code <= 16; ++code) {
    if (code_name(static_cast<Code>(code)) == name) return static_cast<Code>(code);
  }
  return Code::kUnknown;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

}  // namespace rekindle::net
