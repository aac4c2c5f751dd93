// The order in which a replay does things, on which its determinism rests.
#include "cli/rows/replay/driver.h"

#include <gmock/gmock.h>

#include <cmath>

#include "jobs/spec.h"
#include "tests/cli/fake_world.h"

namespace rekindle::cli::replay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kHour = 3'600'000'000;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

v1::JobSpec spec() {
  const auto written = jobs::parse_job(R"(rekindle: 1
name: m
data: {initial: d@a, time: at, label: {column: late, matures: 2h}, numeric: [temp]}
train: {model: linear}
)",
                                       "m.yaml");
  return jobs::resolve(written.value())->spec;
}

// One row each in hours 0, 1 and 4; the second is not labelled.
Rows rows() {
  Rows out;
  out.times = {10, kHour + 5, 4 * kHour + 7};
  out.labels = {1, kNaN, 0};
  out.table.add(dataio::time_column("at", out.times));
  out.table.add(dataio::number_column("temp", {1, 2, 3}));
  for (uint32_t i = 0; i < 3; ++i)
    out.slots.push_back({out.times[i] - out.times[i] % kHour,
                         {{.id = "r" + std::to_string(i), .event_us = out.times[i], .rows = {i}}}});
  return out;
}

struct Outcome {
  Status status;
  Report report;
  std::vector<std::string> log;
};

Outcome replay(FakeWorld& world, DriverOptions options) {
  const Rows data = rows();
  const v1::JobSpec job = spec();
  Session session(net::ConnectClient(world.url(), net::kOperatorToken),
                  net::ConnectClient(world.url(), net::kOperatorToken), "m", "s", std::chrono::seconds(5));
  NodeClient node({.url = world.url(),
                   .token = net::kOperatorToken,
                   .model = "m",
                   .patience = std::chrono::milliseconds(3000)});
  Outcome out;
  Driver driver(session, node, data, job, std::move(options), [](const std::string&) {});
  out.status = driver.run(out.report);
  out.log = world.with([](FakeWorld& w) { return w.log; });
  return out;
}

DriverOptions options() {
  return {.run_takes = std::chrono::hours(1),
          .labels_after = std::chrono::hours(2),
          .patience = std::chrono::seconds(10)};
}

std::string at(int hour) {
  return "advance " + std::to_string(hour * kHour);
}

TEST(Driver, SendsThenFlushesThenAdvances) {
  FakeWorld world;
  const Outcome out = replay(world, options());
  ASSERT_TRUE(out.status.ok()) << out.status.message();
  EXPECT_THAT(out.log, ElementsAre("begin 0", "infer r0", "flush", at(1), "infer r1", "flush", at(2),
                                   "label r0", "flush", at(3), at(4), "infer r2", "flush", at(5)));
  EXPECT_EQ(out.report.requests_answered, 3u);
  EXPECT_EQ(out.report.requests_failed, 0u);
  EXPECT_EQ(out.report.labels_sent, 1u) << "the second has no label, the third's is known after the end";
  EXPECT_EQ(out.report.weeks.size(), 1u);
  EXPECT_EQ(out.report.served.rows, 2u);
}

TEST(Driver, LabelsSayWhenTheyBecameKnown) {
  FakeWorld world;
  ASSERT_TRUE(replay(world, options()).status.ok());
  const auto labels = world.with([](FakeWorld& w) { return w.labels; });
  ASSERT_EQ(labels.size(), 1u);
  EXPECT_EQ(labels[0].request_id(), "r0");
  EXPECT_EQ(labels[0].event_time_us(), 10);
  EXPECT_EQ(labels[0].known_at_us(), 10 + 2 * kHour);
}

