// The year of flights through the event store as serving nodes would send it: rules that must not fire
// by the seasons, a policy that must last the year, and the time that a judgement may take.
#include <fstream>
#include <numeric>
#include <random>
#include <set>
#include <sstream>

#include "dataio/import.h"
#include "drift/policy.h"
#include "jobs/spec.h"
#include "tests/events/store_fixture.h"

namespace rekindle::events {
namespace {

std::string text_of(const char* file) {
  std::ifstream in(file);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

struct Year {
  v1::JobSpec spec;
  dataio::Table rows;
  std::vector<int64_t> times;
};

const Year* flights() {
  static const std::unique_ptr<Year> year = []() -> std::unique_ptr<Year> {
    if (!std::filesystem::exists("build/data/flights.csv.zip")) return nullptr;
    auto out = std::make_unique<Year>();
    auto import = jobs::parse_import(text_of("jobs/imports/flights.yaml"), "flights.yaml");
    EXPECT_TRUE(import.ok()) << import.status().message();
    auto spec = jobs::parse_job(text_of("jobs/specs/flight-delay.yaml"), "flight-delay.yaml");
    EXPECT_TRUE(spec.ok()) << spec.status().message();
    out->spec = jobs::resolve(*spec)->spec;
    auto rows = dataio::import_table(*import, "build/data");
    EXPECT_TRUE(rows.ok()) << rows.status().message();
    out->rows = std::move(*rows);
    out->times = out->rows.find("sched_dep")->times;
    return out;
  }();
  return year.get();
}

// The sceptic's model: the share of late flights by hour of the day in January.
std::vector<double> table_of_january(const Year& year, const std::vector<int64_t>& times) {
  std::vector<double> late(24, 2), rows(24, 10);
  const auto& label = year.rows.find("late")->numbers;
  const auto& minute = year.rows.find("sched_minute")->numbers;
  for (size_t i = 0; i < times.size(); ++i) {
    if (times[i] >= kStart || std::isnan(label[i])) continue;
    const auto hour = static_cast<size_t>(minute[i] / 60);
    late[hour] += label[i];
    rows[hour] += 1;
  }
  std::vector<double> out;
  for (double m : minute)
    out.push_back(late[static_cast<size_t>(m / 60)] / rows[static_cast<size_t>(m / 60)]);
  return out;
}

v1::Profile profile_of(const Year& year, const std::vector<uint32_t>& rows,
                       const std::vector<double>& predictions) {
  const dataio::Table table = dataio::take(year.rows, rows);
  v1::Profile profile;
  for (const auto& name : year.spec.data().numeric())
    *profile.add_features() = drift::numeric_profile(name, table.find(name)->numbers);
  for (const auto& name : year.spec.data().categorical()) {
    drift::CategoryTally tally;
    const auto* column = table.find(name);
    for (size_t i = 0; i < column->rows(); ++i)
      column->missing(i) ? tally.add_missing() : tally.add(column->text(i));
    *profile.add_features() = tally.profile(name);
  }
  std::vector<double> answered;
  for (uint32_t row : rows) answered.push_back(predictions[row]);
  *profile.mutable_prediction() = drift::numeric_profile(drift::kPrediction, answered);
  return profile;
}

struct Outcome {
  std::vector<std::string> triggers;
  std::vector<v1::Breach> breaches;
  uint64_t slots = 0;
  double slowest_ms = 0, mean_ms = 0;
  uint64_t settled_rows = 0;
  uint64_t quality_detections = 0;
};

using Spoil = std::function<void(int64_t time_us, const std::string& column, double& value)>;

// Rows at `times` from February on. A triggered run publishes a version with a profile of the last 180
// days; its predictions stay those of January, for nothing is trained here.
Outcome replay(const Year& year, const std::vector<int64_t>& times, EventStore& store, int64_t until_us,
               const Spoil& spoil = {}) {
  const std::vector<double> predictions = table_of_january(year, times);
  std::vector<uint32_t> order(times.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return times[a] < times[b]; });
  const auto between = [&](int64_t from, int64_t until) {
    const auto before = [&](uint32_t row, int64_t t) { return times[row] < t; };
    return std::vector<uint32_t>(std::lower_bound(order.begin(), order.end(), from, before),
                                 std::lower_bound(order.begin(), order.end(), until, before));
  };
  std::map<uint64_t, v1::Profile> profiles;
  std::map<uint64_t, std::shared_ptr<const drift::ProfileBins>> bins;
  const auto publish = [&](uint64_t version, int64_t now) {
    profiles[version] = profile_of(year, between(now - 180 * kDay, now), predictions);
    bins[version] = *drift::ProfileBins::make(profiles[version]);
  };
  uint64_t champion = 1, seq = 0;
  publish(champion, kStart);

  Outcome out;
  v1::DecisionState decision;
  double total_ms = 0;
  std::vector<v1::LabelRecord> waiting;
  const auto& spec = year.spec;
  const auto& label = year.rows.find("late")->numbers;
  for (int64_t t = kStart; t < until_us; t += kHour) {
    v1::EventBatch batch;
    batch.set_node("node-a");
    batch.set_boot("boot-1");
    batch.set_seq(++seq);
    batch.set_model(spec.name());
    drift::CountsBuilder counts(bins[champion], champion, Micros(kHour));
    const std::vector<uint32_t> rows = between(t, t + kHour);
    if (!rows.empty()) {
      v1::RequestRecord& record = *batch.add_requests();
      record.set_request_id("r" + std::to_string(t / kHour));
      record.set_version(champion);
      record.set_event_time_us(times[rows[0]]);
      record.set_rows(static_cast<uint32_t>(rows.size()));
      auto& slot = counts.at(time_from_micros(times[rows[0]]));
      slot.add_rows(record.rows());
      drift::RowContents contents(rows.size());
      auto* time = record.add_columns();
      time->set_name(spec.data().time());
      for (uint32_t row : rows) time->add_numbers(static_cast<double>(times[row]));
      for (int f = 0; f < spec.data().numeric_size(); ++f) {
        auto* column = record.add_columns();
        column->set_name(spec.data().numeric(f));
        for (uint32_t row : rows) {
          double value = year.rows.find(column->name())->numbers[row];
          if (spoil) spoil(t, column->name(), value);
          column->add_numbers(value);
        }
        slot.add_numbers(static_cast<size_t>(f), {column->numbers().data(), rows.size()});
        contents.add_numbers(column->name(), {column->numbers().data(), rows.size()});
      }
      for (int f = 0; f < spec.data().categorical_size(); ++f) {
        auto* column = record.add_columns();
        column->set_name(spec.data().categorical(f));
        const auto* from = year.rows.find(column->name());
        drift::RowContents::Texts texts = contents.texts(column->name());
        for (size_t i = 0; i < rows.size(); ++i) {
          const std::string_view text = from->text(rows[i]);
          column->add_texts(std::string(text));
          slot.add_text(static_cast<size_t>(spec.data().numeric_size() + f), text);
          texts.add(i, text);
        }
      }
      slot.add_contents(contents);
      v1::LabelRecord& labels = waiting.emplace_back();
      labels.set_request_id(record.request_id());
      labels.set_event_time_us(record.event_time_us());
      labels.set_known_at_us(record.event_time_us() + kDay);
      for (uint32_t row : rows) {
        record.add_predictions(predictions[row]);
        labels.add_labels(label[row]);
      }
      slot.add_predictions({record.predictions().data(), rows.size()});
    }
    for (auto& slot : counts.take()) *batch.add_counts() = std::move(slot);
    while (!waiting.empty() && waiting.front().known_at_us() <= t + kHour) {
      *batch.add_labels() = waiting.front();
      waiting.erase(waiting.begin());
    }
    const auto appended = store.append(batch);
    EXPECT_TRUE(appended.ok() && appended->refused == 0) << appended->first_refusal;

    JudgeInput input;
    input.spec = &spec;
    input.champion = champion;
    for (const auto& [version, profile] : profiles) input.profiles[version] = &profile;
    input.watermark_us = t;  // an hour late
    while (true) {
      input.after_slot_us = decision.judged_slot_us();
      const auto begin = std::chrono::steady_clock::now();
      const auto window = store.judge_next(input);
      const double ms =
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
      EXPECT_TRUE(window.ok()) << window.status().message();
      if (!window.ok() || !*window) break;
      ++out.slots;
      total_ms += ms;
      out.slowest_ms = std::max(out.slowest_ms, ms);
      for (const auto& breach : (*window)->breaches()) out.breaches.push_back(breach);
      for (const auto& score : (*window)->quality()) out.quality_detections += score.fired();
      const drift::PolicyStep step =
          drift::step(spec.retrain(), decision, **window, {.champion = champion, .champion_as_of_us = 0});
      decision = step.state;
      if (!step.cause) continue;
      out.triggers.push_back(format_time(time_from_micros((*window)->clock_us())) + " " +
                             v1::Cause_Name(*step.cause) + ": " + step.reason);
      publish(++champion, t);
      v1::Run run;
      run.set_state(v1::PUBLISHED);
      decision = drift::after_run(spec.retrain(), decision, run, (*window)->clock_us(), 0);
      break;
    }
    if (t % kDay == 0) {
      const auto settled = store.settle(spec, t, {});
      EXPECT_TRUE(settled.ok()) << settled.status().message();
    }
  }
  out.mean_ms = total_ms / static_cast<double>(std::max<uint64_t>(out.slots, 1));
  out.settled_rows = store.totals(spec.name()).settled_rows;
  std::printf("%zu slots, mean %.2f ms, slowest %.2f ms, %zu settled rows\n", static_cast<size_t>(out.slots),
              out.mean_ms, out.slowest_ms, static_cast<size_t>(out.settled_rows));
  for (const auto& trigger : out.triggers) std::printf("%s\n", trigger.c_str());
  return out;
}

std::string words(const std::vector<v1::Breach>& breaches) {
  std::string out;
  std::set<std::string> said;
  for (const auto& b : breaches)
    if (said.insert(b.check() + b.feature() + std::to_string(b.from_us())).second)
      out += b.check() + ": " + b.reason() + "\n";
  return out.substr(0, 4000);
}

class YearTest : public StoreTest {
 protected:
  void SetUp() override {
    if (flights() == nullptr)
      GTEST_SKIP() << "SKIPPED LOUDLY: no flights in build/data; ./dev setup puts them there";
    StoreTest::SetUp();
  }
};

const int64_t kNewYear = to_micros(*parse_time("2014-01-01T06:00"));

TEST_F(YearTest, SeasonsAreNoFaultAndTheBudgetLasts) {
  const Outcome out = replay(*flights(), flights()->times, *store_, kNewYear);
  EXPECT_TRUE(out.breaches.empty()) << words(out.breaches);
  EXPECT_GE(out.triggers.size(), 5u);
  EXPECT_LE(out.triggers.size(), 8u);
  EXPECT_GT(out.slots, 7900u);
  // All labelled flights from February to 29 December, in UTC days.
  EXPECT_GT(out.settled_rows, 295'000u);
}

// No drift is left when times are permuted: nothing may call for a run.
TEST_F(YearTest, PermutedTimesCallForNothing) {
  std::vector<int64_t> times = flights()->times;
  std::shuffle(times.begin(), times.end(), std::mt19937_64(7));
  const Outcome out = replay(*flights(), times, *store_, kNewYear);
  EXPECT_TRUE(out.breaches.empty()) << words(out.breaches);
  // The spec also retrains by age; drift and quality stay silent.
  EXPECT_TRUE(out.triggers.empty());
  EXPECT_EQ(out.quality_detections, 0u);
}

TEST_F(YearTest, ABrokenFeedIsNamedOnRealWeather) {
  const int64_t at = to_micros(*parse_time("2013-02-20"));
  const Outcome out = replay(*flights(), flights()->times, *store_, at + 5 * kDay,
                             [&](int64_t t, const std::string& column, double& value) {
                               if (t >= at && column == "temp") value = 41.3;
                               if (t >= at && column == "humid") value = std::nan("");
                               if (t >= at && column == "sched_minute") value *= 60;
                             });
  // What broke would look like drift, and so would the weekdays that are left without the broken rows.
  ASSERT_EQ(out.triggers.size(), 1u);
  EXPECT_LT(out.triggers[0], "2013-02-20");
  std::map<std::string, int64_t> from;
  for (const auto& b : out.breaches) from[b.check() + "/" + b.feature()] = b.from_us();
  EXPECT_EQ(from.size(), 3u) << words(out.breaches);
  for (const char* name : {"frozen_column/temp", "missing_share/humid", "range/sched_minute"}) {
    ASSERT_TRUE(from.contains(name)) << name;
    EXPECT_LE(std::abs(from[name] - at), 3 * kHour) << name;
  }
}

}  // namespace
}  // namespace rekindle::events
