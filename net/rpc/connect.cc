#include "net/connect.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/gzip.h"
#include "net/rpc/codec.h"
#include "net/spawn.h"

namespace rekindle::net {
namespace {

namespace asio = boost::asio;
constexpr auto kAsTuple = asio::as_tuple(asio::use_awaitable);
// Smaller answers are not worth the work.
constexpr size_t kCompressBytesMin = 1024;

// A registered procedure; kept alive by its route.
struct Procedure {
  HttpServer* server;
  std::unique_ptr<google::protobuf::Message> prototype;
  RawUnary unary;
  RawServerStream stream;
  uint64_t message_bytes_max;
};
using ProcedurePtr = std::shared_ptr<const Procedure>;

Status check_protocol(const Headers& headers, std::string_view encoding_header) {
  const std::string_view version = headers.get("Connect-Protocol-Version");
  if (!version.empty() && version != "1")
    return invalid_argument(
        fmt::format("Connect-Protocol-Version {} is not known; this server speaks 1", version));
  const std::string_view encoding = headers.get(encoding_header);
  if (!encoding.empty() && encoding != "identity" && encoding != "gzip")
    return unimplemented(fmt::format("compression {} is not supported; gzip and identity are", encoding));
  return ok_status();
}

Response wrong_content_type(std::string_view prefix) {
  Response response;
  response.status = 415;
  response.headers.add("Accept-Post", fmt::format("{0}json, {0}proto", prefix));
  return response;
}

// With nothing in it but what the protocol knows.
Response connect_error(const Status& status, const std::vector<ErrorDetail>& details = {}) {
  Response response = Response::error(status);
  response.body = error_json(status, details);
  return response;
}

Result<Caller> caller_of(Request& request) {
  const std::optional<std::chrono::milliseconds> timeout = TRY(timeout_of(request.headers));
  Caller caller;
  caller.who = request.who;
  caller.peer = request.peer;
  if (timeout.has_value()) caller.deadline = std::chrono::steady_clock::now() + *timeout;
  caller.headers = std::move(request.headers);
  caller.reply = std::make_shared<ReplyExtras>();
  return caller;
}

// A handler's result that may come after nobody waits for it any more.
struct Pending {
  explicit Pending(const asio::any_io_executor& executor) : done(executor) {}
  asio::steady_timer done;  // cancelled when the result is there
  std::optional<Result<MessagePtr>> result;
  std::shared_ptr<void> hold;
};

asio::awaitable<void> run_pending(std::shared_ptr<Pending> pending, ProcedurePtr procedure,
                                  MessagePtr request, Caller caller) {
  Result<MessagePtr> result = co_await procedure->unary(std::move(request), std::move(caller));
  pending->result.emplace(std::move(result));
  pending->done.cancel();
  pending->hold.reset();
}

asio::awaitable<Result<MessagePtr>> call_until(ProcedurePtr procedure, MessagePtr request, Caller caller) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto deadline = *caller.deadline;
  auto pending = std::make_shared<Pending>(executor);
  pending->hold = procedure->server->hold();
  pending->done.expires_at(deadline);
  spawn(executor, "unary call", run_pending(pending, procedure, std::move(request), std::move(caller)));
  if (!pending->result.has_value()) {
    const auto [error] = co_await pending->done.async_wait(kAsTuple);
    (void)error;
  }
  if (!pending->result.has_value())
    co_return deadline_exceeded("the call's deadline passed; it may still take effect");
  co_return std::move(*pending->result);
}

Response unary_answer(Codec codec, bool gzip_accepted, const google::protobuf::Message& message) {
  Result<std::string> bytes = encode(codec, message);
  if (!bytes.ok()) return connect_error(bytes.status());
  Response response;
  response.headers.add("Content-Type", fmt::format("{}{}", kUnaryPrefix, codec_name(codec)));
  response.body = std::move(*bytes);
  if (gzip_accepted && response.body.size() >= kCompressBytesMin) {
    response.body = gzip(response.body);
    response.headers.add("Content-Encoding", "gzip");
  }
  return response;
}

asio::awaitable<Response> run_unary(ProcedurePtr procedure, Request request) {
  const std::optional<Codec> codec = codec_of(request.headers.get("Content-Type"), kUnaryPrefix);
  if (!codec.has_value()) co_return wrong_content_type(kUnaryPrefix);
  Status status = check_protocol(request.headers, "Content-Encoding");
  if (!status.ok()) co_return connect_error(status);
  const Result<std::string> body = decompress(request.headers.get("Content-Encoding"),
                                              std::move(request.body), procedure->message_bytes_max);
  if (!body.ok()) co_return connect_error(body.status());
  const bool gzip_accepted = accepts_gzip(request.headers.get("Accept-Encoding"));
  MessagePtr message(procedure->prototype->New());
  status = decode(*codec, *body, message.get());
  if (!status.ok()) co_return connect_error(status);
  Result<Caller> caller = caller_of(request);
  if (!caller.ok()) co_return connect_error(caller.status());

  const std::shared_ptr<ReplyExtras> extras = caller->reply;
  Result<MessagePtr> result = MessagePtr();
  if (caller->deadline.has_value()) {
    result = co_await call_until(procedure, std::move(message), std::move(*caller));
  } else {
    result = co_await procedure->unary(std::move(message), std::move(*caller));
  }
  Response response = result.ok() ? unary_answer(*codec, gzip_accepted, **result)
                                  : connect_error(result.status(), extras->error_details);
  for (const auto& [name, value] : extras->headers) response.headers.add(name, value);
  for (const auto& [name, value] : extras->trailers) response.headers.add("Trailer-" + name, value);
  co_return response;
}

// Envelopes on a Stream; closes at the client's deadline. The head goes out with the first of them, so that
// the handler may still add to it.
class EnvelopeWriter final : public RawWriter, public std::enable_shared_from_this<EnvelopeWriter> {
 public:
  EnvelopeWriter(asio::any_io_executor executor, Stream& stream, Codec codec, bool gzip_accepted)
      : extras(std::make_shared<ReplyExtras>()),
        executor_(std::move(executor)),
        stream_(stream),
        codec_(codec),
        gzip_(gzip_accepted) {}