TEST(Driver, TheClockGoesOnByRunTakesAndThenStands) {
  FakeWorld world;
  world.trigger_at_us = kHour;
  world.settle_polls = 2;
  const Outcome out = replay(world, options());
  ASSERT_TRUE(out.status.ok()) << out.status.message();
  EXPECT_THAT(out.log,
              ElementsAre("begin 0", "infer r0", "flush", at(1), "infer r1", "flush", at(2), "await", "await",
                          "await", "label r0", "flush", at(3), at(4), "infer r2", "flush", at(5)));
  ASSERT_EQ(out.report.runs.size(), 1u);
  EXPECT_EQ(out.report.runs[0].id, "m-2");
  EXPECT_EQ(out.report.runs[0].outcome, "published");
  EXPECT_EQ(out.report.versions_published, 1u);
  EXPECT_THAT(out.report.trigger_to_serving_seconds, ElementsAre(5.0));
  EXPECT_GT(out.report.unrecorded_answered, 0u) << "traffic is kept up while the clock stands";
  EXPECT_EQ(out.report.weeks[0].versions.at(1), 2u);
  EXPECT_EQ(out.report.weeks[0].versions.at(2), 1u);
  EXPECT_EQ(out.report.weeks[0].in_service, 2u);
}

TEST(Driver, ARunTriggeredAtTheEndIsStillWaitedFor) {
  FakeWorld world;
  world.trigger_at_us = 5 * kHour;
  const Outcome out = replay(world, options());
  ASSERT_TRUE(out.status.ok()) << out.status.message();
  EXPECT_EQ(out.log.back(), "await");
  EXPECT_EQ(out.report.versions_published, 1u);
}

TEST(Driver, ABusyNodeIsAskedAgainWithTheSameId) {
  FakeWorld world;
  world.refuse_infers = 3;
  const Outcome out = replay(world, options());
  ASSERT_TRUE(out.status.ok());
  EXPECT_EQ(out.log[1], "refused r0");
  EXPECT_EQ(out.log[4], "infer r0");
  EXPECT_EQ(out.report.requests_failed, 0u);
  EXPECT_EQ(out.report.requests_answered, 3u);
  EXPECT_GT(out.report.retry_seconds, 0);
}

TEST(Driver, ARefusedRequestIsCountedAndItsRowsLeftOut) {
  FakeWorld world;
  world.bad_infers = 1;
  const Outcome out = replay(world, options());
  ASSERT_TRUE(out.status.ok());
  EXPECT_EQ(out.report.requests_failed, 1u);
  EXPECT_EQ(out.report.requests_answered, 2u);
  EXPECT_EQ(out.report.served.rows, 1u);
  EXPECT_EQ(out.report.labels_sent, 0u);
}

TEST(Driver, ComparesWithThePinnedVersionUnrecorded) {
  FakeWorld world;
  DriverOptions with_compare = options();
  with_compare.compare = 1;
  with_compare.pins = {1};
  const Outcome out = replay(world, with_compare);
  ASSERT_TRUE(out.status.ok());
  EXPECT_EQ(world.with([](FakeWorld& w) { return w.unrecorded; }), 1);
  EXPECT_EQ(world.with([](FakeWorld& w) { return w.begun.pin(0); }), 1u);
  EXPECT_EQ(world.with([](FakeWorld& w) { return w.begun.run_takes().seconds(); }), 3600);
  ASSERT_TRUE(out.report.frozen.has_value());
  EXPECT_EQ(out.report.frozen->rows, 2u);
}

TEST(Driver, ASessionIsTakenUpWhereItsClockStands) {
  FakeWorld world;
  world.stands_at_us = 2 * kHour;
  const Outcome out = replay(world, options());
  ASSERT_TRUE(out.status.ok()) << out.status.message();
  EXPECT_THAT(out.log, ElementsAre("begin 0", "label r0", "flush", at(3), at(4), "infer r2", "flush", at(5)));
  EXPECT_EQ(out.report.from_us, 2 * kHour);
  EXPECT_EQ(out.report.weeks[0].rows, 1u);
}

TEST(Driver, SaysWhatItWaitedForInVain) {
  FakeWorld world;
  world.trigger_at_us = kHour;
  world.settle_polls = 1'000'000;
  DriverOptions impatient = options();
  impatient.patience = std::chrono::seconds(1);
  const Outcome out = replay(world, impatient);
  EXPECT_EQ(out.status.code(), Code::kDeadlineExceeded);
  EXPECT_THAT(out.status.message(), HasSubstr("run m-2"));
}

}  // namespace
}  // namespace rekindle::cli::replay
