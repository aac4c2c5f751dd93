// The verbs that read rows themselves: programs that have them hold the libraries of columns.
#pragma once

#include "cli/verbs/verbs.h"

namespace rekindle::cli {

void add_init_verb(CLI::App& app, Context& context, Verb& verb);
void add_dataset_verbs(CLI::App& app, Context& context, Verb& verb);  // dataset import, dataset list
void add_replay_verb(CLI::App& app, Context& context, Verb& verb);
void add_backtest_verb(CLI::App& app, Context& context, Verb& verb);
void add_watch_verb(CLI::App& app, Context& context, Verb& verb);

}  // namespace rekindle::cli
