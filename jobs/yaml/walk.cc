#include "jobs/yaml/walk.h"

#include <fmt/format.h>

namespace rekindle::jobs::yaml {
namespace {

using google::protobuf::Descriptor;

std::string under(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::string example_of(const Field& field) {
  const v1::SpecField& spec = options_of(field);
  if (!spec.required_example().empty())
    return fmt::format("; write for example: {}", spec.required_example());
  if (!spec.default_().empty() && spec.default_() != "{}")
    return fmt::format("; leave it out for {}: {}", field.name(), spec.default_());
  return {};
}

// Where else in the schema a key of this name belongs: authors put it a level too high or too low.
std::string home_of(const Descriptor& type, std::string_view key, const std::string& path, int depth) {
  for (int i = 0; i < type.field_count(); ++i) {
    const Field& field = *type.field(i);
    if (!path.empty() && field.name() == key) return path;
    if (depth > 0 && is_group(field) && !field.is_repeated())
      if (std::string home = home_of(*field.message_type(), key, under(path, field.name()), depth - 1);
          !home.empty())
        return home;
  }
  return {};
}

std::string unknown_key(const Descriptor& type, const Descriptor& root, std::string_view key) {
  std::string text = fmt::format("unknown key '{}'", key);
  const std::vector<std::string> names = field_names(type);
  if (const std::string near = nearest(key, names); !near.empty())
    return text + fmt::format("; did you mean '{}'?", near);
  if (const std::string home = home_of(root, key, "", 3); !home.empty())
    return text + fmt::format("; it belongs under '{}'", home);
  if (names.empty()) return text + "; nothing may be written here";
  return text + fmt::format("; the keys here are {}", joined(names, "and"));
}

class Walker {
 public:
  Walker(const Descriptor& root, Places& places, Problems& problems)
      : root_(root), places_(places), problems_(problems) {}

  void message(const Node& node, Message& message, const std::string& path) {
    places_.set(path, node.place);
    switch (node.kind) {
      case Node::Kind::kScalar:
        return bare_word(node, message, path);
      case Node::Kind::kMap:
        break;
      default:
        problems_.add(
            path,
            fmt::format("{} must be a set of keys{}, not {}", path.empty() ? "a spec" : quoted(path),
                        keys_hint(*message.GetDescriptor()), kind_name(node.kind)),
            node.place);
        return;
    }
    for (const Entry& entry : node.entries) {
      const Field* field = message.GetDescriptor()->FindFieldByName(entry.key);
      if (!field) {
        problems_.add(under(path, entry.key), unknown_key(*message.GetDescriptor(), root_, entry.key),
                      entry.place);
        continue;
      }
      if (const auto* oneof = field->real_containing_oneof();
          oneof && message.GetReflection()->HasOneof(message, oneof)) {
        problems_.add(under(path, entry.key),
                      fmt::format("'{}' beside '{}': only one of {} may stand here", entry.key,
                                  message.GetReflection()->GetOneofFieldDescriptor(message, oneof)->name(),
                                  one_of(*oneof, "and")),
                      entry.place);
        continue;
      }
      const std::string below = under(path, entry.key);
      places_.set(below, entry.place);
      this->field(*entry.value, message, *field, below);
    }
  }

  void field(const Node& node, Message& message, const Field& field, const std::string& path) {
    if (node.kind == Node::Kind::kNothing) {
      problems_.add(path, fmt::format("'{}' has no value{}", field.name(), example_of(field)), node.place);
    } else if (field.is_map()) {
      map(node, message, field, path);
    } else if (!field.is_repeated()) {
      single(node, message, field, path);
    } else if (node.kind != Node::Kind::kList) {
      problems_.add(
          path,
          fmt::format("'{}' must be a list, as in [a, b]; here is {}", field.name(), kind_name(node.kind)),
          node.place);
    } else {
      for (size_t i = 0; i < node.items.size(); ++i)
        single(*node.items[i], message, field, fmt::format("{}[{}]", path, i));
    }
  }

 private:
  static std::string quoted(const std::string& text) { return "'" + text + "'"; }

  static std::string keys_hint(const Descriptor& type) {
    return type.field_count() == 0 ? "" : fmt::format(" ({})", joined(field_names(type), "or"));
  }

  static std::string one_of(const google::protobuf::OneofDescriptor& oneof, std::string_view word) {
    std::vector<std::string> names;
    for (int i = 0; i < oneof.field_count(); ++i) names.push_back(oneof.field(i)->name());
    return joined(names, word);
  }

  // One value: of a field, or one entry of its list.
  void single(const Node& node, Message& parent, const Field& field, const std::string& path) {
    if (is_group(field)) {
      const auto* access = parent.GetReflection();
      Message* child =
          field.is_repeated() ? access->AddMessage(&parent, &field) : access->MutableMessage(&parent, &field);
      message(node, *child, path);
      return;
    }
    if (field.is_repeated()) places_.set(path, node.place);
    if (node.kind != Node::Kind::kScalar) {
      problems_.add(path,
                    fmt::format("'{}' must be {}, not {}{}", field.name(), wanted(field),
                                kind_name(node.kind), example_of(field)),
                    node.place);
      return;
    }
    if (std::string wrong = set_word(parent, field, node.text, node.quoted); !wrong.empty()) {
      problems_.add(path, fmt::format("'{}': {}", field.name(), wrong), node.place);
      return;
    }
    const int index = field.is_repeated() ? parent.GetReflection()->FieldSize(parent, &field) - 1 : -1;
    if (std::string wrong = check_value(parent, field, index); !wrong.empty())
      problems_.add(path, fmt::format("'{}': {}", field.name(), wrong), node.place);
  }

  static std::string_view wanted(const Field& field) {
    switch (field.cpp_type()) {
      case Field::CPPTYPE_STRING:
        return "one text";
      case Field::CPPTYPE_BOOL:
        return "true or false";
      case Field::CPPTYPE_ENUM:
        return "one word";
      case Field::CPPTYPE_MESSAGE:
        return "a duration such as 7d";
      default:
        return "one number";
    }
  }

  // `model: linear` is `model: {linear: {}}`. Only where a message is a choice, or has a single field:
  // elsewhere a word would leave everything else unsaid.
  void bare_word(const Node& node, Message& message, const std::string& path) {
    const Descriptor& type = *message.GetDescriptor();
    const bool choice =
        type.real_oneof_decl_count() > 0 || (type.field_count() == 1 && is_group(*type.field(0)));
    const Field* field = choice ? type.FindFieldByName(node.text) : nullptr;
    if (!choice) {
      problems_.add(path,
                    fmt::format("'{}' must be a set of keys{}, not a single word", path, keys_hint(type)),
                    node.place);
    } else if (!field) {
      std::string text = fmt::format("'{}' is not one of {}", node.text, joined(field_names(type), "or"));
      if (const std::string near = nearest(node.text, field_names(type)); !near.empty())
        text += fmt::format("; did you mean '{}'?", near);
      problems_.add(path, std::move(text), node.place);
    } else if (!is_group(*field) || field->is_repeated()) {
      problems_.add(path, fmt::format("'{}' needs a value: {{{}: {}}}", node.text, node.text, wanted(*field)),
                    node.place);
    } else {
      places_.set(under(path, node.text), node.place);
      message.GetReflection()->MutableMessage(&message, field);
    }
  }

  void map(const Node& node, Message& message, const Field& field, const std::string& path) {
    if (node.kind != Node::Kind::kMap) {
      problems_.add(
          path,
          fmt::format("'{}' must be a set of keys with values, not {}", field.name(), kind_name(node.kind)),
          node.place);
      return;
    }
    const Field& key_field = *field.message_type()->map_key();
    const Field& value_field = *field.message_type()->map_value();
    for (const Entry& entry : node.entries) {
      const std::string below = under(path, entry.key);
      places_.set(below, entry.place);
      if (entry.value->kind != Node::Kind::kScalar) {
        problems_.add(below, fmt::format("'{}' must be {}", entry.key, wanted(value_field)),
                      entry.value->place);
        continue;
      }
      Message* pair = message.GetReflection()->AddMessage(&message, &field);
      std::string wrong = set_word(*pair, key_field, entry.key, true);
      if (wrong.empty()) wrong = set_word(*pair, value_field, entry.value->text, entry.value->quoted);
      if (wrong.empty()) continue;
      problems_.add(below, fmt::format("'{}': {}", entry.key, wrong), entry.value->place);
      message.GetReflection()->RemoveLast(&message, &field);
    }
  }

  const Descriptor& root_;
  Places& places_;
  Problems& problems_;
};

}  // namespace

Place Places::find(std::string path) const {
  while (true) {
    if (const auto it = places_.find(path); it != places_.end()) return it->second;
    if (path.empty()) return {};
    const size_t cut = path.find_last_of(".[");
    path.resize(cut == std::string::npos ? 0 : cut);
  }
}

void walk(const Node& root, Message& message, Places& places, Problems& problems) {
  if (root.kind != Node::Kind::kMap) {
    places.set("", root.place);
    problems.add(
        {}, fmt::format("a spec is a set of keys such as 'name: flight-delay', not {}", kind_name(root.kind)),
        root.place);
    return;
  }
  Walker(*message.GetDescriptor(), places, problems).message(root, message, "");
}

void walk_field(const Node& node, Message& message, const Field& field, const std::string& path,
                Places& places, Problems& problems) {
  Walker(*message.GetDescriptor(), places, problems).field(node, message, field, path);
}

}  // namespace rekindle::jobs::yaml
