#include "proto/json.h"

#include <google/protobuf/type.pb.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <memory>
#include <mutex>
#include <unordered_map>

namespace rekindle {
namespace {

namespace pb = google::protobuf;

constexpr const char* kPrefix = "type.googleapis.com";

std::string words_of(const pb::util::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

class KeptTypes : public pb::util::TypeResolver {
 public:
  pb::util::Status ResolveMessageType(const std::string& url, pb::Type* out) override {
    return find(types_, url, out, [&] { return resolver_->ResolveMessageType(url, out); });
  }
  pb::util::Status ResolveEnumType(const std::string& url, pb::Enum* out) override {
    return find(enums_, url, out, [&] { return resolver_->ResolveEnumType(url, out); });
  }

 private:
  template <typename Kept, typename Resolve>
  pb::util::Status find(std::unordered_map<std::string, Kept>& kept, const std::string& url, Kept* out,
                        Resolve resolve) {
    std::lock_guard lock(mutex_);
    if (auto it = kept.find(url); it != kept.end()) {
      *out = it->second;
      return {};
    }
    const pb::util::Status status = resolve();
    drop_options(*out);
    if (status.ok()) kept.emplace(url, *out);
    return status;
  }
  // Each conversion copies the types that it meets. What fields and values are for (help, defaults, limits)
  // is half of them and of no use to it.
  static void drop_options(pb::Type& type) {
    for (auto& field : *type.mutable_fields()) field.clear_options();
  }
  static void drop_options(pb::Enum& type) {
    for (auto& value : *type.mutable_enumvalue()) value.clear_options();
  }

  const std::unique_ptr<pb::util::TypeResolver> resolver_{
      pb::util::NewTypeResolverForDescriptorPool(kPrefix, pb::DescriptorPool::generated_pool())};
  std::mutex mutex_;
  std::unordered_map<std::string, pb::Type> types_;
  std::unordered_map<std::string, pb::Enum> enums_;
};

// Never destroyed: threads may print until the process ends.
KeptTypes* types() {
  static auto* const kept = new KeptTypes;
  return kept;
}

std::string url_of(const pb::Message& message) {
  return std::string(kPrefix) + "/" + message.GetDescriptor()->full_name();
}

}  // namespace

Result<std::string> to_json(const pb::Message& message, JsonForm form) {
  pb::util::JsonPrintOptions options;
  options.add_whitespace = form != JsonForm::kApi;
  options.always_print_primitive_fields = form == JsonForm::kShown;
  options.preserve_proto_field_names = form == JsonForm::kFile;
  std::string out;
  const auto status =
      pb::util::BinaryToJsonString(types(), url_of(message), message.SerializeAsString(), &out, options);
  if (status.ok()) return out;
  return internal_error("a " + message.GetDescriptor()->full_name() +
                        " cannot be written as JSON: " + words_of(status));
}

Status from_json(std::string_view json, pb::Message* message, UnknownFields unknown) {
  pb::util::JsonParseOptions options;
  options.ignore_unknown_fields = unknown == UnknownFields::kIgnored;
  std::string bytes;
  const auto status =
      pb::util::JsonToBinaryString(types(), url_of(*message), {json.data(), json.size()}, &bytes, options);
  if (!status.ok()) return invalid_argument(words_of(status));
  if (message->ParseFromString(bytes)) return ok_status();
  return invalid_argument("it is no " + message->GetDescriptor()->full_name());
}

}  // namespace rekindle
