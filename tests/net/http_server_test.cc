#include "net/http_server.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>

#include "net/metrics.h"
#include "tests/net/server_fixture.h"

namespace rekindle::net {
namespace {

namespace asio = boost::asio;
using testing::HasSubstr;

asio::awaitable<Response> echo(Request request) {
  std::string text = request.method + " " + request.path + " model=" + std::string(request.param("model")) +
                     " q=" + request.query_value("q") + " body=" + request.body;
  co_return Response::text(std::move(text));
}

asio::awaitable<Response> throws(Request) {
  throw std::runtime_error("inside");
  co_return Response();
}

// Answers when the test says so.
struct Latch {
  explicit Latch(asio::io_context& io) : timer(io) {
    timer.expires_at(asio::steady_timer::time_point::max());
  }
  asio::steady_timer timer;
  std::atomic<bool> entered{false};
};

asio::awaitable<Response> wait_for(Latch* latch) {
  latch->entered = true;
  const auto [error] = co_await latch->timer.async_wait(asio::as_tuple(asio::use_awaitable));
  (void)error;
  co_return Response::text("released");
}

void wait_until(const std::atomic<bool>& flag) {
  while (!flag) std::this_thread::yield();
}

void basic_routes(HttpServer& server) {
  server.route("GET", "/health", Access::kOpen, echo);
  server.route("POST", "/v2/models/{model}/infer", Access::kServing, echo);
  server.route("GET", "/admin", Access::kOperator, echo);
  server.route("GET", "/throws", Access::kOpen, throws);
}

TEST(HttpServer, AnswersOnAKeptConnection) {
  TestServer server(basic_routes);
  HttpClient client = server.client();
  for (int i = 0; i < 3; ++i) {
    const Reply reply = client.request("POST", "/v2/models/flight%2Ddelay/infer?q=a%20b", "hello").value();
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body, "POST /v2/models/flight-delay/infer model=flight-delay q=a b body=hello");
  }
  EXPECT_EQ(server.on_thread([&] { return server.server().counters().connections_total; }), 1u);
  EXPECT_EQ(server.on_thread([&] { return server.server().counters().requests_total; }), 3u);
}

TEST(HttpServer, EveryRouteAsksForItsToken) {
  TestServer server(basic_routes);
  struct Case {
    const char* token;
    const char* method;
    const char* path;
    int status;
  };
  for (const Case& one :
       {Case{"", "GET", "/health", 200}, Case{"", "GET", "/admin", 401}, Case{"wrong", "GET", "/admin", 401},
        Case{"serving-secret", "GET", "/admin", 403}, Case{"operator-secret", "GET", "/admin", 200},
        Case{"", "POST", "/v2/models/m/infer", 401},
        Case{"serving-secret", "POST", "/v2/models/m/infer", 200},
        Case{"operator-secret", "POST", "/v2/models/m/infer", 200},
        Case{"operator-secret", "GET", "/nothing", 404}, Case{"operator-secret", "PUT", "/admin", 405}}) {
    HttpClient client = server.client(one.token);
    EXPECT_EQ(client.request(one.method, one.path).value().status, one.status)
        << one.token << " " << one.path;
  }
}

TEST(HttpServer, RefusesForeignHostsAndWebPages) {
  TestServer server(basic_routes);
  HttpClient client = server.client();
  Headers origin;
  origin.add("Origin", "http://localhost:3000");
  EXPECT_EQ(client.request("GET", "/health", "", origin).value().status, 403);
  ClientOptions options = server.client_options();
  options.url = "http://localhost:" + std::to_string(server.port());
  EXPECT_EQ(HttpClient(options).request("GET", "/health").value().status, 200);
  Headers host;
  host.add("Host", "evil.example");  // a second one
  EXPECT_EQ(client.request("GET", "/health", "", host).value().status, 400);
}

TEST(HttpServer, AnExceptionOfAHandlerIs500AndNoMore) {
  TestServer server(basic_routes);
  HttpClient client = server.client();
  const Reply reply = client.request("GET", "/throws").value();
  EXPECT_EQ(reply.status, 500);
  EXPECT_THAT(reply.body, testing::Not(HasSubstr("inside")));
  EXPECT_EQ(client.request("GET", "/health").value().status, 200);
}

TEST(HttpServer, RefusesToListenBeyondLoopback) {
  asio::io_context io;
  HttpServer server(io, ServerOptions{.address = "0.0.0.0"});
  const Status status = server.start().status();
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("SSH tunnel"));
  HttpServer misspelt(io, ServerOptions{.address = "local"});
  EXPECT_EQ(misspelt.start().status().code(), Code::kInvalidArgument);
}

