// Strong ids: a run id cannot be passed where a job name is meant. All are short printable strings
// that are safe in paths and URLs (valid_name()).
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>

#include "base/result.h"

namespace rekindle {

template <typename Tag>
struct Id {
  std::string value;

  Id() = default;
  explicit Id(std::string v) : value(std::move(v)) {}
  bool empty() const { return value.empty(); }
  auto operator<=>(const Id&) const = default;
  friend std::ostream& operator<<(std::ostream& out, const Id& id) { return out << id.value; }
};

using JobName = Id<struct JobNameTag>;    // "flight-delay"; also the model, endpoint and event stream
using RunId = Id<struct RunIdTag>;        // "flight-delay-3": the job's name and a number counted per job
using NodeName = Id<struct NodeNameTag>;  // a serving node, unique by configuration

// Lower-case letters, digits, '-', '_' and '.', starting with a letter or digit, at most 63 characters.
bool valid_name(std::string_view text);
Status check_name(std::string_view what, std::string_view text);

// Random (not for the core, which is told its ids): 128 bits as UUID version 7.
std::string new_uuid();
// n bytes from the kernel as lower-case hex.
std::string random_hex(size_t bytes);

}  // namespace rekindle

template <typename Tag>
struct std::hash<rekindle::Id<Tag>> {
  size_t operator()(const rekindle::Id<Tag>& id) const { return std::hash<std::string>{}(id.value); }
};
