// The pure parts of the scheduler, measured in time of one core: decisions with an executor that does
// nothing, one pass over a long queue and many nodes, submissions to it, and memory per queued run. Prints
// one JSON object.
#include <fmt/format.h>
#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>

#include "core/decide.h"
#include "core/queue.h"
#include "core/wanted.h"
#include "tests/core/builders.h"

namespace rekindle::core::testing {
namespace {

// Of this thread's processor: others on the machine do not count.
struct Clock {
  using time_point = double;
  static double now() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
  }
};

double since(Clock::time_point began) {
  return Clock::now() - began;
}

World world_of(place::Cluster cluster) {
  World world;
  world.now = time_from_micros(day_us(2, 2));
  world.cluster = std::make_shared<const place::Cluster>(std::move(cluster));
  return world;
}

Decision must(State& state, const World& world, const Command& command) {
  Result<Decision> decision = advance(state, world, command);
  CHECK(decision.ok(), "the bench asks for nothing that is refused");
  return std::move(decision).value();
}

v1::JobSpec job(const std::string& name, uint32_t ranks, int64_t limit_s, uint32_t gpus = 0) {
  v1::JobSpec spec = spec_of(name, ranks);
  spec.set_pool("bench");
  spec.mutable_train()->mutable_ranks()->set_gpus(gpus);
  if (limit_s > 0) *spec.mutable_train()->mutable_limits()->mutable_attempt() = to_proto(Seconds(limit_s));
  return spec;
}

StartRun start(const std::string& name) {
  v1::StartRunRequest request;
  request.set_job(name);
  request.set_no_publish(true);
  return {request};
}

// Every run goes its whole way through the core: queued, placed, launched, started, finished, done. What an
// executor would do takes no time.
std::string null_executor(int runs, uint32_t slots) {
  place::Pool pool{{{"n0", {slots, 0, 0}, {}, {}}}};
  World world = world_of({{"bench", pool}});
  State state;
  must(state, world, AddSnapshot{january(), false});
  must(state, world, Apply{apply_of(job("small", 1, 0))});
  const StartRun request = start("small");
  const auto began = Clock::now();
  for (int i = 0; i < runs; ++i) must(state, world, request);
  const double queued_s = since(began);
  const auto drain = Clock::now();
  v1::Outcome outcome;
  outcome.set_kind(v1::Outcome::FINISHED);
  outcome.set_manifest(sha256_hex("candidate"));
  int64_t commands = runs, ended = 0;
  while (!state.working.empty()) {
    const std::vector<Effect> effects = wanted(state, world.now);
    for (const Effect& effect : effects)
      if (const auto* launch = std::get_if<WritePlanAndLaunch>(&effect)) {
        must(state, world, GangStarted{launch->run, launch->attempt, {}});
        must(state, world, AttemptEnded{launch->run, launch->attempt, v1::END_FINISHED, "", outcome});
        next_wake(state, *world.cluster, world.now);
        commands += 2;
        ++ended;
      }
  }
  CHECK(ended == runs, "every run has come to its end");
  const double drained_s = since(drain);
  return fmt::format(
      R"({{"runs":{},"slots":{},"submissions_per_s":{:.0f},"decisions_per_s":{:.0f},"runs_per_s":{:.0f}}})",
      runs, slots, runs / queued_s, static_cast<double>(commands) / (queued_s + drained_s),
      runs / (queued_s + drained_s));
}

struct Mix {
  const char* name;
  bool limits;
  bool busy;  // nearly all of the cluster is held
};

// Runs are filed as apply would: through the core itself it takes minutes to queue so many.
State crowded(const World& world, int waiting, const Mix& mix, std::mt19937_64& random) {
  State state;
  must(state, world, AddSnapshot{january(), false});
  std::vector<v1::Job> jobs;
  for (uint32_t ranks : {1u, 2u, 4u, 8u, 16u, 64u})
    for (int64_t limit : {900, 3600, 14400, 86400}) {
      v1::JobSpec spec = job(fmt::format("r{}-l{}", ranks, limit), ranks, mix.limits ? limit : 0, 1);
      spec.set_priority(static_cast<int32_t>(random() % 3));
      must(state, world, Apply{apply_of(spec)});
      jobs.push_back(*find_job(state, spec.name()));
    }
  int64_t queued_us = to_micros(world.now) - int64_t{86400} * 1'000'000;
  auto add = [&](const v1::Job& of, int number) -> v1::Run& {
    v1::Run run;
    run.set_id(fmt::format("{}-{}", of.name(), number));
    run.set_job(of.name());
    run.set_task(v1::Plan::TRAIN);
    run.set_state(v1::QUEUED);
    run.set_priority(of.spec().priority());
    run.set_as_of_us(to_micros(world.now));
    run.set_queued_us(queued_us += 700'000);
    run.set_kept_spec(state.specs.number(of.spec_sha256()));
    return state.runs[RunId(run.id())] = std::move(run);
  };
  if (mix.busy) {
    // Held until some time of the next day, but for one node in fifty.
    int number = 1'000'000;
    for (const place::Node& node : world.cluster->at("bench").nodes) {
      if (random() % 50 == 0) continue;
      v1::Run& run = add(jobs[12 + random() % 4], ++number);  // eight ranks
      run.set_state(v1::RUNNING);
      v1::Attempt& attempt = *run.add_attempts();
      attempt.set_number(1);
      attempt.set_state(v1::Attempt::STARTED);
      attempt.set_world(8);
      attempt.set_slots(8);
      const int64_t limit_us = Micros(from_proto(spec_of(state, run).train().limits().attempt())).count();
      attempt.set_placed_us(
          to_micros(world.now) -
          static_cast<int64_t>(random() % static_cast<uint64_t>(std::max<int64_t>(limit_us, 1))));
      v1::NodeShare& share = *attempt.add_shares();
      share.set_node(node.name);
      share.set_ranks(8);
      for (uint32_t i = 0; i < 8; ++i) {
        share.add_devices(i);
        attempt.add_devices(i);
      }
      file_run(state, run);
    }
  }
  for (int i = 0; i < waiting; ++i) file_run(state, add(jobs[random() % jobs.size()], i));
  return state;
}

std::string passes(int waiting, int nodes, const Mix& mix, int times) {
  place::Pool pool;
  for (int i = 0; i < nodes; ++i) pool.nodes.push_back({fmt::format("n{}", i), {8, 8, 0}, {}, {}});
  const World world = world_of({{"bench", pool}});
  std::mt19937_64 random(1);
  const State state = crowded(world, waiting, mix, random);
  std::vector<double> ms;
  size_t placed = 0;
  for (int i = 0; i < times; ++i) {
    const auto began = Clock::now();
    placed = schedule(state, *world.cluster, world.now).place.size();
    ms.push_back(since(began) * 1000);
  }
  const auto began = Clock::now();
  const size_t told = queue_places(state, *world.cluster, "bench", world.now, 1000).size();
  const double told_ms = since(began) * 1000;
  std::sort(ms.begin(), ms.end());
  return fmt::format(
      R"({{"mix":"{}","waiting":{},"nodes":{},"placed":{},"pass_ms_median":{:.2f},"pass_ms_max":{:.2f},"told":{},"told_ms":{:.2f}}})",
      mix.name, waiting, nodes, placed, ms[ms.size() / 2], ms.back(), told, told_ms);
}

// Of submissions to a crowded pool, the passes that follow them included: at the end of the queue, and at its
// front.
std::string submissions(int waiting, int nodes, const Mix& mix, int times) {
  place::Pool pool;
  for (int i = 0; i < nodes; ++i) pool.nodes.push_back({fmt::format("n{}", i), {8, 8, 0}, {}, {}});
  const World world = world_of({{"bench", pool}});
  std::mt19937_64 random(1);
  State state = crowded(world, waiting, mix, random);
  v1::JobSpec urgent = job("urgent", 1, 3600);
  urgent.set_priority(10);
  v1::JobSpec last = job("last", 1, 3600);
  last.set_priority(-10);
  must(state, world, Apply{apply_of(urgent)});
  must(state, world, Apply{apply_of(last)});
  const auto took = [&](const std::string& name) {
    std::vector<double> ms;
    int placed = 0;
    for (int i = 0; i < times; ++i) {
      const auto began = Clock::now();
      const Decision decision = must(state, world, start(name));
      ms.push_back(since(began) * 1000);
      placed += find_run(state, decision.id)->state() == v1::RUNNING;
    }
    std::sort(ms.begin(), ms.end());
    return fmt::format(R"("{0}_ms_median":{1:.3f},"{0}_ms_max":{2:.3f},"{0}_placed":{3})", name,
                       ms[ms.size() / 2], ms.back(), placed);
  };
  const std::string at_end = took("last"), at_front = took("urgent");
  return fmt::format(R"({{"mix":"{}","waiting":{},"nodes":{},{},{}}})", mix.name, waiting, nodes, at_end,
                     at_front);
}

std::string memory(int runs, bool keys, const std::string& name) {
  place::Pool pool{{{"n0", {1, 0, 0}, {}, {}}}};
  World world = world_of({{"bench", pool}});
  State state;
  must(state, world, AddSnapshot{january(), false});
  must(state, world, Apply{apply_of(job(name, 1, 3600))});
  StartRun request = start(name);
  must(state, world, request);
  const size_t before = mallinfo2().uordblks;
  for (int i = 0; i < runs; ++i) {
    if (keys) request.request.set_idempotency_key(fmt::format("018cc251-f400-7000-8000-{:012}", i));
    must(state, world, request);
  }
  const size_t after = mallinfo2().uordblks;
  return fmt::format(R"({{"runs":{},"job":"{}","keys":{},"bytes_per_queued_run":{}}})", runs, name, keys,
                     (after - before) / static_cast<size_t>(runs));
}

}  // namespace
}  // namespace rekindle::core::testing

int main(int argc, char** argv) {
  using namespace rekindle::core::testing;
  const bool quick = argc > 1 && std::strcmp(argv[1], "--quick") == 0;
  const int waiting = quick ? 5'000 : 100'000;
  const int nodes = quick ? 100 : 1'000;
  std::string text = R"({"null_executor":)" + null_executor(quick ? 2'000 : 50'000, 16);
  text += R"(,"memory":[)";
  bool first = true;
  for (const char* name : {"small", "flight-delay"})
    for (const bool keys : {false, true}) {
      text += (first ? "" : ",") + memory(quick ? 2'000 : 50'000, keys, name);
      first = false;
    }
  text += R"(],"submissions":)" + submissions(waiting, nodes, {"limits, busy", true, true}, quick ? 10 : 60);
  text += R"(,"passes":[)";
  first = true;
  for (const Mix& mix : {Mix{"limits, busy", true, true}, Mix{"no limits, busy", false, true},
                         Mix{"limits, idle", true, false}}) {
    text += (first ? "" : ",") + passes(waiting, nodes, mix, quick ? 3 : 15);
    first = false;
  }
  std::puts((text + "]}").c_str());
  return 0;
}