TEST(HttpServer, SaysThatThePortIsTaken) {
  TestServer first(basic_routes);
  asio::io_context io;
  HttpServer second(io, ServerOptions{.port = first.port()});
  const Status status = second.start().status();
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_THAT(status.message(), HasSubstr("taken by another program"));
}

TEST(HttpServer, SocketsAreNotInherited) {
  TestServer server(basic_routes);
  HttpClient client = server.client();
  ASSERT_EQ(client.request("GET", "/health").value().status, 200);
  int sockets = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    if (!std::filesystem::read_symlink(entry.path(), gone).string().starts_with("socket:")) continue;
    const int fd = std::stoi(entry.path().filename().string());
    struct stat info {};
    if (fd <= 2 || ::fstat(fd, &info) != 0) continue;
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
        address.ss_family != AF_INET)
      continue;
    ++sockets;
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0) << entry.path();
  }
  EXPECT_GE(sockets, 3);  // listener, server's end, client's end
}

TEST(HttpServer, StopFinishesRequestsInFlightAndClosesIdleOnes) {
  Latch* latch = nullptr;
  TestServer server([&](HttpServer& routes) {
    routes.route("GET", "/slow", Access::kOpen, [&latch](Request) { return wait_for(latch); });
    routes.route("GET", "/health", Access::kOpen, echo);
  });
  latch = server.keep(std::make_unique<Latch>(server.io()));
  HttpClient idle = server.client();
  ASSERT_EQ(idle.request("GET", "/health").value().status, 200);
  auto slow = std::async(std::launch::async, [&] {
    HttpClient client = server.client();
    return client.request("GET", "/slow");
  });
  wait_until(latch->entered);
  auto stopping = std::async(std::launch::async, [&] { server.stop(); });
  // New ones are turned away while the old one is still being answered.
  Result<Reply> late = server.client().request("GET", "/health");
  while (late.ok()) late = server.client().request("GET", "/health");
  EXPECT_EQ(late.status().code(), Code::kUnavailable);
  EXPECT_FALSE(idle.request("GET", "/health").ok());
  EXPECT_EQ(stopping.wait_for(std::chrono::milliseconds(0)), std::future_status::timeout);
  asio::post(server.io(), [&] { latch->timer.cancel(); });
  EXPECT_EQ(slow.get().value().body, "released");
  stopping.get();
}

TEST(HttpServer, StopDoesNotWaitForEver) {
  Latch* latch = nullptr;
  TestServer server([&](HttpServer& routes) {
    routes.route("GET", "/slow", Access::kOpen, [&latch](Request) { return wait_for(latch); });
  });
  latch = server.keep(std::make_unique<Latch>(server.io()));
  auto slow = std::async(std::launch::async, [&] { return server.client().request("GET", "/slow"); });
  wait_until(latch->entered);
  server.stop(std::chrono::milliseconds(20));
  EXPECT_EQ(slow.get().status().code(), Code::kUnavailable);
  server.on_thread([&] { return latch->timer.cancel(); });
}

struct Feed {
  std::atomic<bool> woken{false};
  std::atomic<bool> entered{false};
};

asio::awaitable<Status> feed_lines(Feed* feed, Stream* stream) {
  const auto executor = co_await asio::this_coro::executor;
  Status status = co_await stream->write("{\"line\":1}\n");
  status = co_await stream->write("{\"line\":2}\n");
  asio::steady_timer news(executor, asio::steady_timer::time_point::max());
  stream->on_close([&news, feed] {
    feed->woken = true;
    news.cancel();
  });
  feed->entered = true;
  const auto [error] = co_await news.async_wait(asio::as_tuple(asio::use_awaitable));
  (void)error;
  co_return status;
}

