// Unix sockets: the same server and client, without a port and without a token.
#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/files.h"
#include "server_fixture.h"

namespace rekindle::net {
namespace {

using std::chrono::steady_clock;
using ::testing::HasSubstr;

class UnixTest : public ::testing::Test {
 protected:
  UnixTest() {
    char name[] = "/tmp/rekindle-net-XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ / "s";
  }
  ~UnixTest() override { fs::remove_all(folder_); }

  HttpClient client() const { return HttpClient({.url = "unix:" + path_.string()}); }
  static void add_routes(HttpServer& server) {
    server.route("GET", "/hello", Access::kOpen, [](Request) { return say("hello"); });
    server.route("POST", "/size", Access::kOpen,
                 [](Request request) { return say(std::to_string(request.body.size())); });
    server.route("GET", "/secret", Access::kOperator, [](Request) { return say("secret"); });
  }
  // A socket whose queue of connections holds `backlog`, and nobody takes any.
  Fd listen_only(int backlog) const {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.string().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd.get(), backlog), 0);
    return fd;
  }

  fs::path folder_, path_;
  std::vector<HttpClient> kept_;  // their places in a queue are taken as long as they live
};

TEST_F(UnixTest, AnswersOnOneKeptConnection) {
  TestServer server(add_routes, {}, path_);
  EXPECT_EQ(server.server().url(), "unix:" + path_.string());
  HttpClient asking = client();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(asking.request("GET", "/hello")->body, "hello");
    EXPECT_EQ(asking.request("POST", "/size", std::string(3 << 20, 'x'))->body, std::to_string(3 << 20));
  }
  EXPECT_EQ(server.on_thread([&] { return server.server().counters().connections_total; }), 1u);
  EXPECT_EQ(asking.request("GET", "/secret")->status, 401) << "tokens hold here too";
}

TEST_F(UnixTest, TheSocketIsForItsUserAloneAndGoesWithTheServer) {
  {
    TestServer server(add_routes, {}, path_);
    struct stat status {};
    ASSERT_EQ(::stat(path_.c_str(), &status), 0);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
    EXPECT_EQ(status.st_mode & 0777, 0600u);
  }
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(UnixTest, APathThatIsTakenOrTooLongIsRefused) {
  const TestServer first(add_routes, {}, path_);
  boost::asio::io_context io;
  HttpServer second(io, {.unix_socket = path_});
  EXPECT_THAT(second.start().status().message(), HasSubstr("cannot listen on " + path_.string()));
  HttpServer third(io, {.unix_socket = folder_ / std::string(200, 'x')});
  EXPECT_EQ(third.start().status().code(), Code::kInvalidArgument);
  HttpClient asking({.url = "unix:" + std::string(200, 'x')});
  EXPECT_EQ(asking.request("GET", "/hello").status().code(), Code::kInvalidArgument);
}

TEST_F(UnixTest, NobodyThereIsUnavailableAtOnce) {
  EXPECT_EQ(client().request("GET", "/hello").status().code(), Code::kUnavailable);
  { listen_only(1); }  // a socket without a listener, as a killed program leaves it
  EXPECT_EQ(client().request("GET", "/hello").status().code(), Code::kUnavailable);
}

TEST_F(UnixTest, AServerThatTakesNobodyCostsTheDeadline) {
  const Fd listening = listen_only(0);
  // The first fill the queue and wait for an answer, the others for a place in it.
  for (int i = 0; i < 3; ++i) {
    HttpClient asking = client();
    const auto begin = steady_clock::now();
    const auto reply = asking.request("GET", "/hello", {}, {}, Deadline(200));
    ASSERT_FALSE(reply.ok());
    EXPECT_GE(steady_clock::now() - begin, Deadline(190));
    kept_.push_back(std::move(asking));
  }
}

TEST_F(UnixTest, AFullQueueIsWaitedFor) {
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  TestServer server(add_routes, {}, path_);
  for (int t = 0; t < 20; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) answered += client().request("GET", "/hello").ok();
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 400);
}

}  // namespace
}  // namespace rekindle::net
