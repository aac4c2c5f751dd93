// Nodes as the journal closes them: cordons, drains and suspicions, laid over what the outside says of them.
// Pure. Whether a node answers is the outside's to say and never journalled.
//
//   open ── cordon ──► cordoned ── drain ──► draining ── the last attempt has left ──► drained
//     ▲                                                                                   │
//     └──────────────────────────────── uncordon ◄── suspected ◄── faults of its own ─────┘
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/state.h"
#include "rekindle/v1/node.pb.h"

namespace rekindle::core {

// nullptr: nothing is on record.
const v1::NodeState* find_node(const State& state, const std::string& pool, const std::string& node);
bool says_nothing(const v1::NodeState& node);  // and so need not be kept

// The cluster with these nodes closed; the very same while none is.
std::shared_ptr<const place::Cluster> closed_by(const State& state,
                                                std::shared_ptr<const place::Cluster> outside);
// The world as decisions see it; `room` holds it where it differs.
const World& seen(const State& state, const World& world, World& room);

// The first node of the attempt's that is being drained; empty: none.
std::string drained_from(const State& state, const v1::Run& run, const v1::Attempt& attempt);
// Where a rank is; empty: the attempt has no such rank.
std::string node_of_rank(const v1::Attempt& attempt, uint32_t rank);

// `cluster` with nodes closed by the state and the outside.
std::vector<v1::NodeView> node_views(const State& state, const place::Cluster& cluster);

}  // namespace rekindle::core
