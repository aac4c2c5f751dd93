// A core that tests drive by hand, with its world and its journal.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/apply.h"
#include "core/decide.h"
#include "core/invariants.h"
#include "core/queue.h"
#include "core/wanted.h"
#include "tests/core/builders.h"

namespace rekindle::core::testing {

// A core with its world. Every command is checked against the invariants; commands that must be taken go
// through run(), refusals are asked for with refuse().
class Driver {
 public:
  explicit Driver(uint32_t slots = 2) {
    world.now = time_from_micros(day_us(2, 2));
    host(slots);
  }

  // One node, this host, of the pool local.
  void host(uint32_t slots, uint32_t gpus = 0) { nodes(place::one_host(slots, gpus)); }
  void nodes(place::Cluster cluster) {
    world.cluster = std::make_shared<const place::Cluster>(std::move(cluster));
  }
  // Of those that wait in a pool, in order.
  std::vector<v1::QueuePlace> waiting(const std::string& pool = place::kLocal) const {
    return queue_places(state, *world.cluster, pool, world.now, 100);
  }
  std::optional<Time> wake() const { return next_wake(state, *world.cluster, world.now); }

  Result<Decision> ask(const Command& command, std::string_view actor = "anna") {
    Result<Decision> decision = advance(state, world, command, actor);
    if (decision.ok())
      for (const auto& event : decision->events) journal.push_back(event);
    EXPECT_THAT(broken_invariants(state, *world.cluster), ::testing::IsEmpty());
    return decision;
  }
  Decision run(const Command& command, std::string_view actor = "anna") {
    Result<Decision> decision = ask(command, actor);
    EXPECT_TRUE(decision.ok()) << decision.status().to_string();
    return decision.ok() ? std::move(decision).value() : Decision{};
  }
  Status refuse(const Command& command) {
    Result<Decision> decision = decide(state, world, command, "anna");
    EXPECT_FALSE(decision.ok());
    return decision.status();
  }

  void pass(Micros time) {
    world.now += time;
    run(Tick{}, kSelf);
  }

  void add_job(const std::string& name = "flight-delay", uint32_t ranks = 2) {
    run(AddSnapshot{january(), false});
    run(Apply{apply_of(spec_of(name, ranks))});
  }
  std::string start(const std::string& job = "flight-delay", const std::string& key = "") {
    v1::StartRunRequest request;
    request.set_job(job);
    request.set_idempotency_key(key);
    return run(StartRun{request}).id;
  }
  const v1::Run& run_of(const std::string& id) const { return *find_run(state, id); }
  const v1::ModelState& model(const std::string& name = "flight-delay") const {
    return *find_model(state, name);
  }
  uint32_t attempt(const std::string& id) const { return static_cast<uint32_t>(run_of(id).attempts_size()); }

  void gang_starts(const std::string& id) {
    v1::GangRecord gang;
    gang.set_pid(4711);
    gang.set_host("host-a");
    run(GangStarted{RunId(id), attempt(id), gang}, kSelf);
  }
  void ends(const std::string& id, v1::EndClass end, std::optional<v1::Outcome> outcome = std::nullopt) {
    run(AttemptEnded{RunId(id), attempt(id), end, "", std::move(outcome)}, kSelf);
  }
  void verified(const std::string& id, bool ok = true) {
    run(ArtifactsVerified{RunId(id), run_of(id).outcome().manifest(), ok,
                          ok ? "" : "model.safetensors: wrong hash"},
        kSelf);
  }
  // From QUEUED (and placed) through training to the verdict.
  void trains(const std::string& id, const v1::Evaluation& evaluation = evaluation_of(0.50, 0.53)) {
    gang_starts(id);
    ends(id, v1::END_FINISHED, finished(id, evaluation));
    verified(id);
  }
  // All nodes follow the plan, with this many answers by every version of it.
  void nodes_follow(const std::string& name = "flight-delay", uint64_t answered = 1000) {
    std::vector<uint64_t> versions;
    for (const auto& planned : model(name).plan().versions()) versions.push_back(planned.version());
    world.serving[name] = ready_view(model(name).plan().revision(), versions, answered);
    run(Tick{}, kSelf);
  }

  State state;
  World world;
  std::vector<v1::Event> journal;
};

}  // namespace rekindle::core::testing