  asio::awaitable<Status> write(std::shared_ptr<const google::protobuf::Message> message) override {
    if (expired_) co_return deadline_exceeded("the stream's deadline passed");
    Result<std::string> bytes = encode(codec_, *message);
    if (!bytes.ok()) co_return bytes.status();
    const Status started = co_await start();
    if (!started.ok()) co_return started;
    const bool compress = gzip_ && bytes->size() >= kCompressBytesMin;
    std::string framed = compress ? envelope(kFlagCompressed, gzip(*bytes)) : envelope(0, *bytes);
    co_return co_await stream_.write(std::move(framed));
  }
  bool closed() const override { return expired_ || stream_.closed(); }
  // Woken by whichever comes first, the client's leaving or the deadline; only while the handler runs.
  void on_close(std::function<void()> wake) override {
    wake_ = std::move(wake);
    const auto wake_later = [self = shared_from_this()] { self->wake_handler(); };
    stream_.on_close(wake_later);
    if (expired_) asio::post(executor_, wake_later);
  }
  void handler_ended() { wake_ = {}; }

  // The last envelope: how the call ended.
  asio::awaitable<Status> end(Status status) {
    const Status started = co_await start();
    if (!started.ok()) co_return started;
    std::string framed = envelope(kFlagEnd, end_of_stream_json(status, *extras));
    co_return co_await stream_.write(std::move(framed));
  }

  bool expired() const { return expired_; }
  void expire() {
    expired_ = true;
    wake_handler();
  }

  const std::shared_ptr<ReplyExtras> extras;

 private:
  void wake_handler() {
    if (std::function<void()> wake = std::exchange(wake_, {})) wake();
  }

  asio::awaitable<Status> start() {
    if (started_) co_return ok_status();
    started_ = true;
    Response head;
    head.headers.add("Content-Type", fmt::format("{}{}", kStreamPrefix, codec_name(codec_)));
    if (gzip_) head.headers.add("Connect-Content-Encoding", "gzip");
    for (const auto& [name, value] : extras->headers) head.headers.add(name, value);
    co_return co_await stream_.start(std::move(head));
  }

