#include "net/http/router.h"

#include <gtest/gtest.h>

namespace rekindle::net {
namespace {

Router router() {
  Router out;
  for (const auto& [method, pattern] : std::vector<std::pair<std::string, std::string>>{
           {"GET", "/health"},
           {"GET", "/v2/models/{model}"},
           {"GET", "/v2/models/stats"},
           {"POST", "/v2/models/{model}/infer"},
           {"POST", "/v2/models/{model}/versions/{version}/infer"},
           {"GET", "/blobs/{path...}"},
           {"GET", "/"}})
    out.add(Route{method, pattern, Access::kOpen, {}, {}});
  return out;
}

std::string found(const Router& router, const std::string& method, const std::string& path) {
  const Router::Match match = router.find(method, path);
  if (match.route == nullptr) return "none " + match.allowed;
  std::string out = match.route->pattern;
  for (const auto& [name, value] : match.params) out += " " + name + "=" + value;
  return out;
}

TEST(Router, FindsTheMostLiteralRoute) {
  const Router table = router();
  EXPECT_EQ(found(table, "GET", "/health"), "/health");
  EXPECT_EQ(found(table, "GET", "/"), "/");
  EXPECT_EQ(found(table, "GET", "/v2/models/flight"), "/v2/models/{model} model=flight");
  EXPECT_EQ(found(table, "GET", "/v2/models/stats"), "/v2/models/stats");
  EXPECT_EQ(found(table, "POST", "/v2/models/a/versions/3/infer"),
            "/v2/models/{model}/versions/{version}/infer model=a version=3");
  EXPECT_EQ(found(table, "GET", "/blobs/a/b/c"), "/blobs/{path...} path=a/b/c");
}

TEST(Router, TellsAWrongMethodFromAnUnknownPath) {
  const Router table = router();
  EXPECT_EQ(found(table, "POST", "/health"), "none GET");
  EXPECT_EQ(found(table, "GET", "/v2/models/a/infer"), "none POST");
  EXPECT_EQ(found(table, "GET", "/v2/models"), "none ");
  EXPECT_EQ(found(table, "GET", "/HEALTH"), "none ");
}

TEST(CleanPath, DecodesWhatIsPlain) {
  EXPECT_EQ(clean_path("/v2/models/a%2Db?x=%2e%2e").value(), "/v2/models/a-b");
  EXPECT_EQ(clean_path("/v2/").value(), "/v2");
  EXPECT_EQ(clean_path("/").value(), "/");
}

TEST(CleanPath, RefusesWhatTwoReadersCouldReadDifferently) {
  for (const char* target : {"", "*", "http://elsewhere/", "//", "/a//b", "/a/../b", "/a/%2e%2e/b", "/.",
                             "/a%2fb", "/a%00", "/a%0ab", "/%c0%ae%c0%ae", "/a%5cb", "/a%", "/a%zz", "/a#b"})
    EXPECT_FALSE(clean_path(target).ok()) << target;
}

}  // namespace
}  // namespace rekindle::net
