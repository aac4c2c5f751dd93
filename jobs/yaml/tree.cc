#include "jobs/yaml/tree.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <map>
#include <sstream>
#include <unordered_set>

namespace rekindle::jobs::yaml {
namespace {

Place place_of(const YAML::Mark& mark) {
  return mark.is_null() ? Place{} : Place{mark.line + 1, mark.column + 1};
}

// Ends the parse from inside a handler; never leaves this file.
struct Stop {
  Place place;
  std::string message;
};

class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(Problems& problems) : problems_(problems) {}

  NodePtr root() const { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) throw Stop{place_of(mark), "a second document begins here; a file holds one"};
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(make(Node::Kind::kNothing, mark), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto it = anchors_.find(anchor);
    if (it == anchors_.end())
      throw Stop{place_of(mark), "this alias stands inside the anchor that it names; write the values out"};
    aliased_ += it->second->size;
    if (aliased_ > kMostAliasedNodes)
      throw Stop{place_of(mark),
                 fmt::format("aliases expand to more than {} values; write them out", kMostAliasedNodes)};
    place(it->second, place_of(mark));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    auto node = make(Node::Kind::kScalar, mark);
    node->text = value;
    node->quoted = tag == "!";
    if (!node->quoted) refuse_tag(mark, tag);
    add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    open(make(Node::Kind::kList, mark), anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    refuse_tag(mark, tag);
    open(make(Node::Kind::kMap, mark), anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    std::shared_ptr<Node> node;
    YAML::anchor_t anchor;
    bool has_key = false;  // of a map: the next node is its value
    std::string key;
    Place key_place;
    std::unordered_set<std::string> keys;
  };

  std::shared_ptr<Node> make(Node::Kind kind, const YAML::Mark& mark) {
    if (++nodes_ > kMostNodes)
      throw Stop{place_of(mark), fmt::format("more than {} values; this is no spec", kMostNodes)};
    auto node = std::make_shared<Node>();
    node->kind = kind;
    node->place = place_of(mark);
    return node;
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!")
      throw Stop{place_of(mark), fmt::format("the tag '{}' means nothing here; leave it out", tag)};
  }

  void open(std::shared_ptr<Node> node, YAML::anchor_t anchor) {
    if (open_.size() >= kMostDepth)
      throw Stop{node->place, fmt::format("nested deeper than {} levels", kMostDepth)};
    open_.push_back({std::move(node), anchor, false, {}, {}, {}});
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    add(std::move(done.node), done.anchor);
  }

  void add(std::shared_ptr<Node> node, YAML::anchor_t anchor) {
    if (anchor != 0) anchors_[anchor] = node;
    const Place at = node->place;
    place(std::move(node), at);
  }

  // Puts a finished node where it belongs: the root, a list, or a map's key or value.
  void place(NodePtr node, Place at) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& top = open_.back();
    if (top.node->kind == Node::Kind::kList) {
      top.node->size += node->size;
      top.node->items.push_back(std::move(node));
      return;
    }
    if (!top.has_key) {
      if (node->kind != Node::Kind::kScalar) throw Stop{at, "a key must be a word"};
      top.key = node->text;
      top.key_place = at;
      top.has_key = true;
      return;
    }
    top.has_key = false;
    if (!top.keys.insert(top.key).second) {
      problems_.add({}, fmt::format("duplicate key '{}'", top.key), top.key_place);
      return;
    }
    top.node->size += node->size;
    top.node->entries.push_back({std::move(top.key), top.key_place, std::move(node)});
  }

  Problems& problems_;
  NodePtr root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, NodePtr> anchors_;
  size_t nodes_ = 0;
  size_t aliased_ = 0;
  int documents_ = 0;
};

// Where the first byte stands that is not UTF-8 text (control characters included), if any.
bool find_bad_byte(std::string_view text, Place& place) {
  place = {1, 1};
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const size_t length = c < 0x80                ? 1
                          : c >= 0xC2 && c < 0xE0 ? 2
                          : c >= 0xE0 && c < 0xF0 ? 3
                          : c >= 0xF0 && c < 0xF5 ? 4
                                                  : 0;
    if (length == 0 || i + length > text.size()) return true;
    for (size_t k = 1; k < length; ++k)
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return true;
    if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7F) return true;
    if (c == '\n')
      place = {place.line + 1, 1};
    else
      ++place.column;
    i += length;
  }
  return false;
}

}  // namespace

NodePtr parse(std::string_view text, Problems& problems) {
  if (text.size() > kMostBytes) {
    problems.add({}, fmt::format("{} bytes long; a spec has at most {}", text.size(), kMostBytes), {1, 1});
    return nullptr;
  }
  if (Place bad; find_bad_byte(text, bad)) {
    problems.add({}, "a byte here is not UTF-8 text", bad);
    return nullptr;
  }
  Builder builder(problems);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Stop& stop) {
    problems.add({}, stop.message, stop.place);
    return nullptr;
  } catch (const YAML::Exception& error) {
    problems.add({}, "not YAML: " + error.msg, place_of(error.mark));
    return nullptr;
  }
  if (!builder.root()) problems.add({}, "the file is empty", {1, 1});
  return builder.root();
}

std::string_view kind_name(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::kNothing:
      return "nothing";
    case Node::Kind::kScalar:
      return "a single word or number";
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a set of keys";
  }
  return "?";
}

}  // namespace rekindle::jobs::yaml
