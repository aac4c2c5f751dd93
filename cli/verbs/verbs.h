// The verbs of `rekindle`, by what they are about. Each add_ function adds its verbs to the app; choosing one
// sets `verb`, which main runs. No verb keeps state of its own: the coordinator does.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/context.h"

namespace rekindle::cli {

void add_verbs(CLI::App& app, Context& context, Verb& verb);

// "unknown verb 'aply'; did you mean 'apply'?" where the first word is no verb; else nothing.
std::string verb_hint(const CLI::App& app, int argc, const char* const* argv);

void add_daemon_verbs(CLI::App& app, Context& context, Verb& verb);  // up down status doctor
void add_backup_verb(CLI::App& app, Context& context, Verb& verb);
void add_job_verbs(CLI::App& app, Context& context, Verb& verb);        // apply validate plan explain
void add_run_verbs(CLI::App& app, Context& context, Verb& verb);        // run wait cancel approve
void add_show_verbs(CLI::App& app, Context& context, Verb& verb);       // get list describe logs
void add_queue_verbs(CLI::App& app, Context& context, Verb& verb);      // why-not top pools
void add_inventory_verbs(CLI::App& app, Context& context, Verb& verb);  // nodes cordon drain uncordon
void add_registry_verbs(CLI::App& app, Context& context, Verb& verb);   // versions alias rollback why freeze
void add_serving_verbs(CLI::App& app, Context& context, Verb& verb);    // serving quarantine
void add_drift_verb(CLI::App& app, Context& context, Verb& verb);
void add_score_verb(CLI::App& app, Context& context, Verb& verb);
void add_dataset_verbs(CLI::App& app, Context& context, Verb& verb);  // dataset import, dataset list
void add_init_verb(CLI::App& app, Context& context, Verb& verb);
void add_backtest_verb(CLI::App& app, Context& context, Verb& verb);
void add_watch_verb(CLI::App& app, Context& context, Verb& verb);
void add_replay_verb(CLI::App& app, Context& context, Verb& verb);
void add_access_verbs(CLI::App& app, Context& context, Verb& verb);  // token, audit, credential
void add_shell_verbs(CLI::App& app, Context& context, Verb& verb);   // completion version

}  // namespace rekindle::cli
