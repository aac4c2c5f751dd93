#include "cli/verbs/verbs.h"
namespace rekindle::cli {
void add_replay_verb(CLI::App&, Context&, Verb&) {}
}
