// completion, version.
#include <fmt/format.h>

#include <boost/json.hpp>
#include <memory>
#include <set>

#include "cli/exit_codes.h"
#include "cli/output.h"
#include "cli/verbs/verbs.h"
#include "jobs/explain.h"

namespace rekindle::cli {
namespace {

struct VerbWords {
  std::string name, description;
  std::vector<std::string> options;
  std::vector<std::string> verbs;  // below it
};

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::Option* option : app.get_options())
    if (option->nonpositional() && !option->get_group().empty())
      for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  return words;
}

std::vector<VerbWords> verbs_of(CLI::App& app) {
  std::vector<VerbWords> verbs;
  for (CLI::App* sub : app.get_subcommands([](CLI::App*) { return true; })) {
    VerbWords words{sub->get_name(), sub->get_description(), options_of(*sub), {}};
    for (CLI::App* below : sub->get_subcommands([](CLI::App*) { return true; })) {
      words.verbs.push_back(below->get_name());
      for (const std::string& option : options_of(*below)) words.options.push_back(option);
    }
    const std::set<std::string> unique(words.options.begin(), words.options.end());
    words.options.assign(unique.begin(), unique.end());
    verbs.push_back(std::move(words));
  }
  return verbs;
}

// Words that may follow a verb, as the shell will look them up: runs and jobs are asked for as they are.
std::string dynamic_words(const std::string& verb) {
  static const std::set<std::string> kRuns = {"wait", "cancel", "approve", "get", "describe", "logs"};
  if (kRuns.contains(verb)) return "$(rekindle list runs -q 2>/dev/null)";
  if (verb == "explain") return fmt::format("{}", fmt::join(jobs::field_paths(), " "));
  if (verb == "completion") return "bash zsh fish";
  return "";
}

std::string bash(const std::vector<VerbWords>& verbs, const std::vector<std::string>& global, bool zsh) {
  std::string names, cases;
  for (const VerbWords& verb : verbs) {
    names += verb.name + " ";
    cases += fmt::format("    {}) words=\"{} {} {}\" ;;\n", verb.name, fmt::join(verb.verbs, " "),
                         fmt::join(verb.options, " "), dynamic_words(verb.name));
  }
  return fmt::format(R"({}_rekindle() {{
  local verbs="{}" word verb= words cur="${{COMP_WORDS[COMP_CWORD]}}"
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case " $verbs " in *" $word "*) verb="$word"; break ;; esac
  done
  case "$verb" in
    "") words="$verbs" ;;
{}  esac
  COMPREPLY=($(compgen -W "$words {}" -- "$cur"))
  [ ${{#COMPREPLY[@]}} -eq 0 ] && COMPREPLY=($(compgen -f -- "$cur"))
}}
complete -o filenames -F _rekindle rekindle
)",
                     zsh ? "autoload -U +X bashcompinit && bashcompinit\n" : "", names, cases,
                     fmt::join(global, " "));
}

std::string fish_quoted(std::string text) {
  for (size_t i = 0; (i = text.find('\'', i)) != std::string::npos; i += 2) text.insert(i, "\\");
  return "'" + text + "'";
}

std::string fish(const std::vector<VerbWords>& verbs, const std::vector<std::string>& global) {
  std::string text;
  for (const std::string& option : global)
    text += fmt::format("complete -c rekindle -l {}\n", option.substr(2));
  for (const VerbWords& verb : verbs) {
    text += fmt::format("complete -c rekindle -n __fish_use_subcommand -f -a {} -d {}\n", verb.name,
                        fish_quoted(verb.description));
    const std::string seen =
        fmt::format("complete -c rekindle -n '__fish_seen_subcommand_from {}'", verb.name);
    for (const std::string& option : verb.options) text += fmt::format("{} -l {}\n", seen, option.substr(2));
    for (const std::string& below : verb.verbs) text += fmt::format("{} -f -a {}\n", seen, below);
    std::string dynamic = dynamic_words(verb.name);
    if (dynamic.starts_with("$(")) dynamic = dynamic.substr(1);  // fish writes (command)
    if (!dynamic.empty()) text += fmt::format("{} -f -a {}\n", seen, fish_quoted(dynamic));
  }
  return text;
}

}  // namespace

void add_completion_verb(CLI::App& app, Verb& verb) {
  auto shell = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand(kCompletion.name, kCompletion.description);
  sub->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  sub->callback([&app, &verb, shell] {
    verb = [&app, shell]() -> Result<int> {
      const auto verbs = verbs_of(app);
      print(*shell == "fish" ? fish(verbs, options_of(app)) : bash(verbs, options_of(app), *shell == "zsh"));
      return kOk;
    };
  });
}

void add_version_verb(CLI::App& app, Context& context, Verb& verb) {
  app.add_subcommand("version", "which rekindle this is")->callback([&context, &verb] {
    verb = [&context]() -> Result<int> {
      print(context.json ? fmt::format("{{\"version\": \"{}\"}}\n", REKINDLE_VERSION)
                         : fmt::format("rekindle {}\n", REKINDLE_VERSION));
      return kOk;
    };
  });
}

}  // namespace rekindle::cli
