// Requests made to be read in two ways, senders that drip, readers that do not read, guessers of tokens. The
// same against the programs themselves: tests/e2e/hostile_test.py.
#include <gmock/gmock.h>

#include <atomic>

#include "base/ids.h"
#include "net/http/failures.h"
#include "net/http/head.h"
#include "net/http/rates.h"
#include "net/tokens.h"
#include "tests/net/raw_client.h"
#include "tests/net/server_fixture.h"

namespace rekindle::net {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const std::string kHost = "Host: 127.0.0.1\r\n";
const std::string kSmuggled = "GET /executed HTTP/1.1\r\n" + kHost + "\r\n";

struct Counted {
  std::atomic<int> executed{0};
  boost::asio::awaitable<Response> note(Request) {
    ++executed;
    co_return Response::text("executed");
  }
};

boost::asio::awaitable<Response> size_of(Request request) {
  co_return Response::text(std::to_string(request.body.size()));
}

boost::asio::awaitable<Response> large(Request) {
  co_return Response::text(std::string(32 << 20, 'x'));
}

class HostileHttp : public testing::Test {
 protected:
  static ServerLimits limits() {
    ServerLimits out;
    out.body_bytes_max = 4 << 20;
    out.header_deadline = milliseconds(300);
    out.write_deadline = milliseconds(300);
    return out;
  }
  void add(HttpServer& server) {
    server.route("GET", "/executed", Access::kOpen,
                 [this](Request r) { return counted_.note(std::move(r)); });
    server.route("POST", "/open", Access::kOpen, size_of);
    server.route("GET", "/large", Access::kOpen, large);
    server.route("GET", "/closed", Access::kViewer, size_of);
  }
  std::string answer(std::string_view bytes) {
    RawClient client(server_.port());
    client.send(bytes);
    return client.read();
  }
  std::string post(const std::string& fields, const std::string& body) {
    return answer("POST /open HTTP/1.1\r\n" + kHost + fields + "\r\n" + body);
  }

