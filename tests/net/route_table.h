// Who may call what, seen from outside: every route of a server is asked with every kind of token, and the
// table of the answers is compared with docs/security.md. A route that the page does not have fails the test.
// REKINDLE_REGENERATE=1 writes the page anew: look at what changed before committing it.
#pragma once

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include "net/client.h"

namespace rekindle::net {

using RouteList = std::vector<std::tuple<std::string, std::string, Access>>;

// Tokens that open nothing, and those that open something by their role.
struct Identities {
  std::map<std::string, std::string> strangers;              // what is wrong with it -> token, "" for none
  std::vector<std::pair<std::string, std::string>> holders;  // role -> token, in the order of the columns
};

// The status of one call whose body is of no use: what is allowed is not carried out.
inline int asked_with(const std::string& url, const std::string& token, const std::string& method,
                      std::string path) {
  for (size_t open = path.find('{'); open != std::string::npos; open = path.find('{'))
    path.replace(open, path.find('}') - open + 1, "x");
  Headers headers;
  headers.add("Content-Type", "text/plain");
  HttpClient client(ClientOptions{.url = url, .token = token});
  const Result<Reply> reply = client.request(method, path, method == "POST" ? "{}" : "", headers);
  EXPECT_TRUE(reply.ok()) << method << " " << path << ": " << reply.status().to_string();
  return reply.ok() ? reply->status : 0;
}

inline std::string table_of(const std::string& url, const RouteList& routes, const Identities& who) {
  std::string out = "| route |", line = "\n|---|";
  for (const auto& [role, token] : who.holders) out += " " + role + " |", line += "---|";
  out += " without |" + line + "---|\n";
  for (const auto& [method, path, access] : routes) {
    out += "| `" + method + " " + path + "` |";
    for (const auto& [role, token] : who.holders) {
      const int status = asked_with(url, token, method, path);
      EXPECT_NE(status, 401) << role << " " << path;
      out += status == 403 ? "  |" : " yes |";
    }
    // After twenty of a minute the server says 429 to whoever has no valid token.
    const auto refuses = [](int status) { return status == 401 || status == 429; };
    const bool open = !refuses(asked_with(url, "", method, path));
    for (const auto& [what, token] : who.strangers) {
      const int status = asked_with(url, token, method, path);
      const bool refused = refuses(status);
      EXPECT_EQ(open, !refused) << what << " token at " << path << ": " << status;
    }
    out += open ? " yes |\n" : "  |\n";
  }
  return out;
}

inline void expect_documented(const std::string& mark, const std::string& table) {
  constexpr const char* kPage = "docs/security.md";
  std::stringstream text;
  text << std::ifstream(kPage).rdbuf();
  const std::string page = text.str(), begin = "<!-- routes of " + mark + " -->\n", end = "<!-- end -->";
  const size_t from = page.find(begin);
  ASSERT_NE(from, std::string::npos) << kPage
                                     << " has lost its marks, or this does not run in the source folder";
  const size_t start = from + begin.size(), until = page.find(end, start);
  ASSERT_NE(until, std::string::npos);
  if (std::getenv("REKINDLE_REGENERATE") != nullptr) {
    std::ofstream(kPage) << page.substr(0, start) + table + page.substr(until);
    return;
  }
  EXPECT_EQ(page.substr(start, until - start), table) << "a route is new, or other people may call one: see "
                                                         "whether that is meant, then REKINDLE_REGENERATE=1";
}

}  // namespace rekindle::net
