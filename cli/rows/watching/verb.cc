// watch: new files scored against a reference, without a coordinator.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>

#include "base/files.h"
#include "base/hash.h"
#include "base/process.h"
#include "base/units.h"
#include "cli/exit_codes.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/rows/verbs.h"
#include "cli/rows/watching/memory.h"
#include "cli/rows/watching/reference.h"
#include "dataio/importing/source.h"
#include "jobs/spec.h"
#include "runtime/capture.h"

namespace rekindle::cli {
namespace {

namespace json = boost::json;

struct WatchArguments {
  std::string spec, events, memory, every = "10s";
  std::vector<std::string> references, command;
  bool once = false;
};

const v1::DriftTrigger* drift_of(const v1::Retrain& retrain) {
  for (const v1::Trigger& trigger : retrain.when())
    if (trigger.has_drift()) return &trigger.drift();
  return nullptr;
}

// The spec's columns of one file, whatever types their values look like.
Result<dataio::Table> load_rows(const v1::Data& data, const fs::path& file) {
  v1::SourceFile source;
  source.set_file(file.filename().string());
  source.set_missing("NA");
  std::vector<std::string> columns = {data.time()};
  auto& types = *source.mutable_types();
  types[data.time()] = v1::TIMESTAMP;
  for (const std::string& name : data.numeric()) types[name] = v1::NUMBER, columns.push_back(name);
  for (const std::string& name : data.categorical()) types[name] = v1::TEXT, columns.push_back(name);
  const fs::path folder = file.parent_path().empty() ? fs::path(".") : file.parent_path();
  return TRY(dataio::load_source(source, folder, columns)).table;
}

// Whoever writes a file gives it its name last; what is being written is told by a name that begins with one
// of these, or by an end that nobody else has.
bool is_rows(const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  std::error_code error;
  return entry.is_regular_file(error) && !name.starts_with('.') && !name.starts_with('_') &&
         (name.ends_with(".parquet") || name.ends_with(".csv") || name.ends_with(".csv.zip"));
}

class Watch {
 public:
  Watch(const Context& context, const WatchArguments& args, v1::JobSpec spec, Reference reference)
      : context_(context),
        args_(args),
        spec_(std::move(spec)),
        reference_(std::move(reference)),
        pending_(reference_.empty()) {}

  Status begin() {
    const fs::path folder = fs::absolute(args_.events);
    memory_file_ = !args_.memory.empty() ? fs::path(args_.memory)
                                         : context_.state_folder() / "watch" /
                                               fmt::format("{}-{}.json", spec_.name(),
                                                           sha256_hex(folder.string()).substr(0, 12));
    memory_ = TRY(WatchMemory::load(memory_file_));
    const std::string of = sha256_hex(jobs::spec_sha256(spec_) + reference_.sha256());
    if (!memory_.of.empty() && memory_.of != of)
      print_error("the spec or the reference is another than before: all files are judged anew");
    if (memory_.of != of) memory_ = {};
    memory_.of = of;
    return ok_status();
  }

  // Everything that is there and was not judged. What cannot be read is told once, and tried again when it
  // has changed.
  Status look() {
    TRY_STATUS(pay());
    std::error_code error;
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(args_.events, error))
      if (is_rows(entry) && !known(entry.path().filename().string())) files.push_back(entry.path());
    if (error) return not_found(fmt::format("{}: {}", args_.events, error.message()));
    std::sort(files.begin(), files.end());
    for (const fs::path& file : files) {
      const std::string name = file.filename().string();
      const auto changed = fs::last_write_time(file, error);
      if (const auto told = unreadable_.find(name); told != unreadable_.end() && told->second == changed)
        continue;
      const Status read = add(file);
      if (!read.ok()) {
        unreadable_[name] = changed;
        print_error(fmt::format("{} is not judged: {}", file.string(), read.message()));
        continue;
      }
      unreadable_.erase(name);
      window_.push_back(name);
      if (pending_.rows >= static_cast<int64_t>(spec_.retrain().min_rows())) TRY_STATUS(judge());
    }
    return ok_status();
  }

  bool alarmed() const { return alarmed_; }
  bool all_read() const { return unreadable_.empty(); }

 private:
  // Judged, or counted into the window that is not full yet.
  bool known(const std::string& name) const {
    return memory_.judged.contains(name) || std::find(window_.begin(), window_.end(), name) != window_.end();
  }

  Status add(const fs::path& file) {
    const dataio::Table rows = TRY(load_rows(spec_.data(), file));
    pending_.add(TRY(reference_.count(rows)));
    return ok_status();
  }

  Status judge() {
    const std::vector<v1::Score> scores = reference_.scores(pending_, *drift_of(spec_.retrain()),
                                                            static_cast<int64_t>(spec_.retrain().min_rows()));
    const bool hit = std::any_of(scores.begin(), scores.end(), [](const v1::Score& s) { return s.fired(); });
    const bool alarm = memory_.judge(hit, pending_.last_us, spec_.retrain());
    tell(scores, hit, alarm);
    for (const std::string& name : window_) memory_.judged.insert(name);
    pending_ = reference_.empty();
    window_.clear();
    if (alarm && !args_.command.empty()) memory_.owed = reason_of(scores);
    // Before the command: whatever happens to us now, it is run, once or once more with the same id.
    TRY_STATUS(memory_.save(memory_file_));
    alarmed_ |= alarm;
    return pay();
  }

  static std::string reason_of(const std::vector<v1::Score>& scores) {
    const auto worst = std::max_element(scores.begin(), scores.end(), [](const auto& a, const auto& b) {
      return std::pair(a.fired(), a.value()) < std::pair(b.fired(), b.value());
    });
    return worst == scores.end() ? "" : fmt::format("{}: {}", worst->feature(), worst->reason());
  }

