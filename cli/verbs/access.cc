// token, audit: who may do what, and who did. Both work on the state folder itself, with or without a daemon:
// whoever can write there is an admin. credential: in whose name runs are launched in a cluster; each user
// hands their own to the daemon.
#include <fmt/format.h>

#include <cctype>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <deque>
#include <iostream>
#include <iterator>
#include <memory>

#include "base/chained_log.h"
#include "base/clock.h"
#include "base/units.h"
#include "cli/exit_codes.h"
#include "cli/output.h"
#include "cli/verbs/verbs.h"
#include "net/token_file.h"
#include "rekindle/v1/credential.pb.h"

namespace rekindle::cli {
namespace {

namespace json = boost::json;

struct TokenArguments {
  std::string name, role, out, expires;
};

net::TokenFile tokens_of(const Context& context) {
  return net::TokenFile(context.state_folder() / "tokens.json");
}

Result<int> add_token(const Context& context, const TokenArguments& args) {
  const auto role = net::role_of_word(args.role);
  if (!role)
    return invalid_argument(
        fmt::format("'{}' is no role: viewer (reads), submitter (applies and runs), operator (promotes, "
                    "approves), admin, or "
                    "serving (nodes)",
                    args.role));
  const int64_t now = to_micros(SystemClock().wall());
  int64_t until = 0;
  if (!args.expires.empty()) until = now + TRY(parse_duration(args.expires)).count();
  TRY_STATUS(make_folders_durably(context.state_folder()));
  const std::string secret = TRY(tokens_of(context).add(args.name, *role, now, until));
  if (!args.out.empty()) {
    const Status kept = write_file_durably(args.out, secret + "\n", 0600);
    if (!kept.ok()) {
      TRY_STATUS(tokens_of(context).revoke(args.name));  // nobody has its secret
      return kept;
    }
    context.say(fmt::format("token '{}' is in {}", args.name, args.out));
    return kOk;
  }
  print(context.json ? json::serialize(json::object{{"name", args.name}, {"token", secret}}) + "\n"
                     : secret + "\n");
  return kOk;
}

Result<int> list_tokens(const Context& context) {
  const auto tokens = TRY(tokens_of(context).read());
  json::array list;
  TextTable table({"TOKEN", "ROLE", "MADE", "VALID UNTIL"});
  for (const auto& t : tokens) {
    const std::string until = t.expires_us == 0 ? "revoked" : time_text(t.expires_us);
    list.push_back(json::object{{"name", t.token.name},
                                {"role", net::role_word(t.token.role)},
                                {"made", time_text(t.made_us)},
                                {"valid_until", until}});
    table.add({t.token.name, std::string(net::role_word(t.token.role)), time_text(t.made_us), until});
  }
  print(context.json ? json::serialize(json::object{{"tokens", list}}) + "\n" : table.text());
  return kOk;
}

Result<int> revoke_token(const Context& context, const std::string& name) {
  TRY_STATUS(tokens_of(context).revoke(name));
  context.say(fmt::format("token '{}' is revoked; a running coordinator heeds that within a second", name));
  return kOk;
}

Result<int> verify_audit(const Context& context) {
  const auto checked = TRY(check_chained_log(context.state_folder() / "audit.log"));
  if (context.json)
    print(json::serialize(json::object{
              {"lines", checked.lines}, {"last_hash", checked.last_hash}, {"torn", checked.torn}}) +
          "\n");
  else
    context.say(fmt::format(
        "{} lines, each follows from those before it; the last is {}{}", checked.lines, checked.last_hash,
        checked.torn ? "\n(an unfinished line follows: the host or the daemon died there)" : ""));
  return kOk;
}

std::string text_of(const json::object& line, std::string_view key) {
  const auto* value = line.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : std::string();
}

Result<int> show_audit(const Context& context, size_t limit) {
  std::deque<std::string> last;
  TRY((check_chained_log(context.state_folder() / "audit.log", [&](std::string_view content) {
    last.emplace_back(content);
    if (last.size() > limit) last.pop_front();
  })));
  TextTable table({"TIME", "CALL", "WHO", "WHAT"});
  for (const auto& content : last) {
    if (context.json) {
      print(content + "\n");
      continue;
    }
    boost::system::error_code error;
    const json::value parsed = json::parse(content, error);
    if (error || !parsed.is_object()) continue;
    const auto& line = parsed.get_object();
    const auto* call = line.if_contains("call");
    const std::string number =
        call != nullptr && call->is_int64() ? fmt::format("{}", call->get_int64()) : "";
    const std::string ended = text_of(line, "ended"), why = text_of(line, "why");
    const std::string what = ended.empty() ? text_of(line, "method") + " " + text_of(line, "about")
                                           : "-> " + ended + (why.empty() ? "" : ": " + why);
    const std::string who = ended.empty() ? fmt::format("{} ({}) {}", text_of(line, "who"),
                                                        text_of(line, "role"), text_of(line, "peer"))
                                          : std::string();
    table.add({text_of(line, "time"), number, who, what});
  }
  if (!context.json) print(table.text());
  return kOk;
}

struct CredentialArguments {
  std::string pool, file, owner;
};

constexpr Micros kSoon = std::chrono::hours(24);

std::string life_of(const v1::Credential& credential) {
  if (credential.expires_us() == 0) return "never expires";
  const Micros left = time_from_micros(credential.expires_us()) - SystemClock().wall();
  if (left <= Micros(0)) return "EXPIRED: its runs wait";
  return (left < kSoon ? "expires soon, in " : "in ") +
         format_duration(std::chrono::floor<std::chrono::minutes>(left));
}

// Never on the command line, where every user of the host could read it.
Result<int> set_credential(const Context& context, const CredentialArguments& args) {
  v1::SetCredentialRequest request;
  request.set_pool(args.pool);
  std::string token = args.file.empty() ? std::string(std::istreambuf_iterator<char>(std::cin), {})
                                        : TRY(read_file(args.file, 1u << 20));
  while (!token.empty() && std::isspace(static_cast<unsigned char>(token.back()))) token.pop_back();
  request.set_token(token);
  const auto stored =
      TRY((call<v1::Credential>(context, "rekindle.v1.CredentialService/SetCredential", request)));
  if (context.json)
    print(json_of(stored));
  else
    context.say(fmt::format("runs of '{}' in pool {} are launched as user '{}'; {}", stored.owner(),
                            stored.pool(), stored.user(), life_of(stored)));
  return kOk;
}

Result<int> list_credentials(const Context& context) {
  const auto answer = TRY((call<v1::ListCredentialsResponse>(
      context, "rekindle.v1.CredentialService/ListCredentials", v1::ListCredentialsRequest())));
  if (context.json) {
    print(json_of(answer));
    return kOk;
  }
  TextTable table({"POOL", "OWNER", "USER", "EXPIRES", "", "STORED"});
  for (const v1::Credential& one : answer.credentials())
    table.add({one.pool(), one.owner(), one.user(), one.expires_us() == 0 ? "-" : time_text(one.expires_us()),
               life_of(one), time_text(one.stored_us())});
  print(table.text());
  return kOk;
}

Result<int> revoke_credential(const Context& context, const CredentialArguments& args) {
  v1::RevokeCredentialRequest request;
  request.set_pool(args.pool);
  request.set_owner(args.owner);
  const auto gone =
      TRY((call<v1::Credential>(context, "rekindle.v1.CredentialService/RevokeCredential", request)));
  if (context.json)
    print(json_of(gone));
  else
    context.say(
        fmt::format("the credential of '{}' for pool {} is gone here; Slurm takes that token until it "
                    "expires",
                    gone.owner(), gone.pool()));
  return kOk;
}

void add_credential_verbs(CLI::App& app, Context& context, Verb& verb) {
  auto args = std::make_shared<CredentialArguments>();
  CLI::App* credential =
      app.add_subcommand("credential", "in whose name your runs are launched in a cluster's pool");
  credential->require_subcommand(1);
  credential->fallthrough();
  CLI::App* set = credential->add_subcommand(
      "set",
      "store your token of the cluster's: `scontrol token lifespan=86400 | rekindle credential set ...`");
  set->add_option("--pool", args->pool, "that submits as owners (pools.yaml)")->required();
  set->add_option("--file", args->file, "to read it from (default: standard input)")->type_name("FILE");
  set->callback(
      [&context, &verb, args] { verb = [&context, args] { return set_credential(context, *args); }; });
  credential->add_subcommand("list", "yours, or everybody's for an operator; never their tokens")
      ->callback([&] { verb = [&context] { return list_credentials(context); }; });
  CLI::App* revoke = credential->add_subcommand("revoke", "forget one");
  revoke->add_option("--pool", args->pool, "that it is for")->required();
  revoke->add_option("--owner", args->owner, "whose (default: yours; others' take an operator)");
  revoke->callback(
      [&context, &verb, args] { verb = [&context, args] { return revoke_credential(context, *args); }; });
}

}  // namespace

void add_access_verbs(CLI::App& app, Context& context, Verb& verb) {
  auto args = std::make_shared<TokenArguments>();
  CLI::App* token =
      app.add_subcommand("token", "named tokens of this state folder: who may call the coordinator");
  token->require_subcommand(1);
  token->fallthrough();
  CLI::App* add = token->add_subcommand("add", "a new token; its secret is shown once");
  add->add_option("name", args->name, "whose it is: it stands in the audit log")->required();
  add->add_option("--role", args->role, "viewer, submitter, operator, admin or serving")->required();
  add->add_option("--expires", args->expires,
                  "how long it is valid, as in 90d (default: until it is revoked)")
      ->type_name("DURATION");
  add->add_option("--out", args->out, "write the secret to this file (0600) instead of showing it")
      ->type_name("FILE");
  add->callback([&context, &verb, args] { verb = [&context, args] { return add_token(context, *args); }; });
  token->add_subcommand("list", "tokens, without their secrets")->callback([&] {
    verb = [&context] { return list_tokens(context); };
  });
  CLI::App* revoke = token->add_subcommand("revoke", "take a token away");
  revoke->add_option("name", args->name, "of the token")->required();
  revoke->callback(
      [&context, &verb, args] { verb = [&context, args] { return revoke_token(context, args->name); }; });

  CLI::App* audit = app.add_subcommand("audit", "who changed what, from this state folder's audit.log");
  audit->require_subcommand(1);
  audit->fallthrough();
  audit->add_subcommand("verify", "check that no line was changed, taken out or put in")->callback([&] {
    verb = [&context] { return verify_audit(context); };
  });
  add_credential_verbs(app, context, verb);
  auto limit = std::make_shared<size_t>(50);
  CLI::App* show = audit->add_subcommand("show", "the last calls");
  show->add_option("--limit", *limit, "lines")->capture_default_str();
  show->callback(
      [&context, &verb, limit] { verb = [&context, limit] { return show_audit(context, *limit); }; });
}

}  // namespace rekindle::cli
