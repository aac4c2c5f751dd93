// drift: has a model's world moved, by what measure, and what follows.
#include <memory>

#include "cli/drift/words.h"
#include "cli/exit_codes.h"
#include "cli/output.h"
#include "cli/verbs/verbs.h"

namespace rekindle::cli {
namespace {

struct DriftArguments {
  std::string model;
  uint32_t judgements = 0;
};

Result<int> drift(const Context& context, const DriftArguments& args) {
  v1::DriftStatusRequest request;
  request.set_model(args.model);
  request.set_judgements(args.judgements);
  const auto status =
      TRY((call<v1::DriftStatusResponse>(context, "rekindle.v1.DataService/DriftStatus", request)));
  if (context.json) {
    print(json_of(status));
    return kOk;
  }
  print(drift_text(args.model, status));
  if (status.judgements_size() > 0) print("\n" + judgements_table(status));
  return kOk;
}

}  // namespace

void add_drift_verb(CLI::App& app, Context& context, Verb& verb) {
  auto args = std::make_shared<DriftArguments>();
  CLI::App* sub = app.add_subcommand(
      "drift", "scores, thresholds and windows of a model, and the reason for or against a run");
  sub->add_option("MODEL", args->model)->required();
  sub->add_option("--last", args->judgements, "also what was made of the newest so many time slots")
      ->check(CLI::Range(1, 1000));
  sub->callback([&context, &verb, args] { verb = [&context, args] { return drift(context, *args); }; });
}

}  // namespace rekindle::cli
