#include "net/http/router.h"

#include <fmt/format.h>

#include <algorithm>

namespace rekindle::net {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> segments;
  path.remove_prefix(1);
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    segments.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return segments;
}

bool is_name(std::string_view segment) {
  return segment.starts_with('{') && segment.ends_with('}');
}
bool is_rest(std::string_view segment) {
  return segment.starts_with('{') && segment.ends_with("...}");
}

using Params = std::vector<std::pair<std::string, std::string>>;

std::optional<Params> match(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  Params params;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const std::string& segment = pattern[i];
    if (is_rest(segment)) {
      std::string rest;
      for (size_t j = i; j < path.size(); ++j) rest += (j > i ? "/" : "") + path[j];
      params.emplace_back(segment.substr(1, segment.size() - 5), rest);
      return params;
    }
    if (i >= path.size()) return std::nullopt;
    if (is_name(segment))
      params.emplace_back(segment.substr(1, segment.size() - 2), path[i]);
    else if (segment != path[i])
      return std::nullopt;
  }
  if (path.size() != pattern.size()) return std::nullopt;
  return params;
}

// Literal segments come first, so that "/v2/models/stats" wins over "/v2/models/{model}".
bool more_literal(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (is_name(a[i]) != is_name(b[i])) return is_name(b[i]);
    if (is_rest(a[i]) != is_rest(b[i])) return is_rest(b[i]);
  }
  return false;
}

}  // namespace

void Router::add(Route route) {
  CHECK(route.pattern.starts_with('/'), "a pattern begins with '/'");
  for (const auto& present : routes_)
    CHECK(present->method != route.method || present->pattern != route.pattern, "the same route twice");
  routes_.push_back(std::make_unique<Route>(std::move(route)));
  const Route* added = routes_.back().get();
  std::vector<std::string> segments = split(added->pattern);
  if (std::none_of(segments.begin(), segments.end(), [](const std::string& s) { return is_name(s); })) {
    literal_[added->pattern][added->method] = added;
    return;
  }
  patterns_.push_back(Pattern{std::move(segments), added});
  std::stable_sort(patterns_.begin(), patterns_.end(),
                   [](const Pattern& a, const Pattern& b) { return more_literal(a.segments, b.segments); });
}

Router::Match Router::find(const std::string& method, const std::string& path) const {
  Match found;
  auto allow = [&found](const std::string& other) {
    found.allowed += (found.allowed.empty() ? "" : ", ") + other;
  };
  if (const auto it = literal_.find(path); it != literal_.end()) {
    if (const auto route = it->second.find(method); route != it->second.end()) {
      found.route = route->second;
      return found;
    }
    for (const auto& [other, route] : it->second) allow(other);
    return found;
  }
  const std::vector<std::string> segments = split(path);
  for (const Pattern& pattern : patterns_) {
    std::optional<Params> params = match(pattern.segments, segments);
    if (!params.has_value()) continue;
    if (pattern.route->method == method) {
      found.route = pattern.route;
      found.params = std::move(*params);
      found.allowed.clear();
      return found;
    }
    allow(pattern.route->method);
  }
  return found;
}

Result<std::string> clean_path(std::string_view target) {
  const std::string_view raw = target.substr(0, target.find('?'));
  if (!raw.starts_with('/'))
    return invalid_argument("the request target must be a path that begins with '/'");
  std::string out;
  std::string_view rest = raw.substr(1);
  bool more = !rest.empty();
  while (more) {
    const size_t end = std::min(rest.find('/'), rest.size());
    more = end + 1 < rest.size();  // "/v2/" is "/v2"
    const std::optional<std::string> segment = percent_decode(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!segment.has_value() || segment->empty() || *segment == "." || *segment == "..")
      return invalid_argument("the path holds an empty, relative or badly encoded segment");
    for (const char c : *segment) {
      if (c < 0x20 || c > 0x7e || c == '/' || c == '\\' || c == '#')
        return invalid_argument("the path holds a character that is not allowed in it");
    }
    out += '/';
    out += *segment;
  }
  return out.empty() ? std::string("/") : out;
}

}  // namespace rekindle::net
