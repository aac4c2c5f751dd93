#include "jobs/spec.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "base/hash.h"
#include "base/ids.h"
#include "jobs/check.h"
#include "jobs/check_label.h"
#include "jobs/resolve.h"
#include "jobs/task.h"
#include "jobs/yaml/read.h"
#include "jobs/yaml/tree.h"

namespace rekindle::jobs {
namespace {

// The budget's default burst must not exceed a smaller budget of the author's.
void settle_burst(v1::JobSpec& spec, std::vector<ResolvedField>& fields) {
  v1::Budget& budget = *spec.mutable_retrain()->mutable_at_most();
  if (budget.burst() <= budget.runs()) return;
  for (ResolvedField& field : fields) {
    if (field.path != "retrain.at_most.burst" || !field.was_default) continue;
    budget.set_burst(budget.runs());
    field.value = fmt::format("{}", budget.runs());
    field.reason = "no more at once than the budget allows at all";
  }
}

// Steps of the built-in trainer take milliseconds; a script says how far it is when it likes.
void settle_hang(v1::Limits& limits, std::vector<ResolvedField>& fields) {
  constexpr int64_t kScriptSeconds = 600;
  for (ResolvedField& field : fields) {
    const bool cold = field.path == "train.limits.hang", warm = field.path == "train.limits.hang_warm";
    if ((!cold && !warm) || !field.was_default) continue;
    (cold ? limits.mutable_hang() : limits.mutable_hang_warm())->set_seconds(kScriptSeconds);
    field.value = "10m";
    field.reason = "a script says how far it is when it likes";
  }
}

void fill_spec(v1::JobSpec& spec, std::vector<ResolvedField>& fields, Problems& problems) {
  fill(spec, fields, problems, is_task(spec) ? unused_by_tasks() : std::vector<std::string>());
  if (spec.train().command_size() > 0) settle_hang(*spec.mutable_train()->mutable_limits(), fields);
  if (spec.has_retrain()) settle_burst(spec, fields);
  settle_metric(spec, fields);
}

void fill_spec(v1::ImportSpec& spec, std::vector<ResolvedField>& fields, Problems& problems) {
  fill(spec, fields, problems);
}

// What `rekindle apply` finds out is not for a person to say.
void check_written(const v1::JobSpec& written, const yaml::Places& places, Problems& problems) {
  if (written.has_code())
    problems.add("code", "filled in by `rekindle apply` from train.code; leave it out", places.find("code"));
}
void check_written(const v1::ImportSpec&, const yaml::Places&, Problems&) {}

template <typename Spec>
Status parse(std::string_view yaml, std::string_view filename, Spec& written, Spec& resolved) {
  std::vector<ResolvedField> fields;
  yaml::Rules rules;
  rules.written = [&](const yaml::Places& places, Problems& problems) {
    check_written(written, places, problems);
  };
  rules.fill = [&](Problems& problems) { fill_spec(resolved, fields, problems); };
  rules.check = [&](Problems& problems) { check_rules(resolved, problems); };
  return yaml::read(yaml, filename, written, resolved, rules);
}

}  // namespace

Result<v1::JobSpec> parse_job(std::string_view yaml, std::string_view filename) {
  v1::JobSpec written, resolved;
  TRY_STATUS(parse(yaml, filename, written, resolved));
  return written;
}

Result<v1::ImportSpec> parse_import(std::string_view yaml, std::string_view filename) {
  v1::ImportSpec written, resolved;
  TRY_STATUS(parse(yaml, filename, written, resolved));
  return resolved;
}

Result<Resolved> resolve(const v1::JobSpec& spec) {
  // As for the text of one: what comes through the API is looked at on a thread that others wait for.
  if (const size_t bytes = spec.ByteSizeLong(); bytes > yaml::kMostBytes)
    return invalid_argument(fmt::format("{} bytes long; a spec has at most {}", bytes, yaml::kMostBytes));
  Resolved out{spec, {}};
  Problems problems;
  fill_spec(out.spec, out.fields, problems);
  TRY_STATUS(problems.status());
  return out;
}

Status check(const v1::JobSpec& spec) {
  const Resolved resolved = TRY(resolve(spec));
  Problems problems;
  check_rules(resolved.spec, problems);
  return problems.status();
}

std::string spec_sha256(const v1::JobSpec& resolved) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    CHECK(resolved.SerializeToCodedStream(&coded), "a spec in memory serialises");
  }
  return sha256_hex(bytes);
}

Result<DatasetRef> parse_dataset_ref(std::string_view text) {
  DatasetRef ref;
  const size_t at = text.find('@');
  ref.dataset = std::string(text.substr(0, at));
  TRY_STATUS(check_name("dataset", ref.dataset));
  if (at == std::string_view::npos) return ref;
  const std::string_view range = text.substr(at + 1);
  const size_t dots = range.find("..");
  ref.first = std::string(range.substr(0, dots));
  ref.last = dots == std::string_view::npos ? ref.first : std::string(range.substr(dots + 2));
  if (!valid_name(ref.first) || !valid_name(ref.last))
    return invalid_argument(
        fmt::format("'{}' names no snapshots; write NAME, NAME@SNAPSHOT or NAME@FIRST..LAST", text));
  if (ref.last < ref.first)
    return invalid_argument(
        fmt::format("'{}': {} comes before {}; write the earlier first", text, ref.last, ref.first));
  return ref;
}

}  // namespace rekindle::jobs
