// The bytes of the Connect protocol, shared by server and client: content types, message codecs, envelopes,
// error bodies. Pure.
#pragma once

#include <google/protobuf/message.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "net/connect.h"

namespace rekindle::net {

enum class Codec { kProto, kJson };

// "application/json; charset=utf-8" with prefix "application/" -> kJson; nothing for another type.
std::optional<Codec> codec_of(std::string_view content_type, std::string_view prefix);
std::string_view codec_name(Codec codec);  // "proto", "json"

// JSON: unknown fields are passed over, so that an older server understands a newer client.
Status decode(Codec codec, std::string_view bytes, google::protobuf::Message* message);
Result<std::string> encode(Codec codec, const google::protobuf::Message& message);

inline constexpr std::string_view kUnaryPrefix = "application/";
inline constexpr std::string_view kStreamPrefix = "application/connect+";

// {"code": ..., "message": ..., "details": [...]}
std::string error_json(const Status& status, const std::vector<ErrorDetail>& details = {});
// Of an error answer; by the HTTP status when the body is not of that form.
Status error_of(int http_status, std::string_view body);

// Flags, length (big-endian), payload.
inline constexpr uint8_t kFlagCompressed = 1;
inline constexpr uint8_t kFlagEnd = 2;
inline constexpr size_t kEnvelopeHeaderBytes = 5;
std::string envelope(uint8_t flags, std::string_view payload);
struct EnvelopeHeader {
  uint8_t flags = 0;
  uint32_t length = 0;
};
EnvelopeHeader read_envelope_header(std::string_view five_bytes);
// Payload of the last envelope of a stream, and back.
std::string end_of_stream_json(const Status& status, const ReplyExtras& extras = {});
Status end_of_stream_status(std::string_view json);

// Connect-Timeout-Ms: at most ten digits; nothing when absent.
Result<std::optional<std::chrono::milliseconds>> timeout_of(const Headers& headers);

// Undoes a Content-Encoding of a message; "", "identity" and "gzip" are known.
Result<std::string> decompress(std::string_view encoding, std::string bytes, uint64_t limit_bytes);
bool accepts_gzip(std::string_view accept_encoding);

}  // namespace rekindle::net