TEST(HttpServer, StreamsLinesAndNoticesThatTheClientLeft) {
  Feed feed;
  TestServer server([&](HttpServer& routes) {
    routes.stream_route("GET", "/lines", Access::kOpen,
                        [&feed](Request, Stream& stream) { return feed_lines(&feed, &stream); });
  });
  std::string seen;
  HttpClient client = server.client();
  const Status status = client.stream(
      "GET", "/lines", "", {},
      [](const Reply& head) {
        EXPECT_EQ(head.headers.get("Content-Type"), "application/x-ndjson");
        return true;
      },
      [&seen](std::string_view bytes) {
        seen += bytes;
        return seen.find("2}\n") == std::string::npos;
      },
      Deadline(5000));
  EXPECT_TRUE(status.ok()) << status.to_string();
  EXPECT_EQ(seen, "{\"line\":1}\n{\"line\":2}\n");
  wait_until(feed.woken);
}

TEST(HttpServer, StopEndsStreams) {
  Feed feed;
  TestServer server([&](HttpServer& routes) {
    routes.stream_route("GET", "/lines", Access::kOpen,
                        [&feed](Request, Stream& stream) { return feed_lines(&feed, &stream); });
  });
  auto reading = std::async(std::launch::async, [&] {
    return server.client().stream(
        "GET", "/lines", "", {}, [](const Reply&) { return true; }, [](std::string_view) { return true; },
        Deadline(5000));
  });
  wait_until(feed.entered);
  server.stop();
  EXPECT_TRUE(feed.woken);
  reading.get().ok();
}

TEST(HttpClient, ReportsSilenceCancelAndNobodyThere) {
  Feed feed;
  TestServer server([&](HttpServer& routes) {
    routes.stream_route("GET", "/lines", Access::kOpen,
                        [&feed](Request, Stream& stream) { return feed_lines(&feed, &stream); });
  });
  const auto read = [](HttpClient& client, Deadline silence) {
    return client.stream(
        "GET", "/lines", "", {}, [](const Reply&) { return true; }, [](std::string_view) { return true; },
        silence);
  };
  HttpClient quiet = server.client();
  const Status silent = read(quiet, Deadline(50));
  EXPECT_EQ(silent.code(), Code::kUnavailable);
  EXPECT_THAT(silent.message(), HasSubstr("silent"));

  HttpClient stopped = server.client();
  feed.entered = false;
  auto reading = std::async(std::launch::async, [&] { return read(stopped, Deadline(60'000)); });
  wait_until(feed.entered);
  stopped.cancel();
  EXPECT_EQ(reading.get().code(), Code::kCanceled);

  const uint16_t port = server.port();
  server.stop();
  HttpClient nobody(ClientOptions{.url = "http://127.0.0.1:" + std::to_string(port)});
  const Status refused = nobody.request("GET", "/").status();
  EXPECT_EQ(refused.code(), Code::kUnavailable);
  EXPECT_THAT(refused.message(), HasSubstr("is it running?"));
  EXPECT_EQ(HttpClient(ClientOptions{.url = "ftp://x"}).request("GET", "/").status().code(),
            Code::kInvalidArgument);
}

TEST(Metrics, AreServedToServingTokens) {
  prometheus::Registry registry;
  TestServer server(
      [&](HttpServer& routes) { add_metrics_route(routes, registry, server_metrics(routes, registry)); });
  EXPECT_EQ(server.client("").request("GET", "/metrics").value().status, 401);
  const Reply reply = server.client(kServingToken).request("GET", "/metrics").value();
  EXPECT_THAT(reply.body, HasSubstr("rekindle_http_requests 2"));
  EXPECT_EQ(reply.headers.get("Content-Type"), kMetricsContentType);
}

}  // namespace
}  // namespace rekindle::net