  Counted counted_;
  TestServer server_{[this](HttpServer& server) { add(server); }, limits()};
};

TEST_F(HostileHttp, WhatCouldBeFramedInTwoWaysEndsTheConnection) {
  const std::string chunked = "0\r\n\r\n";
  for (const std::string& fields :
       {std::string("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        std::string("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        std::string("Transfer-Encoding: xchunked\r\n"),
        std::string("Transfer-Encoding: chunked, identity\r\n"),
        std::string("Transfer-Encoding: identity\r\n"), std::string("Transfer-Encoding: gzip, chunked\r\n"),
        std::string("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        std::string("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        std::string("Transfer-Encoding: \r\n"), std::string("Transfer-Encoding : chunked\r\n"),
        std::string("Transfer-Encoding:\x0b"
                    "chunked\r\n"),
        std::string("Content-Length: 5\r\nContent-Length: 6\r\n"), std::string("Content-Length: +5\r\n"),
        std::string("Content-Length: 0x5\r\n"), std::string("Content-Length: 5, 6\r\n"),
        std::string("Content-Length: -1\r\n"), std::string("Content-Length: \r\n"),
        std::string("Content-Length: 5 6\r\n")}) {
    const std::string out = post(fields, chunked + kSmuggled);
    EXPECT_THAT(out, StartsWith("HTTP/1.1 400")) << fields;
    EXPECT_THAT(out, HasSubstr("Connection: close")) << fields;
  }
  EXPECT_THAT(
      answer("POST /open HTTP/1.0\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n" + chunked + kSmuggled),
      StartsWith("HTTP/1.0 400"));
  EXPECT_EQ(counted_.executed, 0) << "what followed was taken for a request";
}

TEST_F(HostileHttp, ChunksAreReadStrictly) {
  const std::string chunked = "Connection: close\r\nTransfer-Encoding: chunked\r\n";
  for (const char* body :
       {"fffffffffffffffff\r\n", "-1\r\na\r\n", "1\r\nab\r\n0\r\n\r\n", "1\na\n0\n\n\r\n", " 1\r\na\r\n",
        "0x1\r\na\r\n\r\n", "\r\na\r\n", "1;\na\r\n0\r\n\r\n", "ffffffffffffffff\r\n"})
    EXPECT_THAT(post(chunked, body), testing::AnyOf(StartsWith("HTTP/1.1 400"), StartsWith("HTTP/1.1 413")))
        << body;
  EXPECT_THAT(post(chunked, "1;" + std::string(1 << 20, 'x') + "\r\na\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413"));
  std::string crumbs;
  for (int i = 0; i < 500'000; ++i) crumbs += "1\r\nx\r\n";
  EXPECT_THAT(post(chunked, crumbs + "0\r\n\r\n"), HasSubstr("\r\n\r\n500000"));
}

TEST_F(HostileHttp, HeadersAreFew) {
  std::string many;
  for (int i = 0; i < 101; ++i) many += "a:b\r\n";
  EXPECT_THAT(answer("GET /executed HTTP/1.1\r\n" + kHost + many + "\r\n"), StartsWith("HTTP/1.1 431"));
  for (int i = 0; i < 10'000; ++i) many += "a:b\r\n";
  EXPECT_THAT(answer("GET /executed HTTP/1.1\r\n" + kHost + many + "\r\n"), StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(answer("GET /executed HTTP/1.1\r\n" + kHost + "a: " + std::string(1 << 20, 'x') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(answer("GET /executed HTTP/1.1\r\n" + kHost +
                     "a: b\x01"
                     "c\r\n\r\n"),
              StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(counted_.executed, 0);
}

TEST_F(HostileHttp, MethodsAndTargetsOfProxiesAreNotServed) {
  for (const auto& [line, status] : {std::pair("GET http://169.254.169.254/latest HTTP/1.1", "400"),
                                     {"CONNECT a.example:443 HTTP/1.1", "400"},
                                     {"TRACE /executed HTTP/1.1", "405"},
                                     {"OPTIONS * HTTP/1.1", "400"},
                                     {"GET /executed HTTP/2.0", "400"},
                                     {"PRI * HTTP/2.0", "400"},
                                     {"GET /executed", "400"}})
    EXPECT_THAT(answer(std::string(line) + "\r\n" + kHost + "Connection: close\r\n\r\n"),
                StartsWith(std::string("HTTP/1.1 ") + status))
        << line;
  EXPECT_EQ(counted_.executed, 0);
}

// However it is dripped, a head is there by its deadline or the connection goes; others do not wait.
TEST_F(HostileHttp, DrippingClientsAreEndedAndHoldNobodyUp) {
  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 100; ++i) {
    slow.push_back(std::make_unique<RawClient>(server_.port()));
    slow.back()->send("G");
  }
  const std::string head = "ET /executed HTTP/1.1\r\n";
  HttpClient honest = server_.client();
  size_t sent = 0;
  const auto here = [&] {
    const ServerCounters counters = server_.server().counters();
    return counters.connections_total < slow.size() || counters.connections > 1;
  };
  while (server_.on_thread(here)) {
    ASSERT_LT(sent, 5'000u) << "still there";
    for (auto& client : slow) client->send(head.substr(sent % head.size(), 1));
    ++sent;
    EXPECT_EQ(honest.request("GET", "/executed").value().status, 200);
    std::this_thread::sleep_for(milliseconds(5));
  }
  for (auto& client : slow) EXPECT_EQ(client->read(), "");
}

TEST_F(HostileHttp, WhoDoesNotReadIsLeft) {
  RawClient deaf(server_.port(), 4096);
  deaf.send("GET /large HTTP/1.1\r\n" + kHost + "\r\n");
  const auto begin = steady_clock::now();
  // A connection that is yet to be accepted is not one that has been left.
  const auto here = [&] {
    const ServerCounters counters = server_.server().counters();
    return counters.connections_total == 0 || counters.connections > 0;
  };
  while (server_.on_thread(here)) {
    ASSERT_LT(steady_clock::now() - begin, std::chrono::seconds(20));
    std::this_thread::sleep_for(milliseconds(5));
  }
  EXPECT_LT(deaf.read().size(), 32u << 20);
}

TEST_F(HostileHttp, GuessersAreToldToStopAndHoldersAreServed) {
  HttpClient guesser = server_.client("guessed"), holder = server_.client();
  for (int i = 0; i < kFailuresMax; ++i) ASSERT_EQ(guesser.request("GET", "/closed").value().status, 401);
  const Reply stopped = guesser.request("GET", "/closed").value();
  EXPECT_EQ(stopped.status, 429);
  EXPECT_EQ(stopped.headers.get("Retry-After"), "60");
  EXPECT_THAT(stopped.body, Not(HasSubstr("guessed")));
  EXPECT_EQ(holder.request("GET", "/closed").value().status, 200);
  EXPECT_EQ(guesser.request("GET", "/executed").value().status, 200) << "what is open stays open";
}

TEST(FailuresOfAddresses, AreForgottenAndBounded) {
  Failures failures;
  const Failures::Moment now = steady_clock::now();
  EXPECT_EQ(failures.note("a", now), 1);
  EXPECT_EQ(failures.note("a", now), 2);
  EXPECT_EQ(failures.note("b", now), 1);
  EXPECT_EQ(failures.note("a", now + std::chrono::seconds(61)), 1);
  int most = 0;
  for (int i = 0; i < 10'000; ++i)
    most = std::max(most, failures.note(std::to_string(i), now + std::chrono::seconds(62)));
  EXPECT_GT(most, 5'000) << "beyond what is kept, addresses share a count";
}

TEST(RatesOfTokens, FillEvenly) {
  Rates rates;
  Rates::Moment now = steady_clock::now();
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(rates.take("bob", now));
  EXPECT_FALSE(rates.take("bob", now));
  EXPECT_TRUE(rates.take("alice", now));
  now += milliseconds(101);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(rates.take("bob", now));
  EXPECT_FALSE(rates.take("bob", now));
  now += std::chrono::hours(24);
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(rates.take("bob", now));
  EXPECT_FALSE(rates.take("bob", now)) << "a day of silence saves up no more than the first burst";
}

TEST_F(HostileHttp, ATokenInAQueryIsRefusedByNameAndByValue) {
  HttpClient client = server_.client();
  for (const char* query : {"token=x", "a=b&access_token=x", "%74oken=x", "TOKEN=", "api_key=1"}) {
    const Reply reply = client.request("GET", std::string("/executed?") + query).value();
    EXPECT_EQ(reply.status, 400) << query;
    EXPECT_THAT(reply.body, HasSubstr("Authorization: Bearer"));
  }
  const std::string secret = random_hex(32);
  server_.on_thread([&] {
    server_.server().set_tokens({token_of(secret, Role::kViewer, "vera")});
    return 0;
  });
  const Reply reply = server_.client("").request("GET", "/executed?q=" + secret).value();
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(reply.body, Not(HasSubstr(secret)));
  EXPECT_EQ(counted_.executed, 0);
  EXPECT_EQ(client.request("GET", "/executed?tail=3&rank=1&tokens=4").value().status, 200);
}

}  // namespace
}  // namespace rekindle::net
