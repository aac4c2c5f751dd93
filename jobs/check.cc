#include "jobs/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/ids.h"
#include "base/text/printable.h"
#include "base/units.h"
#include "jobs/candidates/check.h"
#include "jobs/check_command.h"
#include "jobs/check_fit.h"
#include "jobs/check_kinds.h"
#include "jobs/check_label.h"
#include "jobs/check_retrain.h"
#include "jobs/explain.h"
#include "jobs/ranks.h"
#include "jobs/spec.h"
#include "jobs/task.h"
#include "jobs/values.h"
#include "proto/time.h"

namespace rekindle::jobs {
namespace {

constexpr Micros kDay = std::chrono::hours(24);
constexpr int kMostFeatures = 4096;

using Columns = google::protobuf::RepeatedPtrField<std::string>;

// Column names travel in JSON, Parquet and metrics labels; these two are appended to settled rows, and
// "prediction" is the profile's name for the model's own output.
std::string column_problem(const std::string& name) {
  if (name.size() > 128) return "is longer than 128 bytes";
  if (name == "request_id" || name == "row" || name == "prediction")
    return "is a name that rekindle uses itself";
  if (name.find_first_of("\"\\") != std::string::npos || !is_printable(name))
    return "has a line break, another control character, a quote or a backslash in it";
  return {};
}

class Roles {
 public:
  explicit Roles(Problems& problems) : problems_(problems) {}

  void add(const std::string& column, const std::string& path, const std::string& role) {
    if (std::string wrong = column_problem(column); !wrong.empty())
      problems_.add(path, fmt::format("column '{}' {}", column, wrong));
    const auto [it, is_new] = roles_.emplace(column, role);
    if (is_new) return;
    problems_.add(path, it->second == role ? fmt::format("column '{}' is listed twice", column)
                                           : fmt::format("column '{}' is also {}", column, it->second));
  }
  void add_all(const Columns& columns, const std::string& path, const std::string& role) {
    for (int i = 0; i < columns.size(); ++i) add(columns[i], fmt::format("{}[{}]", path, i), role);
  }

