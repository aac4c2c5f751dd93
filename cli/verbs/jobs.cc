// apply, validate, plan, explain.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <memory>

#include "artifacts/store.h"
#include "base/clock.h"
#include "cli/exit_codes.h"
#include "cli/job_file.h"
#include "cli/output.h"
#include "cli/verbs/verbs.h"
#include "jobs/explain.h"
#include "jobs/spec.h"
#include "jobs/task.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::cli {
namespace {

Status add_codes(const std::vector<std::string>& files, net::ConnectClient& client,
                 std::vector<v1::JobSpec>& specs) {
  if (std::all_of(specs.begin(), specs.end(), [](const auto& spec) { return spec.train().code().empty(); }))
    return ok_status();
  const auto status =
      TRY((client.call<v1::StatusRequest, v1::StatusResponse>("rekindle.v1.AdminService/Status", {})));
  const auto store = TRY(artifacts::open_folder_store(status.artifacts()));
  for (size_t i = 0; i < specs.size(); ++i)
    TRY_STATUS(add_code(files[i], store.get(), specs[i]).within(files[i]));
  return ok_status();
}

Result<int> apply_specs(const Context& context, const std::vector<std::string>& files) {
  std::vector<v1::JobSpec> specs;  // all are read before the first is applied
  for (const std::string& file : files) specs.push_back(TRY(load_job(file)));
  net::ConnectClient client = TRY(context.connect());
  TRY_STATUS(add_codes(files, client, specs));
  for (const v1::JobSpec& spec : specs) {
    v1::ApplyRequest request;
    *request.mutable_spec() = spec;
    const auto response =
        TRY((client.call<v1::ApplyRequest, v1::ApplyResponse>("rekindle.v1.JobService/Apply", request)));
    if (context.json) print(json_of(response));
    context.say(fmt::format("{} revision {} {}", response.job().name(), response.job().revision(),
                            response.changed() ? "applied" : "unchanged"));
  }
  if (specs.size() == 1) context.say(fmt::format("next: rekindle run {}", specs[0].name()));
  return kOk;
}

// A spec of either kind: what an import is, its reader knows.
Result<std::string> validated(const std::string& text, const std::string& file, std::string& kind) {
  const Result<v1::JobSpec> job = jobs::parse_job(text, file);
  kind = "job";
  if (job.ok()) return job->name();
  const Result<v1::ImportSpec> import = jobs::parse_import(text, file);
  // The one that complains less about unknown keys is the one that was meant.
  if (import.ok() || text.find("\ndataset:") != std::string::npos || text.starts_with("dataset:")) {
    kind = "import";
    if (!import.ok()) return import.status();
    return import->dataset();
  }
  return job.status();
}

Result<int> validate(const Context& context, const std::vector<std::string>& files) {
  boost::json::array reports;
  int code = kOk;
  for (const std::string& file : files) {
    const Result<std::string> text = read_spec(file);
    std::string kind;
    const Result<std::string> name =
        text.ok() ? validated(*text, file, kind) : Result<std::string>(text.status());
    if (!name.ok()) code = code == kOk ? exit_code_of(name.status()) : code;
    if (context.json) {
      boost::json::object report{{"file", file}, {"ok", name.ok()}};
      if (name.ok())
        report["kind"] = kind, report["name"] = *name;
      else
        report["problems"] = name.status().message();
      reports.push_back(std::move(report));
    } else if (name.ok()) {
      context.say(fmt::format("{}: {} ({} {})", file, paint(Colour::kGreen, "ok"), kind, *name));
    } else {
      print_error(name.status().message());
    }
  }
  if (context.json) print(boost::json::serialize(boost::json::object{{"files", reports}}) + "\n");
  return code;
}

struct PlanArguments {
  std::string file;
  std::string as_of;
  std::string pool;
  bool resolved = false;
};

void print_placement(const v1::PlanRunResponse& plan, bool task) {
  uint64_t rows = 0;
  for (const v1::DatasetSnapshot& snapshot : plan.data()) rows += snapshot.rows();
  if (task)
    print("task        a command without data: its runs end `completed` and make no version\n");
  else
    print(fmt::format("data        {} snapshots, {} rows\n", plan.data_size(), rows));
  if (plan.has_windows()) {
    const v1::Windows& w = plan.windows();
    print(fmt::format("train       {} to {}{}\n", time_text(w.train_from_us()), time_text(w.valid_from_us()),
                      plan.train_rows() > 0 ? fmt::format(", {} rows", plan.train_rows()) : ""));
    for (int i = 0; i < w.candidates_from_us_size(); ++i)
      print(fmt::format("candidate {} {} to {}\n", i + 1, time_text(w.candidates_from_us(i)),
                        time_text(w.valid_from_us())));
    print(
        fmt::format("validation  {} to {}\n", time_text(w.valid_from_us()), time_text(w.holdout_from_us())));
    print(fmt::format("holdout     {} to {}\n", time_text(w.holdout_from_us()), time_text(w.until_us())));
  }
  if (!task)
    print(fmt::format("champion    {}\n",
                      plan.champion() == 0 ? "none yet" : fmt::format("version {}", plan.champion())));
  if (!plan.placement().empty()) print(fmt::format("placement   {}\n", plan.placement()));
  for (const v1::Unheeded& one : plan.unheeded())
    print(fmt::format("{} {}: {}\n", paint(Colour::kYellow, one.waived() ? "waived     " : "unheeded   "),
                      one.field(), one.reason()));
  for (const std::string& problem : plan.problems())
    print(fmt::format("{} {}\n", paint(Colour::kYellow, "problem    "), problem));
}

// The exact text, to be looked at or handed to the cluster's operators.
void print_launch(const v1::PlanRunResponse& plan) {
  if (!plan.launch().empty()) print(fmt::format("\n{}", plan.launch()));
}

void print_resolved(const std::vector<jobs::ResolvedField>& fields) {
  TextTable table({"FIELD", "VALUE", "WHY"});
  for (const jobs::ResolvedField& field : fields)
    table.add({field.path, field.value,
               field.was_default ? "default: " + field.reason : paint(Colour::kGrey, field.reason)});
  print(table.text());
}

boost::json::value json_value(const google::protobuf::Message& message) {
  return boost::json::parse(json_of(message));
}

Result<int> plan(const Context& context, const PlanArguments& args) {
  v1::JobSpec spec = TRY(load_job(args.file));
  if (!args.pool.empty()) spec.set_pool(args.pool);
  TRY_STATUS(add_code(args.file, nullptr, spec));
  const jobs::Resolved resolved = TRY(jobs::resolve(spec));
  v1::PlanRunRequest request;
  *request.mutable_spec() = spec;
  if (!args.as_of.empty()) request.set_as_of_us(to_micros(TRY(parse_time(args.as_of))));
  // The spec is the author's; where it would run is known only where a coordinator answers.
  const Result<v1::PlanRunResponse> placed =
      call<v1::PlanRunResponse>(context, "rekindle.v1.JobService/PlanRun", request);
  const bool offline = !placed.ok() && (placed.status().code() == Code::kUnavailable ||
                                        placed.status().code() == Code::kPermissionDenied);
  if (!placed.ok() && !offline) return placed.status();
  if (context.json) {
    boost::json::object out{{"spec", json_value(resolved.spec)},
                            {"specSha256", jobs::spec_sha256(resolved.spec)}};
    boost::json::array fields;
    for (const jobs::ResolvedField& f : resolved.fields)
      fields.push_back(
          {{"path", f.path}, {"value", f.value}, {"reason", f.reason}, {"wasDefault", f.was_default}});
    out["resolved"] = std::move(fields);
    out["placement"] = placed.ok() ? json_value(*placed) : boost::json::value(nullptr);
    print(boost::json::serialize(out) + "\n");
    return kOk;
  }
  print(fmt::format("{}   spec {}\n", paint(Colour::kBold, spec.name()),
                    jobs::spec_sha256(resolved.spec).substr(0, 12)));
  if (args.resolved) print_resolved(resolved.fields);
  if (placed.ok()) {
    print_placement(*placed, jobs::is_task(resolved.spec));
    if (!args.pool.empty()) print_launch(*placed);
  } else {
    print(fmt::format("placement   unknown: {}\n", placed.status().message()));
  }
  return kOk;
}

Result<int> explain(const Context& context, const std::string& field) {
  const std::string text = TRY(jobs::explain(field));
  if (context.json)
    print(boost::json::serialize(boost::json::object{{"field", field}, {"text", text}}) + "\n");
  else
    print(text);
  return kOk;
}

}  // namespace

