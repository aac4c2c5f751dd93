// What a pool has for ranks, and what a gang asks for. Plain values: nothing here knows of runs, jobs or
// launchers.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace rekindle::core::place {

using Labels = std::map<std::string, std::string>;

// Of a node, or what one rank takes of it. A rank takes a slot.
struct Room {
  uint32_t slots = 0;
  uint32_t gpus = 0;
  uint64_t memory = 0;  // bytes; of a node, 0: not known, so not looked at
  bool operator==(const Room&) const = default;
};

struct Node {
  std::string name;
  Room room;
  Labels labels;
  std::string closed;  // why it takes no new ranks: cordoned, suspected, not seen; empty: it does
  bool operator==(const Node&) const = default;
};

// A node with so many faults of its own among its newest attempts is closed; 0: none is.
struct Suspects {
  uint32_t faults = 0;
  uint32_t of = 0;
  bool operator==(const Suspects&) const = default;
};

// Ranks are numbered along the operator's order of nodes.
struct Pool {
  std::vector<Node> nodes;
  uint32_t runs = 0;  // gangs at once, whatever room there is; 0: no limit
  // Whose gangs it takes and until when, wall clock, where each is launched in its owner's name; absent:
  // everybody's.
  std::optional<std::map<std::string, int64_t>> owners;
  Suspects suspects;
  bool operator==(const Pool&) const = default;
};
using Cluster = std::map<std::string, Pool>;  // by the pool's name

// The pool of specs that name none, and the name of its one node.
inline constexpr const char* kLocal = "local";
inline constexpr const char* kThisHost = "this host";
inline Cluster one_host(uint32_t slots, uint32_t gpus = 0) {
  Pool pool;
  pool.nodes = {Node{kThisHost, {slots, gpus, 0}, {}, {}}};
  return {{kLocal, std::move(pool)}};
}

// Wall clock in microseconds. An attempt without a time limit ends "at kUnknown": later than all that is
// known. One that is placed in this very pass ends after that.
inline constexpr int64_t kUnknown = std::numeric_limits<int64_t>::max() - 1;
inline constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
inline int64_t later(int64_t time_us, int64_t by_us) {
  return by_us <= 0 || time_us >= kUnknown - by_us ? kForever : time_us + by_us;
}

// Starts when its fewest ranks fit at once.
struct Gang {
  uint32_t min = 1;
  uint32_t max = 1;
  Room rank{1, 0, 0};
  Labels labels;            // that each node carries
  int64_t limit_us = 0;     // it is gone then; 0: nobody knows when
  int64_t earliest_us = 0;  // a retry's delay
  bool barred = false;      // does not start, whatever room there is, and is in nobody's way
};

struct Share {
  uint32_t node = 0;  // index in the pool; ascending within a seat
  uint32_t ranks = 0;
  bool operator==(const Share&) const = default;
};

// Where and when a gang has its place.
struct Seat {
  int64_t start_us = 0;
  std::vector<Share> shares;
  uint32_t ranks() const {
    uint32_t sum = 0;
    for (const Share& share : shares) sum += share.ranks;
    return sum;
  }
};

// A gang that holds its room now.
struct Held {
  std::vector<Share> shares;
  Room rank{1, 0, 0};
  int64_t until_us = kUnknown;
};

bool carries(const Node& node, const Labels& labels);
// Ranks that an empty node, or all nodes together, would take; closed ones count where asked for.
uint32_t ranks_in(const Node& node, const Gang& gang);
uint32_t ranks_in(const Pool& pool, const Gang& gang, bool closed_too);

}  // namespace rekindle::core::place