 private:
  Problems& problems_;
  std::map<std::string, std::string> roles_;
};

void check_name_at(const std::string& path, const std::string& name, Problems& problems) {
  if (Status bad = check_name(path, name); !bad.ok()) problems.add(path, bad.message());
}

void check_data(const v1::JobSpec& spec, Problems& problems) {
  const v1::Data& data = spec.data();
  if (Result<DatasetRef> ref = parse_dataset_ref(data.initial()); !ref.ok())
    problems.add("data.initial", ref.status().message());
  else if (ref->dataset == spec.name())
    problems.add(
        "data.initial",
        fmt::format("the dataset '{}' has the job's own name, under which its settled rows are kept; "
                    "import it under another name",
                    ref->dataset));
  Roles roles(problems);
  roles.add(data.time(), "data.time", "the event time");
  roles.add(data.label().column(), "data.label.column", "the label, which no feature may be");
  roles.add_all(data.numeric(), "data.numeric", "a numeric feature");
  roles.add_all(data.categorical(), "data.categorical", "a categorical feature");
  if (!data.image().empty()) roles.add(data.image(), "data.image", "the image");
  if (!data.tokens().empty()) roles.add(data.tokens(), "data.tokens", "the tokens");
  const int features = data.numeric_size() + data.categorical_size();
  if (features == 0 && data.image().empty() && data.tokens().empty())
    problems.add("data", "no features; write numeric: [...], categorical: [...], image: ... or tokens: ...");
  if (features > kMostFeatures)
    problems.add("data", fmt::format("{} features; at most {}", features, kMostFeatures));
  if (const Micros slot = from_proto(data.slot()); kDay % slot != Micros(0))
    problems.add("data.slot",
                 fmt::format("{} does not divide a day; 15m, 1h or 6h do", format_duration(slot)));
}

// Labels stand beside those that an operator writes.
void check_node_labels(const v1::Ranks& ranks, Problems& problems) {
  constexpr size_t kLabelsMax = 64, kLabelBytesMax = 128;
  if (ranks.nodes().size() > kLabelsMax)
    problems.add("train.ranks.nodes", fmt::format("{} labels; at most {}", ranks.nodes().size(), kLabelsMax));
  for (const auto& [label, value] : ranks.nodes())
    for (const std::string* text : {&label, &value})
      if (text->empty() || text->size() > kLabelBytesMax || !is_printable(*text))
        problems.add("train.ranks.nodes",
                     fmt::format("label '{}': 1 to {} bytes without control characters",
                                 printable(label.substr(0, kLabelBytesMax)), kLabelBytesMax));
}

void check_train(const v1::JobSpec& spec, Problems& problems) {
  const v1::Train& train = spec.train();
  const v1::Ranks& ranks = train.ranks();
  check_node_labels(ranks, problems);
  if (const uint32_t most = rank_range(ranks).max; train.command_size() == 0 && most > train.batch())
    problems.add(
        ranks.max() ? "train.ranks.max" : "train.ranks.count",
        fmt::format("{} ranks share a batch of {} rows; give each at least one", most, train.batch()));
  if (ranks.count() && (ranks.min() || ranks.max()))
    problems.add("train.ranks.count", "beside min and max; say how many ranks in one way");
  if (!ranks.min() != !ranks.max() || ranks.min() > ranks.max())
    problems.add("train.ranks", "an elastic gang says both, min at most max, as in {min: 1, max: 4}");
  if (train.has_model() == (train.command_size() > 0))
    problems.add("train",
                 "say one of model and command; write for example: model: {tabular: {hidden: [128, 64]}}");
  if (is_task(spec)) return;
  check_rows(spec, problems);
}

void check_serve(const v1::JobSpec& spec, Problems& problems) {
  // Shares of traffic are parts of 10,000.
  if (const double canary = spec.serve().canary(); canary > 0 && canary < 0.0001)
    problems.add("serve.canary", "the smallest share is 0.01%; write 0% for no canary");
  if (const double canary = spec.serve().canary();
      spec.serve().has_analysis() && (canary <= 0 || canary >= 1))
    problems.add("serve.analysis", "compares the canary with the champion; say a canary between 0% and 100%");
}

void check_waived(const v1::JobSpec& spec, Problems& problems) {
  const std::vector<std::string> paths = field_paths();
  if (static_cast<size_t>(spec.waive_size()) > paths.size())
    return problems.add("waive",
                        fmt::format("{} entries; a spec has {} fields", spec.waive_size(), paths.size()));
  for (int i = 0; i < spec.waive_size(); ++i) {
    if (std::find(paths.begin(), paths.end(), spec.waive(i)) != paths.end()) continue;
    const std::string near = nearest(spec.waive(i), paths);
    problems.add(fmt::format("waive[{}]", i),
                 fmt::format("'{}' is no field of a job spec{}", spec.waive(i),
                             near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
  }
}

std::string file_problem(const std::string& file) {
  if (leaves_folder(file)) return fmt::format("'{}' must lie inside the folder that --source names", file);
  return {};
}

void check_source(const v1::SourceFile& source, const std::string& path, Problems& problems) {
  if (source.file().empty() == source.shards().empty())
    problems.add(path, "say one of file and shards; write for example: file: flights.csv");
  if (std::string wrong = file_problem(source.file()); !wrong.empty()) problems.add(path + ".file", wrong);
  if (std::string wrong = file_problem(source.shards()); !wrong.empty())
    problems.add(path + ".shards", wrong);
}

}  // namespace

void check_rules(const v1::JobSpec& spec, Problems& problems) {
  check_name_at("name", spec.name(), problems);
  check_name_at("pool", spec.pool(), problems);
  check_waived(spec, problems);
  check_train(spec, problems);
  check_command(spec, problems);
  if (is_task(spec)) return check_task(spec, problems);
  check_data(spec, problems);
  check_kind(spec, problems);
  check_fit(spec, problems);
  check_retrain(spec, problems);
  check_label(spec, problems);
  check_metric(spec, problems);
  check_serve(spec, problems);
  check_candidates(spec, problems);
}

void check_rules(const v1::ImportSpec& spec, Problems& problems) {
  check_name_at("dataset", spec.dataset(), problems);
  check_source(spec.rows(), "rows", problems);
  for (int i = 0; i < spec.join_size(); ++i) {
    const std::string path = fmt::format("join[{}]", i);
    check_source(spec.join(i).source(), path + ".source", problems);
    if (spec.join(i).on_size() == 0 && spec.join(i).hour().empty())
      problems.add(path, "says neither 'on' nor 'hour': which rows belong together?");
    if (spec.join(i).hour().empty() && from_proto(spec.join(i).shift()) != Micros(0))
      problems.add(path + ".shift", "a shift moves 'hour', which is not given");
  }
  Roles derived(problems);
  for (int i = 0; i < spec.derive_size(); ++i)
    derived.add(spec.derive(i).column(), fmt::format("derive[{}].column", i), "a derived column");
  Roles kept(problems);
  kept.add_all(spec.keep(), "keep", "a kept column");
  if (std::find(spec.keep().begin(), spec.keep().end(), spec.time()) == spec.keep().end())
    problems.add("time", fmt::format("column '{}' is not among those that are kept", spec.time()));
}

}  // namespace rekindle::jobs
