// rekindle: the command line. Each verb is one or two calls of the coordinator's API. Those that read rows
// are rekindle-rows', which this process becomes: to load the libraries of columns takes longer than most
// verbs.
#include <unistd.h>

#include <string>

#include "base/files.h"
#include "cli/command_line.h"
#include "cli/daemon_process.h"

namespace {

using namespace rekindle;

// Returns only when the program could not be started.
Status become_rows(char** argv) {
  const std::filesystem::path program = TRY(cli::sibling_program("rekindle-rows"));
  execv(program.c_str(), argv);
  return errno_status("starting", program);
}

}  // namespace

int main(int argc, char** argv) {
  return cli::run_command_line(argc, argv, [argv](CLI::App& app, cli::Context&, cli::Verb& verb) {
    for (const cli::VerbName& name : cli::kRowVerbs) {
      CLI::App* sub = app.add_subcommand(name.name, name.description);
      // Whatever follows is understood there.
      sub->set_help_flag();
      sub->fallthrough(false);
      sub->prefix_command();
      sub->callback([argv, &verb] { verb = [argv]() -> Result<int> { return become_rows(argv); }; });
    }
  });
}