  asio::any_io_executor executor_;
  Stream& stream_;
  Codec codec_;
  bool gzip_;
  bool started_ = false;
  bool expired_ = false;
  std::function<void()> wake_;
};

// The one message of a server stream's request. The codes are those that the protocol's own suite asks for.
Result<std::string> only_envelope(const Request& request, uint64_t limit_bytes) {
  const Status not_one = unimplemented("a server stream takes exactly one message");
  if (request.body.empty()) return not_one;
  if (request.body.size() < kEnvelopeHeaderBytes)
    return invalid_argument("a streaming call's body is one envelope: flags, length, message");
  const EnvelopeHeader header = read_envelope_header(request.body);
  const size_t follows = request.body.size() - kEnvelopeHeaderBytes;
  if (header.length > follows)
    return invalid_argument(fmt::format("the envelope names {} bytes but {} follow", header.length, follows));
  if (header.length < follows) return not_one;
  if ((header.flags & ~kFlagCompressed) != 0)
    return invalid_argument(fmt::format("unknown envelope flags {}", header.flags));
  const std::string_view encoding = request.headers.get("Connect-Content-Encoding");
  const bool compressed = (header.flags & kFlagCompressed) != 0;
  if (compressed && encoding != "gzip")
    return internal_error("the envelope is compressed but Connect-Content-Encoding does not say how");
  return decompress(compressed ? encoding : "", request.body.substr(kEnvelopeHeaderBytes), limit_bytes);
}

asio::awaitable<void> watch_deadline(std::shared_ptr<asio::steady_timer> timer,
                                     std::weak_ptr<EnvelopeWriter> writer) {
  const auto [error] = co_await timer->async_wait(kAsTuple);
  if (error) co_return;
  if (const std::shared_ptr<EnvelopeWriter> open = writer.lock()) open->expire();
}

asio::awaitable<Status> call_stream(ProcedurePtr procedure, Request request, Codec codec,
                                    std::shared_ptr<EnvelopeWriter> writer) {
  Status status = check_protocol(request.headers, "Connect-Content-Encoding");
  if (!status.ok()) co_return status;
  const Result<std::string> body = only_envelope(request, procedure->message_bytes_max);
  if (!body.ok()) co_return body.status();
  MessagePtr message(procedure->prototype->New());
  status = decode(codec, *body, message.get());
  if (!status.ok()) co_return status;
  Result<Caller> caller = caller_of(request);
  if (!caller.ok()) co_return caller.status();
  caller->reply = writer->extras;

  std::shared_ptr<asio::steady_timer> timer;
  if (caller->deadline.has_value()) {
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    timer = std::make_shared<asio::steady_timer>(executor, *caller->deadline);
    spawn(executor, "stream deadline", watch_deadline(timer, writer));
  }
  status = co_await procedure->stream(std::move(message), std::move(*caller), *writer);
  writer->handler_ended();
  if (timer) timer->cancel();
  if (writer->expired()) co_return deadline_exceeded("the stream's deadline passed");
  co_return status;
}

asio::awaitable<Status> run_stream(ProcedurePtr procedure, Request request, Stream* stream) {
  const std::optional<Codec> codec = codec_of(request.headers.get("Content-Type"), kStreamPrefix);
  if (!codec.has_value()) co_return co_await stream->start(wrong_content_type(kStreamPrefix));
  const bool gzip_accepted = accepts_gzip(request.headers.get("Connect-Accept-Encoding"));
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto writer = std::make_shared<EnvelopeWriter>(executor, *stream, *codec, gzip_accepted);
  Status status = co_await call_stream(std::move(procedure), std::move(request), *codec, writer);
  if (stream->closed()) co_return Status(Code::kCanceled, "the client has gone");
  // Whatever became of the call, the stream itself ends well: its last envelope tells.
  co_return co_await writer->end(std::move(status));
}

std::shared_ptr<Procedure> make_procedure(HttpServer& server, const google::protobuf::Message& prototype) {
  auto procedure = std::make_shared<Procedure>();
  procedure->server = &server;
  procedure->prototype.reset(prototype.New());
  procedure->message_bytes_max = server.limits().message_bytes_max;
  return procedure;
}

}  // namespace

void add_raw_unary(HttpServer& server, const std::string& method, Access access,
                   const google::protobuf::Message& request_prototype, RawUnary handler) {
  const std::shared_ptr<Procedure> procedure = make_procedure(server, request_prototype);
  procedure->unary = std::move(handler);
  server.route("POST", "/" + method, access,
               [procedure](Request request) { return run_unary(procedure, std::move(request)); });
}

void add_raw_server_stream(HttpServer& server, const std::string& method, Access access,
                           const google::protobuf::Message& request_prototype, RawServerStream handler) {
  const std::shared_ptr<Procedure> procedure = make_procedure(server, request_prototype);
  procedure->stream = std::move(handler);
  server.stream_route("POST", "/" + method, access, [procedure](Request request, Stream& stream) {
    return run_stream(procedure, std::move(request), &stream);
  });
}

}  // namespace rekindle::net
