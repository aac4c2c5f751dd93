// The verbs of `rekindle`, by what they are about. Each add_ function adds its verbs to the app; choosing one
// sets `verb`, which main runs. No verb keeps state of its own: the coordinator does.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>

#include "cli/context.h"

namespace rekindle::cli {

// `add_row_verbs` adds the verbs of kRowVerbs, or what stands for them.
using AddVerbs = std::function<void(CLI::App& app, Context& context, Verb& verb)>;
void add_verbs(CLI::App& app, Context& context, Verb& verb, const AddVerbs& add_row_verbs);

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
void add_access_verbs(CLI::App& app, Context& context, Verb& verb);  // token, audit, credential
void add_completion_verb(CLI::App& app, Verb& verb);
void add_version_verb(CLI::App& app, Context& context, Verb& verb);

// What rekindle-rows is asked for by `rekindle`: verbs that read rows themselves (cli/rows/), and completion,
// which has to know them all.
struct VerbName {
  const char* name;
  const char* description;
};
inline constexpr VerbName kInit{
    "init", "write specs from a CSV or Parquet file, and say which columns look like leaks"};
inline constexpr VerbName kDataset{"dataset", "rows that runs are trained on and replays send"};
inline constexpr VerbName kReplay{"replay",
                                  "send a dataset's rows to a serving node in event time and watch the loop"};
inline constexpr VerbName kBacktest{"backtest",
                                    "what a job's retraining policy would have cost and gained on history"};
inline constexpr VerbName kWatch{
    "watch", "score new files against a reference, without a coordinator; report drift, or run a command"};
inline constexpr VerbName kCompletion{"completion", "what the shell needs to complete rekindle's words"};
inline constexpr VerbName kRowVerbs[] = {kInit, kDataset, kReplay, kBacktest, kWatch, kCompletion};

}  // namespace rekindle::cli
