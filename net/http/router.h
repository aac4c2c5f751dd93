// The table of routes: which handler answers a method and a path, and who may call it. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "net/http_server.h"

namespace rekindle::net {

struct Route {
  std::string method;
  std::string pattern;
  Access access = Access::kOperator;
  Handler handler;  // one of the two is set
  StreamHandler stream;
};

class Router {
 public:
  void add(Route route);

  struct Match {
    const Route* route = nullptr;
    std::vector<std::pair<std::string, std::string>> params;
    std::string
        allowed;  // no route: "GET, POST" when only the method is wrong, empty when the path is unknown
  };
  Match find(const std::string& method, const std::string& path) const;

  const std::vector<std::unique_ptr<Route>>& routes() const { return routes_; }

 private:
  struct Pattern {
    std::vector<std::string> segments;
    const Route* route;
  };
  std::vector<std::unique_ptr<Route>> routes_;
  std::map<std::string, std::map<std::string, const Route*>, std::less<>> literal_;  // path, method
  std::vector<Pattern> patterns_;
};

// The path of a request target, decoded: "/v2/models/a%20b?x" -> "/v2/models/a b". One slash at the end is
// dropped. Refused: targets that do not begin with '/', ".", ".." and empty segments, encoded slashes, and
// anything that is not printable ASCII once decoded: handler and access rules must see the same path.
Result<std::string> clean_path(std::string_view target);

}  // namespace rekindle::net
