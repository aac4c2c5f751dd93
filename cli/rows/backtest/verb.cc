// backtest: what a job's policy would have cost and gained on history. Finds the rows and hands everything to
// rekindle-backtest, which this process becomes: it holds LibTorch, the command line does not.
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "artifacts/store.h"
#include "base/files.h"
#include "base/units.h"
#include "cli/daemon_process.h"
#include "cli/exit_codes.h"
#include "cli/job_file.h"
#include "cli/output.h"
#include "cli/rows/permute.h"
#include "cli/rows/verbs.h"
#include "dataio/import.h"
#include "jobs/spec.h"
#include "proto/time.h"
#include "rekindle/v1/api.pb.h"
#include "rekindle/v1/backtest.pb.h"

namespace rekindle::cli {
namespace {

struct BacktestArguments {
  std::string spec, data, import, source, cache, group_by, until, label_delay, html;
  std::string slice = "28d", run_takes = "1h", trees = "auto";
  std::vector<std::string> policies;
  std::optional<uint64_t> permute_seed;
  uint32_t seeds = 1;
  uint64_t suggest = 0;
  std::vector<std::string> changed;
};

// Where the backtest keeps blobs: of fits, of the job's code, of rows that no coordinator has.
fs::path kept_in(const v1::BacktestRequest& request) {
  return fs::path(request.cache()) / "artifacts";
}

// Rows of files, without a coordinator. Importing them again stores nothing twice.
Status import_rows(const Context& context, const BacktestArguments& args, artifacts::Store& store,
                   v1::BacktestRequest& request) {
  const v1::ImportSpec spec = TRY(jobs::parse_import(TRY(read_file(args.import, 2 << 20)), args.import));
  const auto say = [&context](std::string_view line) {
    if (!context.json && !context.quiet) print_error(line);
  };
  std::vector<v1::DatasetSnapshot> snapshots = TRY(dataio::import_dataset(spec, args.source, store, say));
  if (args.permute_seed) snapshots = TRY(permute_times(snapshots, *args.permute_seed, store));
  request.mutable_snapshots()->Add(snapshots.begin(), snapshots.end());
  request.set_artifacts(kept_in(request).string());
  return ok_status();
}

// Rows that a coordinator knows, from the folder that it keeps them in.
Status ask_coordinator(const Context& context, v1::BacktestRequest& request) {
  Result<net::ConnectClient> client = context.connect();
  if (!client.ok())
    return client.status().within(
        "finding the rows (with --import SPEC --source DIR no coordinator is asked)");
  const auto status =
      TRY((client->call<v1::StatusRequest, v1::StatusResponse>("rekindle.v1.AdminService/Status", {})));
  const auto list = TRY((client->call<v1::ListDatasetsRequest, v1::ListDatasetsResponse>(
      "rekindle.v1.DataService/ListDatasets", {})));
  *request.mutable_snapshots() = list.snapshots();
  request.set_artifacts(status.artifacts());
  return ok_status();
}

Result<v1::BacktestRequest> request_of(const Context& context, const BacktestArguments& args) {
  v1::BacktestRequest request;
  *request.mutable_spec() = TRY(load_job(args.spec));
  request.set_data(args.data);
  request.mutable_policies()->Add(args.policies.begin(), args.policies.end());
  *request.mutable_slice() = to_proto(TRY(parse_duration(args.slice)));
  *request.mutable_run_takes() = to_proto(TRY(parse_duration(args.run_takes)));
  if (!args.label_delay.empty())
    *request.mutable_label_delay() = to_proto(TRY(parse_duration(args.label_delay)));
  request.set_group_by(args.group_by);
  if (!args.until.empty()) request.set_until_us(to_micros(TRY(parse_time(args.until))));
  if (!args.html.empty()) request.set_html(fs::absolute(args.html).string());
  request.set_json(context.json);
  request.set_quiet(context.quiet);
  request.set_seeds(args.seeds);
  request.set_suggest(args.suggest);
  request.set_trees(args.trees);
  for (const std::string& time : args.changed) request.add_changed_us(to_micros(TRY(parse_time(time))));
  const fs::path cache = args.cache.empty() ? context.cache_folder() / "backtest" : fs::path(args.cache);
  request.set_cache(fs::absolute(cache).string());
  TRY_STATUS(make_folders_durably(kept_in(request)));
  const auto store = TRY(artifacts::open_folder_store(kept_in(request)));
  TRY_STATUS(add_code(args.spec, store.get(), *request.mutable_spec()));
  if (args.import.empty())
    TRY_STATUS(ask_coordinator(context, request));
  else
    TRY_STATUS(import_rows(context, args, *store, request));
  return request;
}

// Returns only when the program could not be started.
Status become(const fs::path& program, const v1::BacktestRequest& request) {
  const Fd input(memfd_create("request", 0));
  if (!input.valid()) return errno_status("making", "the request");
  TRY_STATUS(write_all(input.get(), request.SerializeAsString(), "the request"));
  if (lseek(input.get(), 0, SEEK_SET) < 0 || dup2(input.get(), STDIN_FILENO) < 0)
    return errno_status("handing over", "the request");
  std::string name = program.string();
  char* argv[] = {name.data(), nullptr};
  execv(argv[0], argv);
  return errno_status("starting", program);
}

Result<int> backtest(const Context& context, const BacktestArguments& args) {
  const fs::path program = TRY(sibling_program("rekindle-backtest"));
  return become(program, TRY(request_of(context, args)));
}

}  // namespace

void add_backtest_verb(CLI::App& app, Context& context, Verb& verb) {
  auto args = std::make_shared<BacktestArguments>();
  CLI::App* sub = app.add_subcommand(kBacktest.name, kBacktest.description);
  sub->add_option("SPEC", args->spec, "job spec")->required();
  sub->add_option("--data", args->data, "the history: NAME[@FIRST..LAST]; rows of version 1 are left out")
      ->required()
      ->type_name("DATASET");
  CLI::Option* import =
      sub->add_option("--import", args->import, "import spec of the rows; else the coordinator is asked")
          ->type_name("SPEC");
  sub->add_option("--source", args->source, "folder that holds the import's files")
      ->type_name("DIR")
      ->needs(import);
  sub->add_option("--permute-times", args->permute_seed,
                  "deal the imported rows' times out anew: a control in which nothing drifts")
      ->type_name("SEED")
      ->needs(import);
  sub->add_option("--policy", args->policies,
                  "rekindle, never, always, every:28d, cron[:N], adwin[:0.002], ddm, hddm-a, static:LOSS, "
                  "dynamic[:10%], regret[:LOSS]; several times (default: rekindle, never, cron, always)")
      ->type_name("P")
      ->allow_extra_args(false);
  sub->add_option("--slice", args->slice, "quality is told, and fits may be chosen, by such slices")
      ->capture_default_str();
  sub->add_option("--label-delay", args->label_delay,
                  "from an event to its label (default: the spec's label.matures)");
  sub->add_option("--run-takes", args->run_takes, "from the decision to fit until the fit may serve")
      ->capture_default_str();
  sub->add_option("--group-by", args->group_by, "one request per slot and value of this column")
      ->type_name("COLUMN");
  sub->add_option("--until", args->until, "rows before this time alone")->type_name("TIME");
  sub->add_option("--suggest", args->suggest,
                  "propose a policy that makes at most so many fits, tuned on the first third alone")
      ->type_name("FITS")
      ->check(CLI::Range(1, 1000));
  sub->add_option("--changed", args->changed,
                  "when the world is known to have changed: delays are told from there; several times")
      ->type_name("TIME")
      ->allow_extra_args(false);
  sub->add_option("--seeds", args->seeds,
                  "repeat with so many seeds in all and tell how far losses lie apart")
      ->capture_default_str()
      ->check(CLI::Range(1, 20));
  sub->add_option("--trees", args->trees,
                  "the reference of boosted trees: auto (where LightGBM is installed), no, or its library")
      ->type_name("auto|no|FILE")
      ->capture_default_str();
  sub->add_option("--html", args->html, "write the report as a page")->type_name("FILE");
  sub->add_option("--cache", args->cache,
                  "folder of fits that were made before (else $XDG_CACHE_HOME/rekindle/backtest)")
      ->type_name("DIR");
  sub->callback([&context, &verb, args] { verb = [&context, args] { return backtest(context, *args); }; });
}

}  // namespace rekindle::cli
