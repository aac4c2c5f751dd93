// rekindle-rows: the verbs of `rekindle` that read rows themselves, and `completion`, which knows all verbs.
#include "cli/command_line.h"
#include "cli/rows/verbs.h"

int main(int argc, char** argv) {
  using namespace rekindle::cli;
  return run_command_line(argc, argv, [](CLI::App& app, Context& context, Verb& verb) {
    add_init_verb(app, context, verb);
    add_dataset_verbs(app, context, verb);
    add_replay_verb(app, context, verb);
    add_backtest_verb(app, context, verb);
    add_watch_verb(app, context, verb);
    add_completion_verb(app, verb);
  });
}
