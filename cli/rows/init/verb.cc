// init: specs from a file.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>
#include <optional>

#include "base/files.h"
#include "base/ids.h"
#include "cli/exit_codes.h"
#include "cli/output.h"
#include "cli/rows/init/drafts.h"
#include "cli/rows/verbs.h"
#include "dataio/importing/source.h"
#include "jobs/spec.h"

namespace rekindle::cli {
namespace {

namespace json = boost::json;

struct InitArguments {
  std::string file, label, time, name, out = ".";
};

std::string_view use_word(Use use) {
  switch (use) {
    case Use::kTime:
      return "time";
    case Use::kLabel:
      return "label";
    case Use::kNumeric:
      return "numeric";
    case Use::kCategorical:
      return "categorical";
    case Use::kSuspect:
      return "suspect";
    case Use::kLeftOut:
      return "left out";
  }
  return "";
}

Result<Inspection> inspect_file(const InitArguments& args) {
  const fs::path file = args.file;
  v1::SourceFile source;
  source.set_file(file.filename().string());
  source.set_missing("NA");
  const fs::path folder = file.parent_path().empty() ? fs::path(".") : file.parent_path();
  const dataio::SourceTable header = TRY(dataio::load_source(source, folder, {}));
  const dataio::SourceTable all = TRY(dataio::load_source(source, folder, header.header));
  return inspect(all.table, args.time, args.label);
}

struct Drafts {
  std::string name;
  fs::path import_file, job_file;
  std::string import_text, job_text;
};

// Both texts, proved by the readers that will read them, and that neither file is there yet.
Result<Drafts> draft(const InitArguments& args, const Inspection& found) {
  Drafts out;
  out.name = args.name.empty() ? name_from_file(args.file) : args.name;
  if (!valid_name(out.name))
    return invalid_argument(fmt::format("'{}' is no name: lower-case letters, digits, dashes", out.name));
  bool features = false;
  for (const Finding& f : found.findings) features |= f.use == Use::kNumeric || f.use == Use::kCategorical;
  if (!features) return invalid_argument("no column is left to predict from; see what was found with --json");
  const std::string dataset = out.name + "-rows";
  out.import_file = fs::path(args.out) / (out.name + ".import.yaml");
  out.job_file = fs::path(args.out) / (out.name + ".yaml");
  out.import_text = draft_import(found, dataset, args.file);
  out.job_text = draft_job(found, out.name, dataset);
  TRY_STATUS(jobs::parse_import(out.import_text, out.import_file.string()).status());
  TRY_STATUS(jobs::parse_job(out.job_text, out.job_file.string()).status());
  for (const fs::path& file : {out.import_file, out.job_file})
    if (fs::exists(file))
      return already_exists(fmt::format(
          "{} exists and is left as it is; take another --name or --out, or remove it", file.string()));
  return out;
}

json::value json_of(const Inspection& found, const Drafts& drafts) {
  json::array columns;
  for (const Finding& f : found.findings) {
    json::object column{{"column", f.column},
                        {"use", use_word(f.use)},
                        {"reason", f.reason},
                        {"missing", f.missing},
                        {"distinct", f.distinct}};
    column["explains"] = f.explains < 0 ? json::value() : json::value(f.explains);
    columns.push_back(std::move(column));
  }
  return json::object{{"rows", found.rows},
                      {"labelled", found.labelled},
                      {"from", format_time(found.first)},
                      {"until", format_time(found.last)},
                      {"columns", std::move(columns)},
                      {"import_spec", drafts.import_file.string()},
                      {"job_spec", drafts.job_file.string()}};
}

Result<int> init(const Context& context, const InitArguments& args) {
  const Inspection found = TRY(inspect_file(args));
  const Drafts drafts = TRY(draft(args, found));
  TRY_STATUS(write_file_durably(drafts.import_file, drafts.import_text, 0644));
  TRY_STATUS(write_file_durably(drafts.job_file, drafts.job_text, 0644));
  if (context.json) {
    print(json::serialize(json_of(found, drafts)) + "\n");
    return kOk;
  }
  TextTable table({"COLUMN", "USE", "VALUES", "MISSING", "ALONE", "WHY"});
  for (const Finding& f : found.findings)
    table.add({f.column, std::string(use_word(f.use)),
               f.distinct > kDistinctMax ? fmt::format(">{}", kDistinctMax) : fmt::format("{}", f.distinct),
               fmt::format("{:.1f} %", 100 * f.missing),
               f.explains < 0 ? "-" : fmt::format("{:.0f} %", 100 * std::max(0.0, f.explains)), f.reason});
  context.say(table.text());
  context.say(fmt::format("wrote {} and {}; look at what was left out, then:", drafts.import_file.string(),
                          drafts.job_file.string()));
  const fs::path parent = fs::path(args.file).parent_path();
  context.say(fmt::format("  rekindle dataset import {} --source {}", drafts.import_file.string(),
                          parent.empty() ? "." : parent.string()));
  context.say(fmt::format("  rekindle apply {} && rekindle run {}", drafts.job_file.string(), drafts.name));
  return kOk;
}

}  // namespace

void add_init_verb(CLI::App& app, Context& context, Verb& verb) {
  auto args = std::make_shared<InitArguments>();
  CLI::App* sub = app.add_subcommand(kInit.name, kInit.description);
  sub->add_option("FILE", args->file, "CSV, a zip that holds one, or Parquet")->required();
  sub->add_option("--label", args->label, "column that is predicted")->required()->type_name("COLUMN");
  sub->add_option("--time", args->time, "column that holds the event time")->required()->type_name("COLUMN");
  sub->add_option("--name", args->name, "of the job; default: the file's")->type_name("NAME");
  sub->add_option("--out", args->out, "folder that the specs are written to; default: here")
      ->type_name("DIR");
  sub->callback([&context, &verb, args] { verb = [&context, args] { return init(context, *args); }; });
}

}  // namespace rekindle::cli
