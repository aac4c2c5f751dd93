#include "net/connect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/gzip.h"
#include "net/rpc/codec.h"
#include "rekindle/v1/api.pb.h"
#include "tests/net/server_fixture.h"

namespace rekindle::net {
namespace {

namespace asio = boost::asio;
using testing::HasSubstr;

constexpr const char* kGet = "rekindle.v1.JobService/GetJob";
constexpr const char* kWatch = "rekindle.v1.RunService/WatchRun";

struct Service {
  std::atomic<int> finished{0};

  asio::awaitable<Result<v1::Job>> get(v1::GetJobRequest request, Caller caller) {
    if (request.name() == "slow") {
      const auto executor = co_await asio::this_coro::executor;
      asio::steady_timer timer(executor, std::chrono::milliseconds(150));
      const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
      (void)error;
      ++finished;
    }
    if (request.name() == "none") co_return not_found("no job named 'none'");
    v1::Job job;
    job.set_name(request.name() + "/" + caller.who.name);
    job.set_next_run(7);
    if (request.name() == "big") job.set_spec_sha256(std::string(100'000, 'x'));
    co_return job;
  }

  // Counts to three, then ends as the id says.
  asio::awaitable<Status> watch(v1::WatchRunRequest request, Caller, Writer<v1::RunUpdate>* writer) {
    for (int i = 1; i <= 3; ++i) {
      v1::RunUpdate update;
      update.mutable_run()->set_id(request.id());
      update.mutable_run()->set_version(static_cast<uint64_t>(i));
      const Status status = co_await writer->write(std::move(update));
      if (!status.ok()) co_return status;
    }
    if (request.id() == "fails") co_return failed_precondition("half-way");
    if (request.id() == "waits" || request.id() == "late") {
      const auto executor = co_await asio::this_coro::executor;
      while (request.id() == "late" && !writer->closed()) {
        asio::steady_timer moment(executor, std::chrono::milliseconds(1));
        const auto [error] = co_await moment.async_wait(asio::as_tuple(asio::use_awaitable));
        (void)error;
      }
      asio::steady_timer timer(executor, asio::steady_timer::time_point::max());
      writer->on_close([&timer] { timer.cancel(); });
      const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
      (void)error;
      ++finished;
    }
    co_return ok_status();
  }
};

class ConnectTest : public testing::Test {
 protected:
  Service service_;
  TestServer server_{[this](HttpServer& server) {
    add_unary<v1::GetJobRequest, v1::Job>(server, kGet, Access::kOperator,
                                          [this](v1::GetJobRequest request, Caller caller) {
                                            return service_.get(std::move(request), std::move(caller));
                                          });
    add_server_stream<v1::WatchRunRequest, v1::RunUpdate>(
        server, kWatch, Access::kOperator,
        [this](v1::WatchRunRequest request, Caller caller, Writer<v1::RunUpdate>& writer) {
          return service_.watch(std::move(request), std::move(caller), &writer);
        });
  }};
  ConnectClient client_{server_.client_options()};

  Result<v1::Job> get(const std::string& name, Deadline deadline = Deadline(5000)) {
    v1::GetJobRequest request;
    request.set_name(name);
    return client_.call<v1::GetJobRequest, v1::Job>(kGet, request, deadline);
  }
  Status watch(const std::string& id, std::vector<uint64_t>* seen, size_t enough = 99) {
    v1::WatchRunRequest request;
    request.set_id(id);
    return client_.stream<v1::WatchRunRequest, v1::RunUpdate>(
        kWatch, request,
        [&](const v1::RunUpdate& update) {
          EXPECT_EQ(update.run().id(), id);
          seen->push_back(update.run().version());
          return seen->size() < enough;
        },
        Deadline(5000));
  }
  Reply post(const std::string& path, const std::string& body,
             std::vector<std::pair<std::string, std::string>> fields) {
    Headers headers;
    for (auto& [name, value] : fields) headers.add(name, value);
    return client_.http().request("POST", path, body, headers).value();
  }
};

TEST_F(ConnectTest, UnaryInBinary) {
  const v1::Job job = get("a").value();
  EXPECT_EQ(job.name(), "a/operator");
  EXPECT_EQ(job.next_run(), 7u);
}

TEST_F(ConnectTest, UnaryInJsonAsCurlWouldCallIt) {
  const Reply reply =
      post("/" + std::string(kGet), R"({"name":"a"})", {{"Content-Type", "application/json"}});
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.get("content-type"), "application/json");
  EXPECT_EQ(reply.body, R"({"name":"a/operator","nextRun":"7"})");
}

TEST_F(ConnectTest, ErrorsKeepTheirCodeAndMessage) {
  const Status status = get("none").status();
  EXPECT_EQ(status.to_string(), "not_found: no job named 'none'");
  const Reply reply =
      post("/" + std::string(kGet), R"({"name":"none"})", {{"Content-Type", "application/json"}});
  EXPECT_EQ(reply.status, 404);
  EXPECT_THAT(reply.body, HasSubstr(R"("code":"not_found")"));
  ConnectClient stranger(ClientOptions{.url = server_.client_options().url, .token = "wrong"});
  EXPECT_EQ((stranger.call<v1::GetJobRequest, v1::Job>(kGet, {}).status().code()), Code::kUnauthenticated);
  EXPECT_EQ((client_.call<v1::GetJobRequest, v1::Job>("rekindle.v1.JobService/Nothing", {}).status().code()),
            Code::kUnimplemented);
}

TEST_F(ConnectTest, Refusals) {
  const std::string path = "/" + std::string(kGet);
  EXPECT_EQ(post(path, "{}", {{"Content-Type", "text/plain"}}).status, 415);
  EXPECT_EQ(post(path, "{}", {}).status, 415);
  EXPECT_EQ(post(path, "{", {{"Content-Type", "application/json"}}).status, 400);
  EXPECT_EQ(post(path, "\xff\xff", {{"Content-Type", "application/proto"}}).status, 400);
  EXPECT_EQ(
      post(path, "{}", {{"Content-Type", "application/json"}, {"Connect-Protocol-Version", "2"}}).status,
      400);
  EXPECT_EQ(post(path, "{}", {{"Content-Type", "application/json"}, {"Connect-Timeout-Ms", "soon"}}).status,
            400);
  const Reply zstd = post(path, "{}", {{"Content-Type", "application/json"}, {"Content-Encoding", "zstd"}});
  EXPECT_EQ(zstd.status, 501);
  EXPECT_THAT(zstd.body, HasSubstr("gzip"));
  EXPECT_EQ(client_.http().request("GET", path).value().status, 405);
}

TEST_F(ConnectTest, GzipBothWays) {
  const Reply reply = post(
      "/" + std::string(kGet), gzip(R"({"name":"big"})"),
      {{"Content-Type", "application/json"}, {"Content-Encoding", "gzip"}, {"Accept-Encoding", "br, gzip"}});
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.headers.get("Content-Encoding"), "gzip");
  EXPECT_LT(reply.body.size(), 2000u);
  EXPECT_THAT(gunzip(reply.body, 1'000'000).value(), HasSubstr("big/operator"));
}

TEST_F(ConnectTest, ADeadlineEndsTheWaitAndNotTheWork) {
  const Status status = get("slow", Deadline(20)).status();
  EXPECT_EQ(status.code(), Code::kDeadlineExceeded);
  EXPECT_EQ(service_.finished, 0);
  server_.stop();  // waits for what was begun
  EXPECT_EQ(service_.finished, 1);
}

TEST_F(ConnectTest, StreamsUntilTheEnd) {
  std::vector<uint64_t> seen;
  const Status status = watch("r", &seen);
  EXPECT_TRUE(status.ok()) << status.to_string();
  EXPECT_THAT(seen, testing::ElementsAre(1, 2, 3));
}

TEST_F(ConnectTest, AStreamTellsHowItFailed) {
  std::vector<uint64_t> seen;
  EXPECT_EQ(watch("fails", &seen).to_string(), "failed_precondition: half-way");
  EXPECT_EQ(seen.size(), 3u);
}

TEST_F(ConnectTest, TheCallerMayLeaveAStream) {
  std::vector<uint64_t> seen;
  // After the third message the handler waits for news, not for a write.
  EXPECT_TRUE(watch("waits", &seen, 3).ok());
  EXPECT_EQ(seen.size(), 3u);
  server_.stop();
  EXPECT_EQ(service_.finished, 1);
}

TEST_F(ConnectTest, AHandlerThatAsksAfterTheCloseIsWokenToo) {
  std::vector<uint64_t> seen;
  EXPECT_TRUE(watch("late", &seen, 3).ok());
  server_.stop();
  EXPECT_EQ(service_.finished, 1);
}

TEST_F(ConnectTest, AStreamsDeadlineIsToldInItsEnd) {
  for (const char* body : {R"({"id":"waits"})", R"({"id":"late"})"}) {
    const Reply reply = post("/" + std::string(kWatch), envelope(0, body),
                             {{"Content-Type", "application/connect+json"}, {"Connect-Timeout-Ms", "30"}});
    EXPECT_EQ(reply.status, 200);
    EXPECT_THAT(reply.body, HasSubstr(R"("code":"deadline_exceeded")"));
  }
}

TEST_F(ConnectTest, StreamRefusals) {
  const std::string path = "/" + std::string(kWatch);
  EXPECT_EQ(post(path, "{}", {{"Content-Type", "application/json"}}).status, 415);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "unimplemented"},
      {"{}", "invalid_argument"},
      {std::string("\0\0\0\0\x09{}", 7), "invalid_argument"},
      {envelope(0, "{}") + envelope(0, "{}"), "unimplemented"},
      {envelope(1, "{}"), "internal"},
      {envelope(8, "{}"), "invalid_argument"},
      {std::string("\0\xff\xff\xff\xff{}", 7), "invalid_argument"}};
  for (const auto& [body, code] : cases) {
    const Reply reply = post(path, body, {{"Content-Type", "application/connect+json"}});
    EXPECT_EQ(reply.status, 200);
    EXPECT_THAT(reply.body, HasSubstr("\"code\":\"" + code + "\"")) << body.size();
  }
}

}  // namespace
}  // namespace rekindle::net
