#include "cli/command_line.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string_view>

#include "cli/exit_codes.h"
#include "cli/output.h"

namespace rekindle::cli {
namespace {

bool colour_wanted() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return isatty(STDOUT_FILENO) && !(no_colour && *no_colour) && terminal &&
         std::string_view(terminal) != "dumb";
}

}  // namespace

int run_command_line(int argc, char** argv, const AddVerbs& add_row_verbs) {
  std::signal(SIGPIPE, SIG_IGN);
  use_colour(colour_wanted());
  Context context;
  Verb verb;
  CLI::App app;
  add_verbs(app, context, verb, add_row_verbs);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    if (const std::string hint = verb_hint(app, argc, argv); !hint.empty()) print_error(hint);
    return kRefused;
  }
  const Result<int> code = verb();
  if (code.ok()) return *code;
  print_error(code.status().message());
  return exit_code_of(code.status());
}

}  // namespace rekindle::cli
