// The server under test of connectconformance: its service on rekindle's RPC layer. Told over standard input
// what to be, it says over standard output where it listens, and serves until SIGTERM.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <string>

#include "connectrpc/conformance/v1/server_compat.pb.h"
#include "connectrpc/conformance/v1/service.pb.h"
#include "net/connect.h"

namespace {

namespace asio = boost::asio;
namespace cc = connectrpc::conformance::v1;
using namespace rekindle;       // NOLINT: a test program
using namespace rekindle::net;  // NOLINT

cc::ConformancePayload::RequestInfo info_of(const google::protobuf::Message& request, const Caller& caller) {
  cc::ConformancePayload::RequestInfo info;
  for (const auto& [name, value] : caller.headers) {
    cc::Header* header = nullptr;
    for (cc::Header& present : *info.mutable_request_headers()) {
      if (present.name() == name) header = &present;
    }
    if (header == nullptr) {
      header = info.add_request_headers();
      header->set_name(name);
    }
    header->add_value(value);
  }
  const std::string_view timeout = caller.headers.get("Connect-Timeout-Ms");
  if (!timeout.empty()) info.set_timeout_ms(std::stoll(std::string(timeout)));
  info.add_requests()->PackFrom(request);
  return info;
}

template <typename Definition>
void add_extras(const Definition& definition, ReplyExtras& extras) {
  for (const cc::Header& header : definition.response_headers()) {
    for (const std::string& value : header.value()) extras.headers.add(header.name(), value);
  }
  for (const cc::Header& header : definition.response_trailers()) {
    for (const std::string& value : header.value()) extras.trailers.add(header.name(), value);
  }
}

Status error_of(const cc::Error& error, ReplyExtras& extras) {
  for (const google::protobuf::Any& detail : error.details())
    extras.error_details.push_back(
        {detail.type_url().substr(detail.type_url().rfind('/') + 1), detail.value()});
  return {static_cast<Code>(error.code()), error.message()};
}

void add_info(const cc::ConformancePayload::RequestInfo& info, ReplyExtras& extras) {
  extras.error_details.push_back({info.GetDescriptor()->full_name(), info.SerializeAsString()});
}

asio::awaitable<void> delay(uint32_t ms) {
  if (ms == 0) co_return;
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, std::chrono::milliseconds(ms));
  const auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  (void)error;
}

template <typename Req, typename Resp>
asio::awaitable<Result<Resp>> unary(Req request, Caller caller) {
  const cc::UnaryResponseDefinition& definition = request.response_definition();
  const cc::ConformancePayload::RequestInfo info = info_of(request, caller);
  add_extras(definition, *caller.reply);
  co_await delay(definition.response_delay_ms());
  if (definition.has_error()) {
    const Status status = error_of(definition.error(), *caller.reply);
    add_info(info, *caller.reply);
    co_return status;
  }
  Resp response;
  *response.mutable_payload()->mutable_request_info() = info;
  response.mutable_payload()->set_data(definition.response_data());
  co_return response;
}

asio::awaitable<Result<cc::UnimplementedResponse>> not_there(cc::UnimplementedRequest, Caller) {
  co_return unimplemented("connectrpc.conformance.v1.ConformanceService.Unimplemented is not implemented");
}

asio::awaitable<Status> server_stream(cc::ServerStreamRequest request, Caller caller,
                                      Writer<cc::ServerStreamResponse>* writer) {
  const cc::StreamResponseDefinition& definition = request.response_definition();
  const cc::ConformancePayload::RequestInfo info = info_of(request, caller);
  add_extras(definition, *caller.reply);
  for (int i = 0; i < definition.response_data_size(); ++i) {
    cc::ServerStreamResponse response;
    response.mutable_payload()->set_data(definition.response_data(i));
    if (i == 0) *response.mutable_payload()->mutable_request_info() = info;
    co_await delay(definition.response_delay_ms());
    const Status status = co_await writer->write(std::move(response));
    if (!status.ok()) co_return status;
  }
  if (!definition.has_error()) co_return ok_status();
  const Status status = error_of(definition.error(), *caller.reply);
  if (definition.response_data_size() == 0) add_info(info, *caller.reply);
  co_return status;
}

void add_service(HttpServer& server) {
  const std::string service = "connectrpc.conformance.v1.ConformanceService/";
  add_unary<cc::UnaryRequest, cc::UnaryResponse>(server, service + "Unary", Access::kOpen,
                                                 unary<cc::UnaryRequest, cc::UnaryResponse>);
  add_unary<cc::IdempotentUnaryRequest, cc::IdempotentUnaryResponse>(
      server, service + "IdempotentUnary", Access::kOpen,
      unary<cc::IdempotentUnaryRequest, cc::IdempotentUnaryResponse>);
  add_unary<cc::UnimplementedRequest, cc::UnimplementedResponse>(server, service + "Unimplemented",
                                                                 Access::kOpen, not_there);
  add_server_stream<cc::ServerStreamRequest, cc::ServerStreamResponse>(
      server, service + "ServerStream", Access::kOpen,
      [](cc::ServerStreamRequest request, Caller caller, Writer<cc::ServerStreamResponse>& writer) {
        return server_stream(std::move(request), std::move(caller), &writer);
      });
}

bool read_framed(google::protobuf::Message* message) {
  unsigned char size[4];
  if (std::fread(size, 1, 4, stdin) != 4) return false;
  const size_t length = size_t{size[0]} << 24 | size_t{size[1]} << 16 | size_t{size[2]} << 8 | size[3];
  std::string bytes(length, '\0');
  return std::fread(bytes.data(), 1, length, stdin) == length && message->ParseFromString(bytes);
}

void write_framed(const google::protobuf::Message& message) {
  const std::string bytes = message.SerializeAsString();
  for (int shift = 24; shift >= 0; shift -= 8) std::putchar(static_cast<int>(bytes.size() >> shift & 0xff));
  std::fwrite(bytes.data(), 1, bytes.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

int main() {
  cc::ServerCompatRequest wanted;
  if (!read_framed(&wanted)) return 64;
  asio::io_context io;
  ServerOptions options;
  // The suite sends messages beyond the limit to see them refused by the protocol rather than by HTTP.
  options.limits.body_bytes_max = 64ull << 20;
  if (wanted.message_receive_limit() > 0) options.limits.message_bytes_max = wanted.message_receive_limit();
  HttpServer server(io, options);
  add_service(server);
  const Result<uint16_t> port = server.start();
  if (!port.ok()) {
    std::fprintf(stderr, "%s\n", port.status().message().c_str());
    return 1;
  }
  cc::ServerCompatResponse answer;
  answer.set_host("127.0.0.1");
  answer.set_port(*port);
  write_framed(answer);
  asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&io](boost::system::error_code, int) { io.stop(); });
  io.run();
}