void add_job_verbs(CLI::App& app, Context& context, Verb& verb) {
  auto files = std::make_shared<std::vector<std::string>>();
  CLI::App* sub = app.add_subcommand("apply", "hand job specs to the coordinator; starts no run");
  sub->add_option("FILE", *files, "job specs, - for standard input")->required();
  sub->callback(
      [&context, &verb, files] { verb = [&context, files] { return apply_specs(context, *files); }; });

  sub = app.add_subcommand("validate", "check job and import specs; needs no coordinator");
  sub->add_option("FILE", *files, "specs, - for standard input")->required();
  sub->callback([&context, &verb, files] { verb = [&context, files] { return validate(context, *files); }; });

  auto args = std::make_shared<PlanArguments>();
  sub = app.add_subcommand("plan", "what a run of a spec would do, without side effects");
  sub->add_option("FILE", args->file, "job spec, - for standard input")->required();
  sub->add_flag("--resolved", args->resolved, "every value with its reason");
  sub->add_option("--pool", args->pool,
                  "as if the spec named this pool; also prints how it would be launched");
  sub->add_option("--as-of", args->as_of, "as if the run were started then")->type_name("TIME");
  sub->callback([&context, &verb, args] { verb = [&context, args] { return plan(context, *args); }; });

  auto field = std::make_shared<std::string>();
  sub = app.add_subcommand("explain", "what a field of the job spec is, its default and why");
  sub->add_option("FIELD", *field, "such as train.batch; none: the top level");
  sub->callback([&context, &verb, field] { verb = [&context, field] { return explain(context, *field); }; });
}

}  // namespace rekindle::cli