  void tell(const std::vector<v1::Score>& scores, bool hit, bool alarm) const {
    const auto hits = std::count(memory_.hits.begin(), memory_.hits.end(), true);
    if (context_.json) {
      json::array all;
      for (const v1::Score& score : scores)
        all.push_back(json::object{{"feature", score.feature()},
                                   {"psi", score.value()},
                                   {"threshold", score.threshold()},
                                   {"fired", score.fired()}});
      print(json::serialize(json::object{{"files", json::value_from(window_)},
                                         {"rows", pending_.rows},
                                         {"from", time_text(pending_.first_us)},
                                         {"until", time_text(pending_.last_us)},
                                         {"hit", hit},
                                         {"alarm", alarm},
                                         {"scores", std::move(all)}}) +
            "\n");
      return;
    }
    const std::string state =
        alarm ? paint(Colour::kRed, "DRIFT")
        : hit ? fmt::format("moved, {} of {} windows", hits, spec_.retrain().persistence().hits())
              : std::string("as the reference");
    context_.say(fmt::format("{} to {}  {} rows in {} files: {}; {}", time_text(pending_.first_us),
                             time_text(pending_.last_us), pending_.rows, window_.size(), state,
                             reason_of(scores)));
  }

  // The command that an alarm is owed.
  Status pay() {
    if (memory_.owed.empty() || args_.command.empty()) return ok_status();
    std::vector<std::string> environment = own_environment();
    environment.push_back(fmt::format("REKINDLE_WATCH_ID={}-{}", spec_.name(), memory_.alarm_us));
    environment.push_back("REKINDLE_WATCH_REASON=" + memory_.owed);
    environment.push_back("REKINDLE_WATCH_UNTIL=" + time_text(memory_.alarm_us));
    const auto ran = runtime::capture(args_.command, environment, fs::current_path(),
                                      [](std::string_view piece) { print(piece); });
    if (!ran.ok()) return ran.status();
    if (ran->code != 0)
      return internal_error(fmt::format("{} ended with {}: it is run again, with the same REKINDLE_WATCH_ID",
                                        args_.command[0], ran->code));
    memory_.owed.clear();
    return memory_.save(memory_file_);
  }

  const Context& context_;
  const WatchArguments& args_;
  const v1::JobSpec spec_;
  const Reference reference_;
  fs::path memory_file_;
  WatchMemory memory_;
  WindowCounts pending_;
  std::vector<std::string> window_;  // files of pending_
  std::map<std::string, fs::file_time_type> unreadable_;
  bool alarmed_ = false;
};

Result<Reference> reference_of(const v1::Data& data, const std::vector<std::string>& files) {
  dataio::Table all;
  for (const std::string& file : files) {
    dataio::Table rows = TRY(load_rows(data, file));
    if (all.columns.empty())
      all = std::move(rows);
    else
      TRY_STATUS(dataio::append(all, rows).within(file));
  }
  return Reference::make(data, all);
}

Result<int> watch(const Context& context, const WatchArguments& args) {
  const Micros every = TRY(parse_duration(args.every));
  if (every < std::chrono::milliseconds(100)) return invalid_argument("--every is 100ms at least");
  const v1::JobSpec written = TRY(jobs::parse_job(TRY(read_file(args.spec)), args.spec));
  v1::JobSpec spec = TRY(jobs::resolve(written)).spec;
  if (drift_of(spec.retrain()) == nullptr)
    return invalid_argument(
        fmt::format("{}: nothing says what drift is; write retrain: {{when: [drift]}}", args.spec));
  std::mutex mutex;
  std::condition_variable woken;
  // Before files are read, for which Arrow has threads.
  Interrupt interrupt([&] {
    std::lock_guard lock(mutex);  // not between our look at it and our sleep
    woken.notify_all();
  });
  Reference reference = TRY(reference_of(spec.data(), args.references));
  Watch watch(context, args, std::move(spec), std::move(reference));
  TRY_STATUS(watch.begin());
  for (;;) {
    const Status looked = watch.look();
    if (args.once) {
      if (!looked.ok()) return looked;
      return watch.alarmed() ? kAlarm : watch.all_read() ? kOk : kRefused;
    }
    if (!looked.ok()) print_error(looked.message());
    std::unique_lock lock(mutex);
    if (woken.wait_for(lock, every, [&] { return interrupt.happened(); })) return kOk;
  }
}

}  // namespace

void add_watch_verb(CLI::App& app, Context& context, Verb& verb) {
  auto args = std::make_shared<WatchArguments>();
  CLI::App* sub = app.add_subcommand(kWatch.name, kWatch.description);
  sub->add_option("SPEC", args->spec, "job spec: its columns, and what it says of drift")->required();
  sub->add_option("--reference", args->references, "rows that are as they should be; may be given again")
      ->required()
      ->type_name("FILE");
  sub->add_option("--events", args->events, "folder that new files come into: Parquet, CSV, zipped CSV")
      ->required()
      ->type_name("DIR");
  sub->add_option("--every", args->every, "look again after this long; default 10s")->type_name("TIME");
  sub->add_flag("--once", args->once, "judge what is there and end: 0, or 14 when there is drift");
  sub->add_option("--memory", args->memory, "what was judged already; default: in the state folder")
      ->type_name("FILE");
  sub->add_option("COMMAND", args->command, "after --: run for each alarm, REKINDLE_WATCH_* say which");
  sub->callback([&context, &verb, args] { verb = [&context, args] { return watch(context, *args); }; });
}

}  // namespace rekindle::cli
