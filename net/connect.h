// Remote procedures in the Connect protocol over HTTP/1.1: unary calls and server streams, JSON and binary,
// gzip, Connect-Timeout-Ms. The templates only name types; the protocol itself is in connect.cc and works
// on google::protobuf::Message.
//
//   add_unary<v1::ApplyRequest, v1::ApplyResponse>(
//       server, "rekindle.v1.JobService/Apply", Access::kOperator,
//       [this](v1::ApplyRequest request, Caller caller) { return apply(std::move(request),
//       std::move(caller)); });
#pragma once

#include <google/protobuf/message.h>

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/http_server.h"

namespace rekindle::net {

// What a handler may add to its answer, whether that is a message or an error.
struct ErrorDetail {
  std::string type;   // full name of a protobuf message
  std::string value;  // its binary form
};
struct ReplyExtras {
  Headers headers;  // of a stream: added before its first message
  Headers trailers;
  std::vector<ErrorDetail> error_details;
};

// Who called, and until when the answer is wanted. At the deadline the client is told deadline_exceeded
// while the handler runs on to its end: waiting is bounded, a commit never is.
struct Caller {
  Identity who;
  std::string peer;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  Headers headers;
  std::shared_ptr<ReplyExtras> reply;  // never null
};

class RawWriter {
 public:
  virtual ~RawWriter() = default;
  virtual boost::asio::awaitable<Status> write(std::shared_ptr<const google::protobuf::Message> message) = 0;
  virtual bool closed() const = 0;  // client gone, deadline passed, or the server stops
  virtual void on_close(std::function<void()> wake) = 0;
};

// Typed end of a server stream; see Stream for what closing means.
template <typename Resp>
class Writer {
 public:
  explicit Writer(RawWriter& raw) : raw_(raw) {}
  boost::asio::awaitable<Status> write(Resp message) {
    return raw_.write(std::make_shared<const Resp>(std::move(message)));
  }
  bool closed() const { return raw_.closed(); }
  void on_close(std::function<void()> wake) { raw_.on_close(std::move(wake)); }

 private:
  RawWriter& raw_;
};

using MessagePtr = std::unique_ptr<google::protobuf::Message>;
using RawUnary = std::function<boost::asio::awaitable<Result<MessagePtr>>(MessagePtr, Caller)>;
using RawServerStream = std::function<boost::asio::awaitable<Status>(MessagePtr, Caller, RawWriter&)>;

// `method` is "package.Service/Method".
void add_raw_unary(HttpServer& server, const std::string& method, Access access,
                   const google::protobuf::Message& request_prototype, RawUnary handler);
void add_raw_server_stream(HttpServer& server, const std::string& method, Access access,
                           const google::protobuf::Message& request_prototype, RawServerStream handler);

template <typename Req, typename Resp>
using Unary = std::function<boost::asio::awaitable<Result<Resp>>(Req, Caller)>;
template <typename Req, typename Resp>
using ServerStream = std::function<boost::asio::awaitable<Status>(Req, Caller, Writer<Resp>&)>;

namespace detail {

template <typename Req, typename Resp>
boost::asio::awaitable<Result<MessagePtr>> call_unary(const Unary<Req, Resp>* handler, MessagePtr request,
                                                      Caller caller) {
  Result<Resp> result = co_await (*handler)(std::move(static_cast<Req&>(*request)), std::move(caller));
  if (!result.ok()) co_return result.status();
  MessagePtr response = std::make_unique<Resp>(std::move(result).value());
  co_return std::move(response);
}

template <typename Req, typename Resp>
boost::asio::awaitable<Status> call_stream(const ServerStream<Req, Resp>* handler, MessagePtr request,
                                           Caller caller, RawWriter* raw) {
  Writer<Resp> writer(*raw);
  co_return co_await (*handler)(std::move(static_cast<Req&>(*request)), std::move(caller), writer);
}

}  // namespace detail

template <typename Req, typename Resp>
void add_unary(HttpServer& server, const std::string& method, Access access,
               std::type_identity_t<Unary<Req, Resp>> handler) {
  auto kept = std::make_shared<const Unary<Req, Resp>>(std::move(handler));
  add_raw_unary(server, method, access, Req::default_instance(), [kept](MessagePtr request, Caller caller) {
    return detail::call_unary<Req, Resp>(kept.get(), std::move(request), std::move(caller));
  });
}

template <typename Req, typename Resp>
void add_server_stream(HttpServer& server, const std::string& method, Access access,
                       std::type_identity_t<ServerStream<Req, Resp>> handler) {
  auto kept = std::make_shared<const ServerStream<Req, Resp>>(std::move(handler));
  add_raw_server_stream(server, method, access, Req::default_instance(),
                        [kept](MessagePtr request, Caller caller, RawWriter& raw) {
                          return detail::call_stream<Req, Resp>(kept.get(), std::move(request),
                                                                std::move(caller), &raw);
                        });
}

}  // namespace rekindle::net
