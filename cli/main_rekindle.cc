// rekindle: the command line. Each verb is one or two calls of the coordinator's API.
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdlib>
#include <string_view>

#include "cli/exit_codes.h"
#include "cli/output.h"
#include "cli/verbs/verbs.h"

namespace {

bool colour_wanted() {
  const char* no_colour = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return isatty(STDOUT_FILENO) && !(no_colour && *no_colour) && terminal &&
         std::string_view(terminal) != "dumb";
}

}  // namespace

int main(int argc, char** argv) {
  using namespace rekindle;
  std::signal(SIGPIPE, SIG_IGN);
  cli::use_colour(colour_wanted());
  cli::Context context;
  cli::Verb verb;
  CLI::App app;
  cli::add_verbs(app, context, verb);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const CLI::CallForAllHelp& help) {
    return app.exit(help);
  } catch (const CLI::ParseError& error) {
    app.exit(error);
    if (const std::string hint = cli::verb_hint(app, argc, argv); !hint.empty()) cli::print_error(hint);
    return cli::kRefused;
  }
  const Result<int> code = verb();
  if (code.ok()) return *code;
  cli::print_error(code.status().message());
  return cli::exit_code_of(code.status());
}
