#include "jobs/check_command.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "jobs/resolve.h"
#include "jobs/task.h"
#include "jobs/values.h"

namespace rekindle::jobs {
namespace {

constexpr int kWordsMax = 1'000;
constexpr size_t kWordBytesMax = 100'000;  // the kernel takes 128 KiB a word

// A train section in which everything is as by default.
const v1::Train& plain() {
  static const v1::Train train = [] {
    v1::JobSpec spec;
    spec.mutable_train()->add_command("true");
    std::vector<ResolvedField> fields;
    Problems ignored;  // of what is missing besides
    fill(spec, fields, ignored);
    return spec.train();
  }();
  return train;
}

std::string only(const v1::Train& train, const std::string& field) {
  v1::Train out = train;
  for (int i = 0; i < out.GetDescriptor()->field_count(); ++i) {
    const auto* other = out.GetDescriptor()->field(i);
    if (other->name() != field) out.GetReflection()->ClearField(&out, other);
  }
  return out.SerializeAsString();
}

const google::protobuf::Message* field_at(const google::protobuf::Message& message, const std::string& path,
                                          const Field*& field) {
  const size_t dot = path.find('.');
  field = message.GetDescriptor()->FindFieldByName(path.substr(0, dot));
  CHECK(field != nullptr, "a field of the job spec");
  if (dot == std::string::npos) return &message;
  if (!message.GetReflection()->HasField(message, field)) return nullptr;
  return field_at(message.GetReflection()->GetMessage(message, field), path.substr(dot + 1), field);
}

// What the built-in trainer does and a script decides for itself. A default cannot be told from silence.
void check_unused(const v1::Train& train, Problems& problems) {
  const auto unused = [&problems](const std::string& path) {
    problems.add(
        path,
        "the built-in trainer's: a script decides this itself; hand it over as a word of train.command");
  };
  for (const char* field : {"batch", "stop", "optimizer", "start", "precision", "accumulate", "reduction",
                            "deterministic", "tf32", "candidates"})
    if (only(train, field) != only(plain(), field)) unused(fmt::format("train.{}", field));
  if (train.checkpoints().best() != plain().checkpoints().best()) unused("train.checkpoints.best");
  if (train.limits().digest() != plain().limits().digest()) unused("train.limits.digest");
}

void check_words(const google::protobuf::RepeatedPtrField<std::string>& words, const std::string& path,
                 Problems& problems) {
  if (words.empty()) return;
  if (words[0].empty()) problems.add(path, "the first word names the program, as in [python, train.py]");
  if (words.size() > kWordsMax)
    problems.add(path, fmt::format("{} words; at most {}", words.size(), kWordsMax));
  for (int i = 0; i < words.size(); ++i) {
    if (words[i].size() > kWordBytesMax)
      problems.add(fmt::format("{}[{}]", path, i), fmt::format("longer than {} bytes", kWordBytesMax));
    if (words[i].find('\0') != std::string::npos)
      problems.add(fmt::format("{}[{}]", path, i), "holds a NUL, which no program can be given");
  }
}

bool module_name(const std::string& name) {
  return !name.empty() && name[0] != '-' && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '_' || c == '-' || c == '+' || c == '/' || c == ':';
  });
}

void check_environment(const v1::Train& train, Problems& problems) {
  const v1::Environment& env = train.env();
  if (env.has_venv()) {
    if (train.code().empty())
      problems.add("train.env.venv", "the lock file lies in the code folder: name it in train.code");
    if (env.venv().empty() || leaves_folder(env.venv()))
      problems.add("train.env.venv", fmt::format("'{}' must be a file within train.code", env.venv()));
  }
  for (int i = 0; i < env.modules().load_size(); ++i)
    if (!module_name(env.modules().load(i)))
      problems.add(fmt::format("train.env.modules.load[{}]", i),
                   fmt::format("'{}' is no module's name, such as gcc/12", env.modules().load(i)));
  if (env.has_container() && (env.container().empty() || env.container()[0] == '-'))
    problems.add("train.env.container", fmt::format("'{}' is no image", env.container()));
}

void check_predict(const v1::Predict& predict, Problems& problems) {
  if ((predict.command_size() > 0) == !predict.package().empty())
    problems.add("predict",
                 "say one of command and package; write for example: command: [python, predict.py]");
  if (leaves_folder(predict.package()))
    problems.add(
        "predict.package",
        fmt::format("'{}' must be a file that the script writes into $REKINDLE_OUT", predict.package()));
  check_words(predict.command(), "predict.command", problems);
}

void check_code(const v1::JobSpec& spec, Problems& problems) {
  if (spec.train().code().starts_with('/'))
    problems.add("train.code", "relative to the spec's own folder, as in . or train/");
  if (!spec.has_code()) return;
  if (spec.train().code().empty()) problems.add("code", "packed code without train.code");
  if (!is_sha256_hex(spec.code().sha256())) problems.add("code.sha256", "not a SHA-256 in hex");
}

}  // namespace

void check_command(const v1::JobSpec& spec, Problems& problems) {
  const v1::Train& train = spec.train();
  check_code(spec, problems);
  if (train.command_size() > 0) {
    check_words(train.command(), "train.command", problems);
    if (train.has_env()) check_environment(train, problems);
    if (is_task(spec)) return;
    check_unused(train, problems);
    if (!spec.has_predict())
      problems.add("predict",
                   "versions of a command job are answered by a program of yours; write for example: "
                   "predict: {command: [python, predict.py]}; or leave out data: then it is a plain task, "
                   "which makes no version");
    else
      check_predict(spec.predict(), problems);
    return;
  }
  if (train.has_env())
    problems.add("train.env", "goes with train.command; built-in kinds need no environment");
  if (spec.has_predict())
    problems.add("predict", "goes with train.command; versions of built-in kinds answer by themselves");
  if (!train.code().empty() && train.has_model() && !train.model().has_plugin())
    problems.add("train.code", "goes with train.command or the kind plugin");
}

const std::vector<std::string>& unused_by_tasks() {
  static const std::vector<std::string> paths = {"data",
                                                 "gate",
                                                 "serve",
                                                 "retrain",
                                                 "train.rows",
                                                 "train.batch",
                                                 "train.stop",
                                                 "train.optimizer",
                                                 "train.start",
                                                 "train.candidates",
                                                 "train.precision",
                                                 "train.accumulate",
                                                 "train.reduction",
                                                 "train.tf32",
                                                 "train.validation",
                                                 "train.deterministic",
                                                 "train.checkpoints.best",
                                                 "train.limits.digest"};
  return paths;
}

void check_task(const v1::JobSpec& spec, Problems& problems) {
  for (const std::string& path : unused_by_tasks()) {
    const Field* field = nullptr;
    const auto* message = field_at(spec, path, field);
    if (message == nullptr || !is_written(*message, *field)) continue;
    const bool version = path == "gate" || path == "serve" || path == "retrain";
    problems.add(path, version
                           ? "takes versions, and a command without data and predict makes none: leave it "
                             "out, or say data and predict"
                           : "not for a plain task (a command without data): it has no rows and no "
                             "built-in trainer; leave it out, or say data and predict");
  }
}

}  // namespace rekindle::jobs
