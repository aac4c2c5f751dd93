// YAML text as a tree of places and words, with everything refused that would surprise: duplicate keys,
// a second document, tags, aliases that grow, depth, size, bytes that are not UTF-8. It gives words no
// meaning: whether `no` is text is for the reader that knows the field.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "jobs/problems.h"

namespace rekindle::jobs::yaml {

inline constexpr size_t kMostBytes = 1 << 20;
inline constexpr int kMostDepth = 64;
inline constexpr size_t kMostNodes = 50'000;        // aliases expanded
inline constexpr size_t kMostAliasedNodes = 1'000;  // of these, how many may come from aliases

struct Node;
using NodePtr = std::shared_ptr<const Node>;

struct Entry {
  std::string key;
  Place place;  // of the key
  NodePtr value;
};

struct Node {
  enum class Kind { kNothing, kScalar, kList, kMap };
  Kind kind = Kind::kNothing;
  Place place;
  std::string text;     // kScalar
  bool quoted = false;  // kScalar: "no" is text, no is not
  std::vector<NodePtr> items;
  std::vector<Entry> entries;
  size_t size = 1;  // nodes at and below, aliases expanded
};

// `problems` gets what is wrong; the tree is returned as far as it makes sense (duplicate keys: the first),
// null when the text is no YAML at all.
NodePtr parse(std::string_view text, Problems& problems);

std::string_view kind_name(Node::Kind kind);  // "a list", "a word", ...

}  // namespace rekindle::jobs::yaml
