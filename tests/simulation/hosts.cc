#include "tests/simulation/hosts.h"

#include <fmt/format.h>

namespace rekindle::core::testing {

// One to three nodes, so that gangs span them; some with GPUs, some with a label.
Hosts::Hosts(Dice& dice) : dice_(dice) {
  const uint64_t nodes = 1 + dice.below(3);
  for (uint64_t i = 0; i < nodes; ++i) {
    place::Node node;
    node.name = fmt::format("n{}", i);
    node.room = {static_cast<uint32_t>(1 + dice.below(3)), static_cast<uint32_t>(dice.below(3)), 0};
    if (nodes == 1) node.room.slots += 1;
    if (i == 0) node.labels["kind"] = "first";
    pool_.nodes.push_back(std::move(node));
  }
  tell();
}

std::set<std::string> Hosts::pass(bool healthy) {
  std::set<std::string> died;
  for (const place::Node& node : pool_.nodes) {
    if (healthy) {
      dead_.clear();
      cordoned_.clear();
    } else if (dead_.contains(node.name) ? dice_.chance(20) : dice_.chance(2)) {
      if (dead_.erase(node.name) == 0) {
        dead_.insert(node.name);
        died.insert(node.name);
        ++deaths_;
      }
    } else if (dice_.chance(2) && cordoned_.erase(node.name) == 0) {
      cordoned_.insert(node.name);
    }
  }
  if (healthy || dice_.chance(70)) tell();
  return died;
}

void Hosts::tell() {
  place::Pool pool = pool_;
  for (place::Node& node : pool.nodes) {
    if (cordoned_.contains(node.name)) node.closed = "cordoned";
    if (dead_.contains(node.name)) node.closed = "not seen";
  }
  known_ = std::make_shared<const place::Cluster>(place::Cluster{{place::kLocal, std::move(pool)}});
}

}  // namespace rekindle::core::testing
