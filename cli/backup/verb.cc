// backup: a copy of the coordinator's state folder, made while it runs.
#include <fmt/format.h>

#include <memory>

#include "base/clock.h"
#include "base/units.h"
#include "cli/exit_codes.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/verbs/verbs.h"
#include "rekindle/v1/backup.pb.h"

namespace rekindle::cli {
namespace {

// One look at a large store may take long.
constexpr net::Deadline kSilence{300'000};

struct BackupArguments {
  std::string folder;
  bool artifacts = false;
};

Result<int> backup(const Context& context, const BackupArguments& args) {
  v1::BackupRequest request;
  // A coordinator elsewhere has another working folder.
  request.set_folder(context.server.empty() ? fs::absolute(args.folder).lexically_normal().string()
                                            : args.folder);
  request.set_artifacts(args.artifacts);
  net::ConnectClient client = TRY(context.connect());
  Interrupt interrupt([&client] { client.cancel(); });
  v1::BackupUpdate last;
  std::string doing;
  const auto on_update = [&](const v1::BackupUpdate& update) {
    last = update;
    if (!update.has_manifest() && update.doing() != doing) {
      doing = update.doing();
      context.say(fmt::format("{} ({} written)", doing, format_bytes(update.bytes())));
    }
    return true;
  };
  const Status status = client.stream<v1::BackupRequest, v1::BackupUpdate>("rekindle.v1.BackupService/Backup",
                                                                           request, on_update, kSilence);
  if (interrupt.happened())
    return Status(Code::kCanceled, fmt::format("given up; {} holds no backup", request.folder()));
  if (!status.ok()) return status;
  if (!last.has_manifest()) return unavailable("the coordinator ended before the backup did");
  const v1::BackupManifest& made = last.manifest();
  if (context.json) print(json_of(made));
  context.say(fmt::format("event {} and all before it are in {}: {} files, {}, read back and listed",
                          made.journal_seq(), request.folder(), made.files_size(),
                          format_bytes(last.bytes())));
  if (!made.artifacts().empty())
    context.say(fmt::format("not in it: the blobs in {} (--artifacts takes those along that are named)",
                            made.artifacts()));
  context.say(
      fmt::format("keep it as private as the state folder; restore it with: rekindled restore {} "
                  "--state NEW_FOLDER",
                  request.folder()));
  return kOk;
}

}  // namespace

void add_backup_verb(CLI::App& app, Context& context, Verb& verb) {
  auto args = std::make_shared<BackupArguments>();
  CLI::App* sub = app.add_subcommand("backup", "copy the coordinator's state folder while it works");
  sub->add_option("FOLDER", args->folder, "on the coordinator's host, absent or empty")->required();
  sub->add_flag("--artifacts", args->artifacts, "also the blobs that versions, datasets and specs name");
  sub->callback([&context, &verb, args] { verb = [&context, args] { return backup(context, *args); }; });
}

}  // namespace rekindle::cli
