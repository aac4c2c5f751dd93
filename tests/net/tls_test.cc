// TLS with an authority of our own: our client and curl, what is not proven, and who trickles.
#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cstdio>
#include <thread>

#include "base/files.h"
#include "net/tls/authority.h"
#include "server_fixture.h"

namespace rekindle::net {
namespace {

using ::testing::HasSubstr;

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() {
    char name[] = "/tmp/rekindle-tls-XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~TlsTest() override { fs::remove_all(folder_); }

  Authority authority(const std::string& name = "tls", std::vector<std::string> names = {"127.0.0.1"}) {
    return open_authority(folder_ / name, names).value();
  }
  static void add_routes(HttpServer& server) {
    server.route("GET", "/hello", Access::kViewer, [](Request) { return say("hello"); });
    server.route("POST", "/size", Access::kOperator,
                 [](Request request) { return say(std::to_string(request.body.size())); });
    server.stream_route("GET", "/count", Access::kOperator,
                        [](Request, Stream& stream) { return count(&stream); });
  }
  static boost::asio::awaitable<Status> count(Stream* stream) {
    for (int i = 0; i < 5; ++i) {
      Status written = co_await stream->write(std::to_string(i) + "\n");
      if (!written.ok()) co_return written;
    }
    co_return ok_status();
  }
  static HttpClient client(const TestServer& server, const std::string& authority) {
    auto options = server.client_options();
    options.authority = authority;
    options.connect_deadline = Deadline(2'000);
    return HttpClient(options);
  }
  static std::pair<int, std::string> shell(const std::string& command) {
    FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
    std::string out;
    std::array<char, 4096> buffer;
    while (const size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) out.append(buffer.data(), n);
    return {WEXITSTATUS(::pclose(pipe)), out};
  }

  fs::path folder_;
};

TEST_F(TlsTest, AnswersWhoKnowsTheAuthority) {
  const Authority made = authority();
  TestServer server(add_routes, {}, {}, made.server);
  EXPECT_THAT(server.server().url(), HasSubstr("https://127.0.0.1:"));
  HttpClient asking = client(server, made.certificate);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(asking.request("GET", "/hello").value().body, "hello");
    EXPECT_EQ(asking.request("POST", "/size", std::string(3 << 20, 'x')).value().body,
              std::to_string(3 << 20));
  }
  EXPECT_EQ(server.on_thread([&] { return server.server().counters().connections_total; }), 1u)
      << "the connection is kept";
  std::string counted;
  const Status streamed = asking.stream(
      "GET", "/count", "", {}, [](const Reply& head) { return head.status == 200; },
      [&](std::string_view bytes) { return counted += bytes, true; }, Deadline(5'000));
  EXPECT_TRUE(streamed.ok()) << streamed.message();
  EXPECT_EQ(counted, "0\n1\n2\n3\n4\n");
}

TEST_F(TlsTest, CurlAgrees) {
  const Authority made = authority();
  TestServer server(add_routes, {}, {}, made.server);
  const std::string curl = "curl -sS --max-time 10 -H 'Authorization: Bearer " + kOperatorToken + "' ";
  const std::string url = server.server().url() + "/hello";
  EXPECT_EQ(shell(curl + "--cacert " + made.certificate + " " + url), std::pair(0, std::string("hello")));
  EXPECT_EQ(shell(curl + url).first, 60) << "an authority that nobody named proves nothing";
  EXPECT_NE(shell(curl + "--tls-max 1.1 --cacert " + made.certificate + " " + url).first, 0);
}

TEST_F(TlsTest, WhatIsNotProvenIsRefusedBeforeTheTokenIsSent) {
  const Authority made = authority(), other = authority("other"),
                  elsewhere = authority("elsewhere", {"db.example"});
  TestServer server(add_routes, {}, {}, made.server), misnamed(add_routes, {}, {}, elsewhere.server);
  for (const auto& [asked, trusts] : {std::pair{&server, std::string()},
                                      {&server, other.certificate},
                                      {&misnamed, elsewhere.certificate}}) {
    const auto reply = client(*asked, trusts).request("GET", "/hello");
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.status().code(), Code::kUnauthenticated) << reply.status().message();
    EXPECT_THAT(reply.status().message(), HasSubstr("ca.pem"));
    EXPECT_EQ(asked->on_thread([asked = asked] { return asked->server().counters().requests_total; }), 0u);
  }
  EXPECT_THAT(client(server, "/nonexistent").request("GET", "/hello").status().message(),
              HasSubstr("/nonexistent cannot be used"));
}

TEST_F(TlsTest, ManyThreadsMayTrustThisHostsAuthorities) {
  TestServer server(add_routes, {}, {}, authority().server);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&server] {
      for (int i = 0; i < 5; ++i)
        EXPECT_EQ(client(server, "").request("GET", "/hello").status().code(), Code::kUnauthenticated);
    });
  for (auto& thread : threads) thread.join();
}

TEST_F(TlsTest, PlainAndSecureDoNotMeet) {
  const Authority made = authority();
  TestServer secure(add_routes, {}, {}, made.server), plain(add_routes);
  auto options = secure.client_options();
  options.url = "http" + options.url.substr(5);
  EXPECT_FALSE(HttpClient(options).request("GET", "/hello", {}, {}, Deadline(3'000)).ok());
  options = plain.client_options();
  options.url = "https" + options.url.substr(4);
  options.authority = made.certificate;
  EXPECT_FALSE(HttpClient(options).request("GET", "/hello", {}, {}, Deadline(3'000)).ok());
  EXPECT_EQ(client(secure, made.certificate).request("GET", "/hello").value().body, "hello")
      << "it still answers";
}

TEST_F(TlsTest, WhoDoesNotShakeHandsIsLeft) {
  ServerLimits limits;
  limits.header_deadline = std::chrono::milliseconds(200);
  TestServer server(add_routes, limits, {}, authority().server);
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const timeval patience{5, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char byte = 0;
  EXPECT_EQ(::recv(fd.get(), &byte, 1, 0), 0) << "closed by the server";
}

TEST_F(TlsTest, TheAuthorityIsMadeOnceAndItsKeyIsPrivate) {
  const Authority first = authority();
  const std::string shown = read_file(first.server.certificate).value();
  EXPECT_EQ(authority().fingerprint, first.fingerprint);
  EXPECT_EQ(read_file(first.server.certificate).value(), shown);
  const Authority renamed = authority("tls", {"127.0.0.1", "::1", "train.example"});
  EXPECT_EQ(renamed.fingerprint, first.fingerprint) << "what clients have pinned stays";
  EXPECT_NE(read_file(first.server.certificate).value(), shown) << "it covers the new names";
  EXPECT_EQ(shell("openssl verify -CAfile " + first.certificate + " " + first.server.certificate).first, 0);
  for (const char* key : {"ca-key.pem", "server-key.pem"}) {
    struct stat about {};
    ASSERT_EQ(::stat((folder_ / "tls" / key).c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 0777, 0600u) << key;
  }
}

TEST_F(TlsTest, ADamagedAuthorityIsNotReplacedADamagedCertificateIs) {
  const Authority first = authority();
  ASSERT_TRUE(write_file_durably(folder_ / "tls" / "server-key.pem", "no key", 0600).ok());
  EXPECT_EQ(authority().fingerprint, first.fingerprint);
  TestServer server(add_routes, {}, {}, first.server);
  EXPECT_EQ(client(server, first.certificate).request("GET", "/hello").value().body, "hello");
  ASSERT_TRUE(write_file_durably(folder_ / "tls" / "ca-key.pem", "no key", 0600).ok());
  const auto damaged = open_authority(folder_ / "tls", {"127.0.0.1"});
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.status().code(), Code::kDataLoss);
  EXPECT_THAT(damaged.status().message(), HasSubstr("ca-key.pem"));
}

// What is drawn for a certificate never makes one that cannot be read: one in 256 once was.
TEST_F(TlsTest, EveryCertificateCanBeRead) {
  for (int i = 0; i < 1000; ++i) {
    const Authority made = authority("tls", {"host-" + std::to_string(i) + ".example"});
    boost::asio::io_context io;
    ServerOptions options;
    options.tls = made.server;
    const auto started = HttpServer(io, options).start();
    ASSERT_TRUE(started.ok()) << i << ": " << started.status().message();
  }
}

TEST_F(TlsTest, FilesThatDoNotFitAreRefusedAtStart) {
  const Authority made = authority(), other = authority("other");
  boost::asio::io_context io;
  for (const auto& files :
       {TlsFiles{"/nonexistent", made.server.key}, TlsFiles{made.server.certificate, "/nonexistent"},
        TlsFiles{made.server.certificate, other.server.key}}) {
    ServerOptions options;
    options.tls = files;
    const auto started = HttpServer(io, options).start();
    ASSERT_FALSE(started.ok());
    EXPECT_EQ(started.status().code(), Code::kInvalidArgument) << started.status().message();
  }
}

}  // namespace
}  // namespace rekindle::net
