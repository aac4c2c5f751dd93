// The state × command tables of docs/state-machine.md, printed from the code and compared with the page.
// REKINDLE_REGENERATE=1 writes the page anew.
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>

#include "registry/rollout.h"
#include "tests/core/driver.h"

namespace rekindle::core::testing {
namespace {

constexpr const char* kPage = "docs/state-machine.md";
constexpr const char* kModel = "flight-delay";

struct Row {
  std::string name;
  std::function<std::string(Driver&)> build;  // leads to the state and names the run
};
struct Column {
  std::string name;
  std::function<Command(Driver&, const std::string& run)> command;
};

// What a command does in a state: its events, or the refusal's code.
std::string cell(const Driver& driver, const Command& command,
                 const std::function<std::string(const State&)>& after) {
  Result<Decision> decision = decide(driver.state, driver.world, command, "anna");
  if (!decision.ok()) return fmt::format("✗ {}", code_name(decision.status().code()));
  if (decision->events.empty()) return "·";
  State state = driver.state;
  for (v1::Event event : decision->events) {
    event.set_seq(state.seq + 1);
    apply(state, event);
  }
  return after(state);
}

// Commands in the rows' order, states across: more commands than states would be too wide otherwise.
std::string table(const std::vector<Row>& rows, const std::vector<Column>& columns,
                  const std::function<std::string(const State&, const std::string&)>& state_of) {
  std::ostringstream out;
  out << "| command ╲ state |";
  for (const Row& row : rows) out << ' ' << row.name << " |";
  out << "\n|---|";
  for (size_t i = 0; i < rows.size(); ++i) out << "---|";
  out << '\n';
  for (const Column& column : columns) {
    out << "| " << column.name << " |";
    for (const Row& row : rows) {
      Driver driver;
      std::string run = row.build(driver);
      Command command = column.command(driver, run);
      out << ' ' << cell(driver, command, [&](const State& state) { return state_of(state, run); }) << " |";
    }
    out << '\n';
  }
  return out.str();
}

// --- Runs

std::string queued(Driver& d) {
  d.host(0);
  d.add_job();
  return d.start();
}
std::string placed(Driver& d) {
  d.add_job();
  return d.start();
}
std::string started(Driver& d) {
  std::string id = placed(d);
  d.gang_starts(id);
  return id;
}
std::string yielding(Driver& d) {
  std::string id = started(d);
  v1::CancelRunRequest cancel;
  cancel.set_id(id);
  d.run(CancelRun{cancel});
  return id;
}
std::string growing(Driver& d) {
  d.host(1);
  d.run(AddSnapshot{january(), false});
  v1::JobSpec spec = spec_of(kModel);
  auto* ranks = spec.mutable_train()->mutable_ranks();
  ranks->clear_count();
  ranks->set_min(1);
  ranks->set_max(2);
  d.run(Apply{apply_of(spec)});
  std::string id = d.start();
  d.gang_starts(id);
  d.host(2);
  d.pass(Seconds(60));
  return id;
}
std::string killed(Driver& d) {
  std::string id = started(d);
  d.run(HangDetected{RunId(id), 1, "stuck"});
  return id;
}
std::string retrying(Driver& d) {
  std::string id = started(d);
  d.ends(id, v1::END_CRASH);
  return id;
}
std::string judging(Driver& d) {
  std::string id = started(d);
  d.ends(id, v1::END_FINISHED, finished(id, evaluation_of(.5, 0)));
  return id;
}
std::string held(Driver& d) {
  std::string id = started(d);
  d.ends(id, v1::END_FINISHED, finished(id, evaluation_of(.5, 0, .55, 10)));
  d.verified(id);
  return id;
}
std::string published(Driver& d) {
  std::string id = judging(d);
  d.verified(id);
  return id;
}
std::string rejected(Driver& d) {
  std::string id = started(d);
  d.ends(id, v1::END_FINISHED, finished(id, evaluation_of(.6, 0)));
  d.verified(id);
  return id;
}
std::string failed(Driver& d) {
  std::string id = started(d);
  d.ends(id, v1::END_SPEC_REFUSED);
  return id;
}
std::string cancelled(Driver& d) {
  std::string id = yielding(d);
  d.ends(id, v1::END_YIELDED);
  return id;
}
std::string completed(Driver& d) {
  d.add_job();
  v1::StartRunRequest request;
  request.set_job(kModel);
  request.set_no_publish(true);
  std::string id = d.run(StartRun{request}).id;
  d.ends(id, v1::END_FINISHED, finished(id, evaluation_of(.5, 0)));
  return id;
}

std::string run_state(const State& state, const std::string& id) {
  const v1::Run& run = *find_run(state, id);
  std::string text = v1::RunState_Name(run.state());
  if (const v1::Attempt* attempt = live_attempt(run)) {
    if (attempt->kill_requested())
      text += ", kill";
    else if (attempt->resize_requested())
      text += ", growth";
    else if (attempt->yield_requested())
      text += ", yield";
    else if (attempt->state() == v1::Attempt::STARTED)
      text += ", started";
  }
  return text;
}

Column ends_with(std::string name, v1::EndClass end, double log_loss = 0) {
  return {std::move(name), [=](Driver& d, const std::string& run) -> Command {
            std::optional<v1::Outcome> outcome;
            if (end == v1::END_FINISHED) outcome = finished(run, evaluation_of(log_loss, 0));
            return AttemptEnded{RunId(run), d.attempt(run), end, "", outcome};
          }};
}
Column verifies(std::string name, bool ok) {
  return {std::move(name), [=](Driver& d, const std::string& run) -> Command {
            return ArtifactsVerified{RunId(run), d.run_of(run).outcome().manifest(), ok, ""};
          }};
}

std::string run_table() {
  const std::vector<Row> rows = {
      {"QUEUED", queued},
      {"QUEUED, retry", retrying},
      {"RUNNING, placed", placed},
      {"RUNNING, started", started},
      {"RUNNING, growth", growing},
      {"RUNNING, yield", yielding},
      {"RUNNING, kill", killed},
      {"JUDGING", judging},
      {"HELD", held},
      {"PUBLISHED", published},
      {"REJECTED", rejected},
      {"FAILED_RUN", failed},
      {"CANCELLED", cancelled},
      {"COMPLETED", completed},
  };
  const std::vector<Column> columns = {
      {"cancel",
       [](Driver&, const std::string& run) -> Command {
         v1::CancelRunRequest r;
         r.set_id(run);
         return CancelRun{r};
       }},
      {"approve",
       [](Driver&, const std::string& run) -> Command {
         v1::ApproveRunRequest r;
         r.set_id(run);
         r.set_reason("looked at it");
         return ApproveRun{r};
       }},
      {"gang started",
       [](Driver& d, const std::string& run) -> Command {
         return GangStarted{RunId(run), d.attempt(run), {}};
       }},
      ends_with("attempt finished", v1::END_FINISHED, .5),
      ends_with("attempt yielded", v1::END_YIELDED),
      ends_with("attempt crashed", v1::END_CRASH),
      ends_with("node lost", v1::END_NODE_LOST),
      ends_with("launch failed", v1::END_LAUNCH_FAILED),
      ends_with("cancelled outside", v1::END_CANCELLED),
      ends_with("spec refused", v1::END_SPEC_REFUSED),
      ends_with("data refused", v1::END_DATA_REFUSED),
      ends_with("ranks diverged", v1::END_DIVERGED),
      {"hang seen",
       [](Driver& d, const std::string& run) -> Command {
         return HangDetected{RunId(run), d.attempt(run), "stuck"};
       }},
      verifies("files verified", true),
      verifies("files damaged", false),
      {"an hour passes",
       [](Driver& d, const std::string&) -> Command {
         d.world.now += Seconds(3600);
         return Tick{};
       }},
  };
  return table(rows, columns, run_state);
}

// --- Rollouts

std::string first_loading(Driver& d) {
  d.world.serving[kModel].nodes = 1;
  return published(d);
}
std::string in_service(Driver& d) {
  std::string id = published(d);
  d.nodes_follow();
  return id;
}
std::string canary_loading(Driver& d) {
  in_service(d);
  std::string id = d.start();
  d.trains(id);
  return id;
}
std::string baking(Driver& d) {
  std::string id = canary_loading(d);
  d.nodes_follow(kModel, 1000);
  return id;
}
std::string all_loading(Driver& d) {
  std::string id = baking(d);
  d.pass(Seconds(86400));
  return id;
}
std::string promoted(Driver& d) {
  std::string id = all_loading(d);
  d.nodes_follow();
  return id;
}
std::string rolled_back(Driver& d) {
  std::string id = baking(d);
  v1::RollbackRequest r;
  r.set_model(kModel);
  d.run(RollBack{r});
  return id;
}

std::string rollout_state(const State& state, const std::string&) {
  const v1::ModelState& model = *find_model(state, kModel);
  std::string champion =
      model.aliases().contains("champion") ? std::to_string(model.aliases().at("champion")) : "none";
  return fmt::format("{} of {}, champion {}", v1::Rollout::State_Name(model.rollout().state()),
                     model.rollout().version(), champion);
}

Column nodes(std::string name, std::function<void(Driver&, registry::ServingView&)> change) {
  return {std::move(name), [change](Driver& d, const std::string&) -> Command {
            std::vector<uint64_t> versions;
            for (const auto& planned : d.model().plan().versions()) versions.push_back(planned.version());
            registry::ServingView view = ready_view(d.model().plan().revision(), versions, 1000);
            change(d, view);
            d.world.serving[kModel] = view;
            return Tick{};
          }};
}

std::string rollout_table() {
  const std::vector<Row> rows = {
      {"LOADING_ALL of 1, first", first_loading},
      {"PROMOTED, 1", in_service},
      {"LOADING_CANARY of 2", canary_loading},
      {"BAKING of 2", baking},
      {"LOADING_ALL of 2", all_loading},
      {"PROMOTED, 2", promoted},
      {"ROLLED_BACK, 2", rolled_back},
  };
  auto version = [](Driver& d) { return d.model().rollout().version(); };
  const std::vector<Column> columns = {
      nodes("every node has the plan", [](Driver&, registry::ServingView&) {}),
      nodes("a node is behind", [](Driver&, registry::ServingView& view) { view.revision -= 1; }),
      nodes("a node cannot load it",
            [version](Driver& d, registry::ServingView& view) {
              view.versions[version(d)].failed_nodes = 1;
              view.versions[version(d)].failure = "node a: wrong hash";
            }),
      nodes("its answers fail",
            [version](Driver& d, registry::ServingView& view) { view.versions[version(d)].failed = 900; }),
      nodes("it is slow",
            [version](Driver& d, registry::ServingView& view) {
              view.versions[version(d)].latency_p99_ms = 900;
            }),
      nodes("a day passes", [](Driver& d, registry::ServingView&) { d.world.now += Seconds(86400); }),
      nodes("a day passes, few answers",
            [version](Driver& d, registry::ServingView& view) {
              d.world.now += Seconds(86400);
              view.versions[version(d)].answered = 19;
            }),
      nodes("no node is left", [](Driver&, registry::ServingView& view) { view = {}; }),
      {"rollback",
       [](Driver&, const std::string&) -> Command {
         v1::RollbackRequest r;
         r.set_model(kModel);
         return RollBack{r};
       }},
      {"champion set to 1",
       [](Driver&, const std::string&) -> Command {
         v1::SetAliasRequest r;
         r.set_model(kModel);
         r.set_alias("champion");
         r.set_version(1);
         return SetAlias{r};
       }},
      {"another version is published",
       [](Driver& d, const std::string&) -> Command {
         std::string id = d.start();
         d.gang_starts(id);
         d.ends(id, v1::END_FINISHED, finished(id, evaluation_of(.4, .5)));
         return ArtifactsVerified{RunId(id), sha256_hex(id), true, ""};
       }},
  };
  return table(rows, columns, rollout_state);
}

std::string read_page() {
  std::ifstream in(kPage);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The page with `content` between the marks of this name.
std::string with_section(const std::string& page, const std::string& name, const std::string& content) {
  std::string open = fmt::format("<!-- {} -->\n", name), close = fmt::format("<!-- end of {} -->", name);
  size_t from = page.find(open), until = page.find(close);
  if (from == std::string::npos || until == std::string::npos) return {};
  return page.substr(0, from + open.size()) + content + page.substr(until);
}

TEST(Matrix, ThePageSaysWhatTheCodeDoes) {
  std::string page = read_page();
  std::string made = with_section(page, "runs", run_table());
  made = with_section(made, "rollouts", rollout_table());
  ASSERT_FALSE(made.empty()) << kPage << " has lost its marks, or the test does not run in the source folder";
  if (std::getenv("REKINDLE_REGENERATE")) {
    std::ofstream(kPage) << made;
    return;
  }
  EXPECT_EQ(page, made) << kPage
                        << " differs from the code; see whether the change is meant, then run this test with "
                        << "REKINDLE_REGENERATE=1";
}

}  // namespace
}  // namespace rekindle::core::testing
