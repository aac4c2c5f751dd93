#include "net/rpc/codec.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <charconv>

#include "net/gzip.h"
#include "proto/json.h"

namespace rekindle::net {
namespace {

namespace json = boost::json;

// From {"code": ..., "message": ...}; nothing when it is not that.
std::optional<Status> status_of_json(const json::value& value) {
  const json::object* object = value.if_object();
  if (object == nullptr) return std::nullopt;
  const json::value* code = object->if_contains("code");
  if (code == nullptr || !code->is_string()) return std::nullopt;
  const json::value* message = object->if_contains("message");
  std::string text =
      message != nullptr && message->is_string() ? std::string(message->get_string()) : std::string();
  return Status(code_of_name(code->get_string()), std::move(text));
}

// Without the padding, as Connect wants it.
std::string base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int length =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(length));
  while (out.ends_with('=')) out.pop_back();
  return out;
}

json::object error_object(const Status& status, const std::vector<ErrorDetail>& details) {
  json::object out{{"code", code_name(status.code())}, {"message", status.message()}};
  if (details.empty()) return out;
  json::array& list = out["details"].emplace_array();
  for (const ErrorDetail& detail : details)
    list.push_back(json::object{{"type", detail.type}, {"value", base64(detail.value)}});
  return out;
}

std::optional<json::value> parse(std::string_view text) {
  json::error_code error;
  json::value value = json::parse(text, error);
  if (error) return std::nullopt;
  return value;
}

}  // namespace

std::optional<Codec> codec_of(std::string_view content_type, std::string_view prefix) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (content_type.ends_with(' ')) content_type.remove_suffix(1);
  if (!content_type.starts_with(prefix)) return std::nullopt;
  content_type.remove_prefix(prefix.size());
  if (content_type == "proto") return Codec::kProto;
  if (content_type == "json") return Codec::kJson;
  return std::nullopt;
}

std::string_view codec_name(Codec codec) {
  return codec == Codec::kProto ? "proto" : "json";
}

Status decode(Codec codec, std::string_view bytes, google::protobuf::Message* message) {
  const std::string& type = message->GetDescriptor()->full_name();
  if (codec == Codec::kProto) {
    if (message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return ok_status();
    return invalid_argument(fmt::format("the body is not a {} in protobuf's binary form", type));
  }
  const Status status = from_json(bytes.empty() ? "{}" : bytes, message, UnknownFields::kIgnored);
  if (status.ok()) return ok_status();
  return invalid_argument(fmt::format("the body is not a {} in JSON: {}", type, status.message()));
}

Result<std::string> encode(Codec codec, const google::protobuf::Message& message) {
  if (codec == Codec::kProto) return message.SerializeAsString();
  return to_json(message, JsonForm::kApi);
}

std::string error_json(const Status& status, const std::vector<ErrorDetail>& details) {
  return json::serialize(error_object(status, details));
}

Status error_of(int http_status, std::string_view body) {
  if (const std::optional<json::value> value = parse(body)) {
    if (std::optional<Status> status = status_of_json(*value)) return *std::move(status);
  }
  return {code_of_http_status(http_status),
          fmt::format("the server answered with HTTP status {}", http_status)};
}

std::string envelope(uint8_t flags, std::string_view payload) {
  std::string out;
  out.reserve(kEnvelopeHeaderBytes + payload.size());
  out.push_back(static_cast<char>(flags));
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<char>(payload.size() >> shift & 0xff));
  out += payload;
  return out;
}

EnvelopeHeader read_envelope_header(std::string_view five_bytes) {
  EnvelopeHeader header{.flags = static_cast<uint8_t>(five_bytes[0])};
  for (size_t i = 1; i < kEnvelopeHeaderBytes; ++i)
    header.length = header.length << 8 | static_cast<unsigned char>(five_bytes[i]);
  return header;
}

std::string end_of_stream_json(const Status& status, const ReplyExtras& extras) {
  json::object out;
  if (!status.ok()) out["error"] = error_object(status, extras.error_details);
  if (extras.trailers.size() > 0) {
    json::object& metadata = out["metadata"].emplace_object();
    for (const auto& [name, value] : extras.trailers) {
      json::value& values = metadata[name];
      if (!values.is_array()) values.emplace_array();
      values.get_array().emplace_back(value);
    }
  }
  return json::serialize(out);
}

Status end_of_stream_status(std::string_view text) {
  const std::optional<json::value> value = parse(text);
  if (!value.has_value() || !value->is_object()) return data_loss("the end of the stream is not valid");
  const json::value* error = value->get_object().if_contains("error");
  if (error == nullptr) return ok_status();
  return status_of_json(*error).value_or(Status(Code::kUnknown, "the stream ended with an unknown error"));
}

Result<std::optional<std::chrono::milliseconds>> timeout_of(const Headers& headers) {
  const std::string_view text = headers.get("Connect-Timeout-Ms");
  if (text.empty()) return std::optional<std::chrono::milliseconds>();
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.size() > 10 || number < 0)
    return invalid_argument("Connect-Timeout-Ms must be a number of at most ten digits");
  return std::optional(std::chrono::milliseconds(number));
}

Result<std::string> decompress(std::string_view encoding, std::string bytes, uint64_t limit_bytes) {
  if (encoding.empty() || encoding == "identity" || bytes.empty()) {
    if (bytes.size() > limit_bytes)
      return resource_exhausted(fmt::format("the message is larger than {} bytes", limit_bytes));
    return bytes;
  }
  return gunzip(bytes, limit_bytes);
}

bool accepts_gzip(std::string_view accept_encoding) {
  while (!accept_encoding.empty()) {
    std::string_view one = accept_encoding.substr(0, accept_encoding.find(','));
    accept_encoding.remove_prefix(std::min(one.size() + 1, accept_encoding.size()));
    one = one.substr(0, one.find(';'));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (one == "gzip") return true;
  }
  return false;
}

}  // namespace rekindle::net
