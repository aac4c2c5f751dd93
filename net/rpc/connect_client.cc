#include <fmt/format.h>

#include "net/client.h"
#include "net/rpc/codec.h"

namespace rekindle::net {
namespace {

Headers connect_headers(std::string content_type) {
  Headers headers;
  headers.add("Content-Type", std::move(content_type));
  headers.add("Connect-Protocol-Version", "1");
  return headers;
}

// Cuts the bytes of a stream into messages.
class EnvelopeReader {
 public:
  using OnMessage = std::function<bool(const google::protobuf::Message&)>;
  EnvelopeReader(google::protobuf::Message* message, const OnMessage& on_message, uint64_t limit_bytes)
      : message_(message), on_message_(on_message), limit_bytes_(limit_bytes) {}

  // False when the stream is to be left: stopped by the caller, ended, or damaged.
  bool take(std::string_view bytes) {
    pending_ += bytes;
    size_t at = 0;
    bool more = true;
    while (more && pending_.size() - at >= kEnvelopeHeaderBytes) {
      const EnvelopeHeader header =
          read_envelope_header(std::string_view(pending_).substr(at, kEnvelopeHeaderBytes));
      if (header.length > limit_bytes_) {
        status_ = resource_exhausted(fmt::format("a message of {} bytes in the stream", header.length));
        return false;
      }
      if (pending_.size() - at < kEnvelopeHeaderBytes + header.length) break;
      more = take_one(header, std::string_view(pending_).substr(at + kEnvelopeHeaderBytes, header.length));
      at += kEnvelopeHeaderBytes + header.length;
    }
    pending_.erase(0, at);
    return more;
  }

  // Of the stream so far; unavailable while its end has neither come nor been asked for.
  Status status() const { return status_; }

 private:
  bool take_one(EnvelopeHeader header, std::string_view payload) {
    if ((header.flags & kFlagEnd) != 0) {
      status_ = end_of_stream_status(payload);
      return false;
    }
    status_ = decode(Codec::kProto, payload, message_);
    if (!status_.ok()) return false;
    if (!on_message_(*message_)) return false;
    status_ = kCut;
    return true;
  }

  static inline const Status kCut{Code::kUnavailable, "the stream was cut before its end"};
  google::protobuf::Message* message_;
  const OnMessage& on_message_;
  uint64_t limit_bytes_;
  std::string pending_;
  Status status_ = kCut;
};

}  // namespace

Status ConnectClient::call_raw(std::string_view method, const google::protobuf::Message& request,
                               google::protobuf::Message* response, Deadline deadline) {
  Headers headers = connect_headers("application/proto");
  headers.add("Connect-Timeout-Ms", std::to_string(deadline.count()));
  // The server tells of the deadline first; ours is for when it cannot.
  const Result<Reply> reply = http_.request("POST", fmt::format("/{}", method), request.SerializeAsString(),
                                            headers, deadline + Deadline(1000));
  if (!reply.ok()) return reply.status();
  if (reply->status != 200) return error_of(reply->status, reply->body);
  if (codec_of(reply->headers.get("Content-Type"), kUnaryPrefix) != Codec::kProto)
    return {Code::kUnknown, fmt::format("{} does not answer in the Connect protocol", http_.url())};
  return decode(Codec::kProto, reply->body, response);
}

Status ConnectClient::stream_raw(std::string_view method, const google::protobuf::Message& request,
                                 std::unique_ptr<google::protobuf::Message> message,
                                 const std::function<bool(const google::protobuf::Message&)>& on_message,
                                 Deadline silence) {
  constexpr uint64_t kMessageBytesMax = 64ull << 20;
  EnvelopeReader reader(message.get(), on_message, kMessageBytesMax);
  int http_status = 0;
  std::string error_body;
  const Status status = http_.stream(
      "POST", fmt::format("/{}", method), envelope(0, request.SerializeAsString()),
      connect_headers("application/connect+proto"),
      [&http_status](const Reply& head) {
        http_status = head.status;
        return true;
      },
      [&](std::string_view bytes) {
        if (http_status == 200) return reader.take(bytes);
        error_body += bytes;
        return error_body.size() < 64 * 1024;
      },
      silence);
  if (!status.ok()) return status;
  if (http_status != 200) return error_of(http_status, error_body);
  return reader.status();
}

}  // namespace rekindle::net
