// Blocking HTTP client with one kept connection, and Connect calls on top of it.
//
// One object per thread: nothing here is locked, except cancel(), which any thread may call to end the call
// in progress and all later ones. Deadlines cover the whole call, connecting included.
// A call is never sent twice: a kept connection is looked at before it is used again (the server may have
// closed it while idle), and a failure after sending is reported as `unavailable` for the caller to decide.
#pragma once

#include <google/protobuf/message.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/message.h"

namespace rekindle::net {

using Deadline = std::chrono::milliseconds;

struct ClientOptions {
  std::string url;    // "http://127.0.0.1:7700", "https://...", or "unix:/run/x/socket" for a Unix socket
  std::string token;  // sent as Authorization: Bearer; empty: none
  // Of https: the PEM file of the authority that the server's certificate must come from; empty: those that
  // this host trusts.
  std::string authority;
  Deadline connect_deadline{5'000};
  uint64_t body_bytes_max = 256ull << 20;  // of an answer
};

struct Reply {
  int status = 0;
  Headers headers;
  std::string body;
};

class HttpClient {
 public:
  explicit HttpClient(ClientOptions options);
  ~HttpClient();
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) noexcept;

  // Any status is a Reply; a Status is returned when there was no whole answer: unavailable (cannot
  // connect, connection lost), deadline_exceeded, canceled, invalid_argument (the URL).
  Result<Reply> request(std::string_view method, std::string_view path, std::string_view body = {},
                        const Headers& headers = {}, Deadline deadline = Deadline(30'000));

  // Hands over the body piece by piece as it arrives. `on_head` sees status and headers (body empty) first
  // and `on_bytes` the body; either stops the stream by returning false (which is not a failure).
  // `silence` is the longest wait between two pieces.
  Status stream(std::string_view method, std::string_view path, std::string_view body, const Headers& headers,
                std::function<bool(const Reply&)> on_head, std::function<bool(std::string_view)> on_bytes,
                Deadline silence);

  void cancel();  // from any thread
  const std::string& url() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Calls "package.Service/Method" in Connect's binary form.
class ConnectClient {
 public:
  explicit ConnectClient(ClientOptions options) : http_(std::move(options)) {}
  ConnectClient(std::string url, std::string token, std::string authority = {})
      : http_(ClientOptions{
            .url = std::move(url), .token = std::move(token), .authority = std::move(authority)}) {}

  template <typename Req, typename Resp>
  Result<Resp> call(std::string_view method, const Req& request, Deadline deadline = Deadline(30'000)) {
    Resp response;
    if (Status status = call_raw(method, request, &response, deadline); !status.ok()) return status;
    return response;
  }

  // Ends ok when the server ended the stream well or `on_message` returned false. The server beats with
  // messages of its own; `silence` without any byte ends the stream as unavailable.
  template <typename Req, typename Resp>
  Status stream(std::string_view method, const Req& request, std::function<bool(const Resp&)> on_message,
                Deadline silence = Deadline(30'000)) {
    return stream_raw(
        method, request, std::make_unique<Resp>(),
        [&on_message](const google::protobuf::Message& message) {
          return on_message(static_cast<const Resp&>(message));
        },
        silence);
  }

  void cancel() { http_.cancel(); }  // from any thread
  HttpClient& http() { return http_; }

 private:
  Status call_raw(std::string_view method, const google::protobuf::Message& request,
                  google::protobuf::Message* response, Deadline deadline);
  Status stream_raw(std::string_view method, const google::protobuf::Message& request,
                    std::unique_ptr<google::protobuf::Message> message,
                    const std::function<bool(const google::protobuf::Message&)>& on_message,
                    Deadline silence);
  HttpClient http_;
};

}  // namespace rekindle::net
