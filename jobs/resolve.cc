#include "jobs/resolve.h"

#include <fmt/format.h>

#include <algorithm>

#include "jobs/values.h"
#include "jobs/yaml/walk.h"

namespace rekindle::jobs {
namespace {

constexpr std::string_view kAllDefaults = "{}";
constexpr std::string_view kWritten = "written in the spec";

std::string under(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

// Defaults are kept in the author's form and read by the author's reader.
void set_default(Message& message, const Field& field) {
  const std::string text = fmt::format("{}: {}", field.name(), options_of(field).default_());
  Problems problems;
  yaml::Places places;
  const yaml::NodePtr tree = yaml::parse(text, problems);
  if (tree) yaml::walk_field(*tree->entries.at(0).value, message, field, field.name(), places, problems);
  CHECK(problems.empty(), problems.status("default of " + field.full_name()).message());
}

class Filler {
 public:
  Filler(std::vector<ResolvedField>& fields, Problems& problems, const std::vector<std::string>& without)
      : fields_(fields), problems_(problems), without_(without) {}

  // `inherited`: the reason of a default that set this message as a whole, or null.
  void message(Message& message, const std::string& path, const std::string* inherited) {
    const auto& type = *message.GetDescriptor();
    for (int i = 0; i < type.real_oneof_decl_count(); ++i) {
      const auto& oneof = *type.oneof_decl(i);
      if (message.GetReflection()->HasOneof(message, &oneof)) continue;
      std::vector<std::string> names;
      for (int k = 0; k < oneof.field_count(); ++k) names.push_back(oneof.field(k)->name());
      problems_.add(path, names.size() == 1 ? fmt::format("'{}' is missing", names[0])
                                            : fmt::format("say one of {}", joined(names, "or")));
    }
    for (int i = 0; i < type.field_count(); ++i)
      field(message, *type.field(i), under(path, type.field(i)->name()), inherited);
  }

 private:
  void field(Message& message, const Field& field, const std::string& path, const std::string* inherited) {
    const v1::SpecField& spec = options_of(field);
    const std::string* reason = inherited;
    bool written = is_written(message, field);
    if (!written) {
      if (std::find(without_.begin(), without_.end(), path) != without_.end()) return;
      reason = nullptr;
      if (!spec.required_example().empty()) {
        problems_.add(
            path, fmt::format("missing '{}'; write for example: {}", field.name(), spec.required_example()));
        return;
      }
      if (spec.default_().empty() || field.real_containing_oneof()) return;
      set_default(message, field);
      if (spec.default_() != kAllDefaults) reason = &spec.reason();
    }
    if (is_group(field)) {
      children(message, field, path, reason);
      return;
    }
    if (field.is_map()) return;
    // What may be anything is not written out: a duration may overflow.
    if (!sound(message, field, path)) return;
    const bool by_default = reason != nullptr;
    fields_.push_back(
        {path, format_value(message, field), by_default ? *reason : std::string(kWritten), by_default});
  }

  void children(Message& parent, const Field& field, const std::string& path, const std::string* reason) {
    const auto& access = *parent.GetReflection();
    if (!field.is_repeated()) {
      Message& child = *access.MutableMessage(&parent, &field);
      message(child, path, reason);
      if (child.GetDescriptor()->field_count() == 0)
        fields_.push_back(
            {path, std::string(kAllDefaults), reason ? *reason : std::string(kWritten), reason != nullptr});
      return;
    }
    for (int i = 0; i < access.FieldSize(parent, &field); ++i)
      message(*access.MutableRepeatedMessage(&parent, &field, i), fmt::format("{}[{}]", path, i), reason);
  }

  bool sound(const Message& message, const Field& field, const std::string& path) {
    const int values = field.is_repeated() ? message.GetReflection()->FieldSize(message, &field) : 1;
    bool all = true;
    for (int i = 0; i < values; ++i) {
      const bool listed = field.is_repeated();
      std::string wrong = check_value(message, field, listed ? i : -1);
      if (wrong.empty()) continue;
      all = false;
      problems_.add(listed ? fmt::format("{}[{}]", path, i) : path, std::move(wrong));
    }
    return all;
  }

  std::vector<ResolvedField>& fields_;
  Problems& problems_;
  const std::vector<std::string>& without_;
};

}  // namespace

void fill(Message& message, std::vector<ResolvedField>& fields, Problems& problems,
          const std::vector<std::string>& without) {
  Filler(fields, problems, without).message(message, "", nullptr);
}

}  // namespace rekindle::jobs
