#include "net/http/stream.h"

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/write.hpp>

namespace rekindle::net {

asio::awaitable<Status> ChunkedStream::start(Response head) {
  CHECK(!started_, "a stream starts once");
  if (closed_) co_return Status(Code::kCanceled, "the client has gone");
  started_ = true;
  http::response<http::empty_body> message(static_cast<http::status>(head.status), version_);
  for (const auto& [name, value] : head.headers) message.insert(name, value);
  message.keep_alive(false);
  if (version_ == 11) message.chunked(true);
  http::response_serializer<http::empty_body> serializer(message);
  connection_->stream().expires_after(connection_->limits().write_deadline);
  const auto [error, bytes] = co_await http::async_write_header(connection_->stream(), serializer, kAsTuple);
  if (!error) co_return ok_status();
  mark_closed();
  co_return Status(Code::kCanceled, "the client has gone");
}

asio::awaitable<Status> ChunkedStream::write(std::string chunk) {
  if (!started_) {
    Response head;
    head.headers.add("Content-Type", "application/x-ndjson");
    Status status = co_await start(std::move(head));
    if (!status.ok()) co_return status;
  }
  if (closed_) co_return Status(Code::kCanceled, "the client has gone or the server stops");
  if (chunk.empty()) co_return ok_status();  // an empty chunk would be the last one
  co_return co_await send(chunk);
}

asio::awaitable<Status> ChunkedStream::send(std::string_view bytes) {
  connection_->stream().expires_after(connection_->limits().write_deadline);
  const asio::const_buffer payload(bytes.data(), bytes.size());
  beast::error_code error;
  if (version_ == 11) {
    const auto chunk = http::make_chunk(payload);
    const auto [failed, written] = co_await asio::async_write(connection_->stream(), chunk, kAsTuple);
    error = failed;
  } else {
    const auto [failed, written] = co_await asio::async_write(connection_->stream(), payload, kAsTuple);
    error = failed;
  }
  if (!error) co_return ok_status();
  mark_closed();
  co_return Status(Code::kCanceled, "the client has gone");
}

asio::awaitable<void> ChunkedStream::finish() {
  if (!started_) {
    Response head;
    head.headers.add("Content-Type", "application/x-ndjson");
    const Status status = co_await start(std::move(head));
    if (!status.ok()) co_return;
  }
  if (version_ != 11) co_return;
  connection_->stream().expires_after(connection_->limits().write_deadline);
  const auto last = http::make_chunk_last();
  const auto [error, written] = co_await asio::async_write(connection_->stream(), last, kAsTuple);
  (void)error;
  (void)written;
}

// Already closed: the handler is woken once it waits, not before, or it would wait for ever.
void ChunkedStream::on_close(std::function<void()> wake) {
  wake_ = std::move(wake);
  if (closed_)
    asio::post(connection_->stream().get_executor(), [self = shared_from_this()] { self->wake_handler(); });
}

void ChunkedStream::wake_handler() {
  if (std::function<void()> wake = std::exchange(wake_, {})) wake();
}

void ChunkedStream::mark_closed() {
  if (closed_) return;
  closed_ = true;
  wake_handler();
}

asio::awaitable<void> watch_client_of(std::shared_ptr<ChunkedStream> stream) {
  char sink[512];
  bool open = true;
  while (open) {
    const asio::mutable_buffer room(sink, sizeof sink);
    const auto [error, bytes] = co_await stream->connection().stream().async_read_some(room, kAsTuple);
    open = !error;
  }
  stream->mark_closed();
}

}  // namespace rekindle::net
