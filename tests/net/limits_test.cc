// What a hostile or broken client sends, byte by byte: the answer, and that the server lives on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/post.hpp>

#include "tests/net/raw_client.h"
#include "tests/net/server_fixture.h"

namespace rekindle::net {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

boost::asio::awaitable<Response> echo(Request request) {
  co_return Response::text("<" + request.body + ">");
}

void routes(HttpServer& server) {
  server.route("GET", "/health", Access::kOpen, echo);
  server.route("POST", "/open", Access::kOpen, echo);
  server.route("POST", "/closed", Access::kOperator, echo);
}

class LimitsTest : public testing::Test {
 protected:
  static ServerLimits limits() {
    ServerLimits out;
    out.body_bytes_max = 100'000;
    out.header_deadline = std::chrono::milliseconds(200);
    out.body_deadline = std::chrono::milliseconds(200);
    out.idle_timeout = std::chrono::milliseconds(300);
    out.connections_max = 8;
    return out;
  }
  TestServer server_{routes, limits()};

  std::string answer(std::string_view bytes) {
    RawClient client(server_.port());
    client.send(bytes);
    return client.read();
  }
  void TearDown() override { EXPECT_EQ(server_.client().request("GET", "/health").value().status, 200); }
};

const std::string kHost = "Host: 127.0.0.1\r\n";

TEST_F(LimitsTest, MalformedRequests) {
  struct Case {
    std::string bytes;
    int status;
  };
  const std::vector<Case> cases = {
      {"rubbish\r\n\r\n", 400},
      {"GET /health HTTP/1.1\r\n\r\n", 400},
      {"GET /health HTTP/1.1\r\nHost: a.example\r\n\r\n", 421},
      {"GET /health HTTP/1.1\r\n" + kHost + kHost + "\r\n", 400},
      {"GET http://169.254.169.254/ HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"CONNECT a.example:443 HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"GET /a/%2e%2e/health HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"GET //health HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"GET /health%00 HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"POST /open HTTP/1.1\r\n" + kHost + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400},
      {"POST /open HTTP/1.1\r\n" + kHost + "Content-Length: +5\r\n\r\nabcde", 400},
      {"POST /open HTTP/1.1\r\n" + kHost + "Content-Length: 999999999999999999999999999999\r\n\r\n", 400},
      {"POST /open HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
       400},
      {"POST /open HTTP/1.1\r\n" + kHost + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST /open HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400},
      {"POST /open HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n-1\r\n", 400},
      {"GET /health HTTP/1.1\r\n" + kHost + "X: " + std::string(20'000, 'x') + "\r\n\r\n", 431},
      {"POST /open HTTP/1.1\r\n" + kHost + "Content-Length: 100001\r\n\r\n", 413},
      {"POST /open HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n186a1\r\n" +
           std::string(100'001, 'x') + "\r\n0\r\n\r\n",
       413},
      {"POST /closed HTTP/1.1\r\n" + kHost + "Content-Length: 50000\r\n\r\n", 401},
  };
  for (const Case& one : cases)
    EXPECT_THAT(answer(one.bytes), StartsWith("HTTP/1.1 " + std::to_string(one.status)))
        << one.bytes.substr(0, 120);
}

TEST_F(LimitsTest, ASmuggledRequestIsNotExecuted) {
  const std::string out =
      answer("POST /open HTTP/1.1\r\n" + kHost +
             "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\n" +
             kHost + "\r\n");
  EXPECT_EQ(out.find("200 OK"), std::string::npos) << out;
}

TEST_F(LimitsTest, PipelinedRequestsAreAnsweredInOrder) {
  const std::string one = "POST /open HTTP/1.1\r\n" + kHost + "Content-Length: 1\r\n\r\n";
  RawClient client(server_.port());
  client.send(one + "a" + one + "b");
  const std::string out = client.read("<b>");
  EXPECT_LT(out.find("<a>"), out.find("<b>"));
}

TEST_F(LimitsTest, ChunkedBodiesAndExpectContinue) {
  EXPECT_THAT(answer("POST /open HTTP/1.1\r\n" + kHost +
                     "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"),
              HasSubstr("<abc>"));
  RawClient client(server_.port());
  client.send("POST /open HTTP/1.1\r\n" + kHost + "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(client.read("\r\n\r\n"), StartsWith("HTTP/1.1 100"));
  client.send("hi");
  EXPECT_THAT(client.read("<hi>"), HasSubstr("200"));
}

TEST_F(LimitsTest, TricklingAndIdleClientsAreClosed) {
  RawClient trickles(server_.port());
  trickles.send("GET /hea");
  RawClient stalls(server_.port());
  stalls.send("POST /open HTTP/1.1\r\n" + kHost + "Content-Length: 5\r\n\r\nab");
  RawClient silent(server_.port());
  EXPECT_EQ(trickles.read(), "");
  EXPECT_EQ(stalls.read(), "");
  EXPECT_EQ(silent.read(), "");
}

TEST_F(LimitsTest, TooManyConnections) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<RawClient>(server_.port()));
    clients.back()->send("GET /health HTTP/1.1\r\n" + kHost + "\r\n");
    EXPECT_THAT(clients.back()->read("<>"), StartsWith("HTTP/1.1 200"));
  }
  RawClient ninth(server_.port());
  EXPECT_THAT(ninth.read(), StartsWith("HTTP/1.1 503"));
  clients.clear();
  while (server_.on_thread([&] { return server_.server().counters().connections; }) > 0)
    std::this_thread::yield();
}

}  // namespace
}  // namespace rekindle::net
