// rekindle replay: flags in, a replay with its comparisons, a report out.
#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <optional>

#include "artifacts/store.h"
#include "base/files.h"
#include "base/ids.h"
#include "base/units.h"
#include "cli/exit_codes.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/rows/replay/baselines.h"
#include "cli/rows/replay/cron.h"
#include "cli/rows/replay/driver.h"
#include "cli/rows/verbs.h"
#include "dataio/snapshot.h"
#include "jobs/spec.h"
#include "proto/time.h"

namespace rekindle::cli {
namespace {

using namespace rekindle::cli::replay;
using dataio::history::read_labelled_rows;
using dataio::history::read_replay_rows;
using dataio::history::RowsRequest;

struct Arguments {
  std::string model, dataset, node, group_by, table_by, until, labels_after, report, session;
  std::string run_takes = "1h", patience = "20m";
  std::vector<uint64_t> pins;
  uint64_t compare = 0;
  bool cron = false;
  std::string cron_fits;  // empty: as many as the loop made
};

struct Setting {
  v1::JobSpec spec;
  std::unique_ptr<artifacts::Store> store;
  Rows rows;
  TableBy table_by;
  DriverOptions driver;
};

Result<Setting> prepare(Session& session, const Arguments& args) {
  Setting setting;
  setting.spec = TRY(jobs::resolve(TRY(session.job()).spec())).spec;
  setting.store = TRY(artifacts::open_folder_store(TRY(session.status()).artifacts()));
  setting.table_by = TRY(parse_table_by(args.table_by));
  RowsRequest request{.group_by = args.group_by, .slot_us = from_proto(setting.spec.data().slot()).count()};
  request.snapshots = TRY(dataio::select_snapshots(args.dataset, TRY(session.snapshots(args.dataset))));
  if (!args.until.empty()) request.until_us = to_micros(TRY(parse_time(args.until)));
  setting.rows = TRY(read_replay_rows(*setting.store, setting.spec.data(), request));
  setting.driver.run_takes = TRY(parse_duration(args.run_takes));
  setting.driver.labels_after = args.labels_after.empty() ? from_proto(setting.spec.data().label().matures())
                                                          : TRY(parse_duration(args.labels_after));
  setting.driver.patience =
      std::chrono::duration_cast<std::chrono::seconds>(TRY(parse_duration(args.patience)));
  setting.driver.compare = args.compare;
  setting.driver.pins = args.pins;
  if (args.compare > 0 && std::find(args.pins.begin(), args.pins.end(), args.compare) == args.pins.end())
    setting.driver.pins.push_back(args.compare);
  return setting;
}

// From the labels of the job's initial dataset alone: what was known before the replay began.
Status add_baselines(Session& session, const Setting& setting, Report& report) {
  const std::string& initial = setting.spec.data().initial();
  const auto snapshots = TRY(dataio::select_snapshots(initial, TRY(session.snapshots(initial))));
  std::vector<std::string> extra;
  if (!setting.table_by.column.empty()) extra.push_back(setting.table_by.column);
  const Rows january = TRY(read_labelled_rows(*setting.store, setting.spec.data(), snapshots, extra));
  const dataio::LabelRule rule(setting.spec.data().label());
  const Baselines baselines = TRY(Baselines::fit(rule, january, setting.table_by));
  report.table_by = setting.table_by.words();
  report.constant = figures_of(rule, setting.rows.labels, baselines.constant(setting.rows));
  report.table = figures_of(rule, setting.rows.labels, baselines.table(setting.rows));
  return ok_status();
}

Status add_cron(Session& session, const Setting& setting, const Arguments& args, const Driver& driver,
                const Say& say, Report& report) {
  CronRequest request{.fits = report.runs.size(), .first_version = args.compare > 0 ? args.compare : 1};
  if (!args.cron_fits.empty() && args.cron_fits != "auto") {
    const auto [end, error] =
        std::from_chars(args.cron_fits.data(), args.cron_fits.data() + args.cron_fits.size(), request.fits);
    if (error != std::errc() || end != args.cron_fits.data() + args.cron_fits.size())
      return invalid_argument("--cron takes a number of fits");
  }
  request.from_us = driver.begin_us();
  request.until_us = driver.end_us();
  request.run_takes = setting.driver.run_takes;
  request.dataset = args.dataset;
  request.key = args.session + "-cron";
  request.label = setting.spec.data().label();
  report.cron_fits = request.fits;
  const auto start = std::chrono::steady_clock::now();
  // Rows that --until cut off are not scored: the last segment ends with the replay.
  report.cron = TRY(run_cron(session, *setting.store, request, say));
  report.cron_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return ok_status();
}

Status whole(Session& session, NodeClient& node, const Setting& setting, const Arguments& args,
             const Say& say, Report& report) {
  report.model = args.model;
  report.dataset = args.dataset;
  const auto start = std::chrono::steady_clock::now();
  Driver driver(session, node, setting.rows, setting.spec, setting.driver, say);
  say(fmt::format("{} rows of {} in {} slots", setting.rows.times.size(), args.dataset,
                  setting.rows.slots.size()));
  TRY_STATUS(driver.run(report));
  report.replay_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  TRY_STATUS(add_baselines(session, setting, report));
  if (args.cron) TRY_STATUS(add_cron(session, setting, args, driver, say, report));
  return ok_status();
}

Result<net::ConnectClient> node_service(const Context& context, const Arguments& args) {
  return net::ConnectClient(args.node, TRY(context.token()), context.authority_file());
}

// Before the clock is taken: a wrong URL should not cost the patience of a restart.
Status check_node(const Arguments& args) {
  net::HttpClient http({.url = args.node, .token = {}});
  const Result<net::Reply> reply = http.request("GET", "/v2/health/live", {}, {}, net::Deadline(10'000));
  if (!reply.ok()) return reply.status().within("the serving node");
  if (reply->status != 200)
    return failed_precondition(fmt::format("{} is no serving node: it answers {}", args.node, reply->status));
  return ok_status();
}

// The clock goes back to the wall's, also after a failure; a fresh connection, because an interrupted one
// stays so.
Status release(const Context& context, const Arguments& args) {
  Session session(TRY(context.connect()), TRY(node_service(context, args)), args.model, args.session,
                  std::chrono::seconds(5));
  return session.end().status();
}

Result<int> replay_verb(const Context& context, Arguments args) {
  if (args.session.empty()) args.session = "replay-" + new_uuid();
  Session session(TRY(context.connect()), TRY(node_service(context, args)), args.model, args.session,
                  std::chrono::seconds(120));
  Interrupt interrupt([&session] { session.interrupt(); });
  TRY_STATUS(check_node(args));
  const Setting setting = TRY(prepare(session, args));
  NodeClient node({.url = args.node,
                   .token = TRY(context.token()),
                   .model = args.model,
                   .rule = dataio::LabelRule(setting.spec.data().label()),
                   .interrupted = &session.interrupted()});
  Report report;
  const Status done = whole(
      session, node, setting, args, [&context](const std::string& line) { context.say(line); }, report);
  const Status released = release(context, args);
  if (!done.ok()) {
    if (interrupt.happened())
      return Status(Code::kCanceled, "interrupted; the model's clock is the wall clock again");
    return done;
  }
  if (!released.ok()) return released.within("giving the clock back");
  if (!args.report.empty()) TRY_STATUS(write_file_durably(args.report, json_of(report), 0644));
  if (context.json)
    print(json_of(report));
  else
    context.say(summary(report));
  return report.requests_failed == 0 ? kOk : kFailed;
}

}  // namespace

void add_replay_verb(CLI::App& app, Context& context, Verb& verb) {
  auto args = std::make_shared<Arguments>();
  CLI::App* sub = app.add_subcommand(kReplay.name, kReplay.description);
  sub->add_option("MODEL", args->model)->required();
  sub->add_option("--dataset", args->dataset, "rows to send: NAME[@FIRST..LAST]")->required();
  sub->add_option("--node", args->node, "URL of a serving node")->required()->type_name("URL");
  sub->add_option("--group-by", args->group_by,
                  "one request per slot and value of this column; none: one per slot")
      ->type_name("COLUMN");
  sub->add_option("--until", args->until, "rows before this time alone")->type_name("TIME");
  sub->add_option("--run-takes", args->run_takes, "model clock from a trigger to its run's verdict")
      ->capture_default_str();
  sub->add_option("--labels-after", args->labels_after,
                  "model clock from a request to its labels (default: the job's label.matures)");
  sub->add_option("--pin", args->pins, "keep this version loaded on all nodes");
  sub->add_option("--compare", args->compare,
                  "score this version, left as it is, beside the served one (pins it)");
  sub->add_option("--table-by", args->table_by,
                  "cells of the table of rates: COLUMN or COLUMN/WIDTH (default: hour of the event time)");
  CLI::Option* cron =
      sub->add_option(
             "--cron", args->cron_fits,
             "afterwards, compare with so many evenly spaced fits (default: as many as the loop made)")
          ->expected(0, 1);
  sub->add_option("--report", args->report, "write the figures as JSON")->type_name("FILE");
  sub->add_option("--patience", args->patience, "how long a standing clock is waited for")
      ->capture_default_str();
  sub->add_option("--session", args->session,
                  "name of this replay; that of one that was cut off goes on where its clock stands");
  sub->callback([&context, &verb, args, cron] {
    args->cron = cron->count() > 0;
    verb = [&context, args] { return replay_verb(context, *args); };
  });
}

}  // namespace rekindle::cli
