#include "cli/verbs/verbs.h"

#include <fmt/format.h>

#include <algorithm>

#include "jobs/problems.h"

namespace rekindle::cli {

void add_verbs(CLI::App& app, Context& context, Verb& verb, const AddVerbs& add_row_verbs) {
  app.name("rekindle");
  app.description("Keeps deployed models fresh: watch, retrain, prove, publish, serve.");
  app.footer(
      "Exit codes: 0 ok, 1 failed, 2 refused, 3 not found, 4 conflict, 5 no coordinator, 6 timeout,\n"
      "7 not allowed; of wait and run --wait: 10 rejected, 11 failed, 12 cancelled, 13 held.");
  app.require_subcommand(1);
  app.fallthrough();  // global options may stand after the verb
  app.add_option("--server", context.server,
                 "URL of the coordinator (else $REKINDLE_SERVER, else STATE/address)")
      ->type_name("URL");
  app.add_option("--state", context.state,
                 "state folder (else $REKINDLE_STATE, else ~/.local/state/rekindle)")
      ->type_name("DIR");
  app.add_option("--token-file", context.token_file, "file with the operator's token (else STATE/token)")
      ->type_name("FILE");
  app.add_option("--ca", context.authority,
                 "PEM file of the authority of an https server (else $REKINDLE_CA, else STATE/tls/ca.pem)")
      ->type_name("FILE");
  app.add_flag("--json", context.json, "print the API's message as JSON");
  app.add_flag("-q,--quiet", context.quiet, "say only what was asked for");
  add_daemon_verbs(app, context, verb);
  add_backup_verb(app, context, verb);
  add_job_verbs(app, context, verb);
  add_run_verbs(app, context, verb);
  add_show_verbs(app, context, verb);
  add_queue_verbs(app, context, verb);
  add_inventory_verbs(app, context, verb);
  add_registry_verbs(app, context, verb);
  add_serving_verbs(app, context, verb);
  add_drift_verb(app, context, verb);
  add_score_verb(app, context, verb);
  add_access_verbs(app, context, verb);
  add_row_verbs(app, context, verb);
  add_version_verb(app, context, verb);
}

std::string verb_hint(const CLI::App& app, int argc, const char* const* argv) {
  std::vector<std::string> verbs;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    verbs.push_back(sub->get_name());
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--server" || word == "--state" || word == "--token-file" || word == "--ca")
      ++i;  // its value is no verb
    if (word.starts_with('-')) continue;
    if (std::find(verbs.begin(), verbs.end(), word) != verbs.end()) return {};
    const std::string near = jobs::nearest(word, verbs);
    return fmt::format("unknown verb '{}'{}", word,
                       near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
  }
  return {};
}

}  // namespace rekindle::cli
