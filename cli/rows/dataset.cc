// dataset import, dataset list.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>
#include <optional>

#include "artifacts/store.h"
#include "base/files.h"
#include "base/units.h"
#include "cli/exit_codes.h"
#include "cli/output.h"
#include "cli/rows/permute.h"
#include "cli/rows/verbs.h"
#include "dataio/import.h"
#include "jobs/spec.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::cli {
namespace {

struct ImportArguments {
  std::string spec, source;
  std::optional<uint64_t> permute_seed;
};

Result<std::vector<v1::DatasetSnapshot>> import_into(const ImportArguments& args, const v1::ImportSpec& spec,
                                                     artifacts::Store& store, const Context& context) {
  const auto say = [&context](std::string_view line) { context.say(line); };
  std::vector<v1::DatasetSnapshot> snapshots = TRY(dataio::import_dataset(spec, args.source, store, say));
  if (!args.permute_seed) return snapshots;
  context.say(fmt::format("permuting times with seed {}", *args.permute_seed));
  return permute_times(snapshots, *args.permute_seed, store);
}

Result<int> import(const Context& context, const ImportArguments& args) {
  const std::string text = TRY(read_file(args.spec, 2 << 20));
  const v1::ImportSpec spec = TRY(jobs::parse_import(text, args.spec));
  net::ConnectClient client = TRY(context.connect());
  const auto status =
      TRY((client.call<v1::StatusRequest, v1::StatusResponse>("rekindle.v1.AdminService/Status", {})));
  const auto store = TRY(artifacts::open_folder_store(status.artifacts()));
  v1::ListDatasetsResponse registered;
  uint64_t rows = 0;
  for (const v1::DatasetSnapshot& snapshot : TRY(import_into(args, spec, *store, context))) {
    v1::AddSnapshotRequest request;
    *request.mutable_snapshot() = snapshot;
    auto added = TRY((client.call<v1::AddSnapshotRequest, v1::DatasetSnapshot>(
        "rekindle.v1.DataService/AddSnapshot", request)));
    rows += added.rows();
    *registered.add_snapshots() = std::move(added);
  }
  if (context.json) print(json_of(registered));
  context.say(fmt::format("{}: {} snapshots, {} rows", spec.dataset(), registered.snapshots_size(), rows));
  return kOk;
}

Result<int> list(const Context& context, const std::string& dataset) {
  v1::ListDatasetsRequest request;
  request.set_dataset(dataset);
  const auto list =
      TRY((call<v1::ListDatasetsResponse>(context, "rekindle.v1.DataService/ListDatasets", request)));
  if (context.json) {
    print(json_of(list));
    return kOk;
  }
  TextTable table({"SNAPSHOT", "ROWS", "SIZE", "FROM", "UNTIL", "SOURCE"});
  for (const v1::DatasetSnapshot& s : list.snapshots())
    table.add({fmt::format("{}@{}", s.dataset(), s.name()), fmt::format("{}", s.rows()),
               s.parts_size() > 0 ? format_bytes(s.parts(0).bytes()) : "-", time_text(s.first_time_us()),
               time_text(s.last_time_us()), s.source()});
  print(table.empty() ? "no datasets yet: rekindle dataset import SPEC --source DIR\n" : table.text());
  return kOk;
}

}  // namespace

void add_dataset_verbs(CLI::App& app, Context& context, Verb& verb) {
  CLI::App* dataset = app.add_subcommand(kDataset.name, kDataset.description);
  dataset->require_subcommand(1);
  auto args = std::make_shared<ImportArguments>();
  CLI::App* sub =
      dataset->add_subcommand("import", "make snapshots from CSV, Parquet or tar files as a spec says");
  sub->add_option("SPEC", args->spec)->required();
  sub->add_option("--source", args->source, "folder that holds the spec's files")
      ->required()
      ->type_name("DIR");
  sub->add_option("--permute-times", args->permute_seed,
                  "deal the rows' times out anew: a control without drift")
      ->type_name("SEED");
  sub->callback([&context, &verb, args] { verb = [&context, args] { return import(context, *args); }; });
  auto name = std::make_shared<std::string>();
  sub = dataset->add_subcommand("list", "snapshots that the coordinator knows");
  sub->add_option("DATASET", *name, "NAME[@FIRST..LAST]; default: all");
  sub->callback([&context, &verb, name] { verb = [&context, name] { return list(context, *name); }; });
}

}  // namespace rekindle::cli
