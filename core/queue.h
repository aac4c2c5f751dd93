// Why each waiting run waits, where it stands and when it is expected to start: what people are told. Pure;
// the same rule of placement decides, looked at further than a decision needs.
#pragma once

#include <string>
#include <vector>

#include "core/schedule.h"

namespace rekindle::core {

// The first `most` runs of a pool's queue that do not start at once, in order. Start times are looked up for
// as many as a decision looks at; further back nobody can say.
std::vector<v1::QueuePlace> queue_places(const State& state, const place::Cluster& cluster,
                                         const std::string& pool, Time now, size_t most);

// Of these runs the places of those that are queued, wherever they stand.
std::map<RunId, v1::QueuePlace> places_of(const State& state, const place::Cluster& cluster,
                                          const std::set<RunId>& runs, Time now);

// Why this run is not running, and what would help: `rekindle why-not`.
v1::WhyNotResponse why_not(const State& state, const place::Cluster& cluster, const v1::Run& run, Time now);

// `rekindle top`: nodes, who holds them and who waits.
v1::TopResponse top(const State& state, const place::Cluster& cluster, Time now, size_t waiting_most);

}  // namespace rekindle::core
