#include "fixture.h"

#include <google/protobuf/util/json_util.h>

#include <cmath>

#include "base/process.h"

namespace rekindle::models::testing {
namespace {

constexpr int kNumbers = 4;
constexpr int kTexts = 2;

void add_input(v1::ModelCard& card, const std::string& name, v1::ColumnType type) {
  card.add_inputs()->set_name(name);
  card.mutable_inputs(card.inputs_size() - 1)->set_type(type);
}

}  // namespace

std::string bin(const std::string& program) {
  const char* folder = std::getenv("REKINDLE_BIN");
  return fs::absolute(folder != nullptr ? folder : "build/release/bin") / program;
}

v1::ModelCard linear_card() {
  v1::ModelCard card;
  card.set_format(1);
  card.set_model("m");
  card.mutable_kind()->mutable_linear();
  card.set_time_column("at");
  card.set_output("probability");
  add_input(card, "at", v1::TIMESTAMP);
  for (int i = 0; i < kNumbers; ++i) {
    const std::string name = "n" + std::to_string(i);
    add_input(card, name, v1::NUMBER);
    auto& numeric = *card.mutable_transforms()->add_numeric();
    numeric.set_column(name);
    numeric.set_low(-3);
    numeric.set_high(3);
    numeric.set_mean(0.5);
    numeric.set_scale(2);
    numeric.set_indicator(i % 2 == 1);
  }
  for (int i = 0; i < kTexts; ++i) {
    const std::string name = "c" + std::to_string(i);
    add_input(card, name, v1::TEXT);
    auto& categorical = *card.mutable_transforms()->add_categorical();
    categorical.set_column(name);
    for (int v = 0; v < 5; ++v) categorical.add_values("v" + std::to_string(v));
  }
  return card;
}

std::string linear_weights(const v1::ModelCard& card) {
  const Network network = network_of(card).value();
  Parameters parameters = initial_parameters(network, 7, std::vector<double>(network.head.outputs(), 0.3));
  for (auto& [name, values] : parameters)
    for (size_t i = 0; i < values.size(); ++i)
      values[i] += 0.5f * std::cos(static_cast<float>(i) + static_cast<float>(name.size()));
  return save_parameters(network, parameters);
}

dataio::Table some_rows(size_t count) {
  dataio::Table out;
  std::vector<int64_t> times;
  for (size_t row = 0; row < count; ++row)
    times.push_back(1'700'000'000'000'000 + static_cast<int64_t>(row) * 1'000'000);
  out.add(dataio::time_column("at", std::move(times)));
  for (int i = 0; i < kNumbers; ++i) {
    std::vector<double> values;
    for (size_t row = 0; row < count; ++row)
      values.push_back(row % 11 == 3 ? NAN : std::sin(1.0 + static_cast<double>(row) * (i + 1)) * 4);
    if (count > 7) values[7] = i == 0 ? INFINITY : 1e300;
    out.add(dataio::number_column("n" + std::to_string(i), std::move(values)));
  }
  for (int i = 0; i < kTexts; ++i) {
    std::vector<std::string> values;
    for (size_t row = 0; row < count; ++row)
      values.push_back(row % 9 == 4 ? "\"né\\w\"\n"
                                    : "v" + std::to_string((row * 7 + static_cast<size_t>(i)) % 8));
    dataio::Column column = dataio::text_column("c" + std::to_string(i), values);
    if (count > 5) column.codes[5] = dataio::kMissingText;
    out.add(std::move(column));
  }
  return out;
}

void write_card(const fs::path& folder, const v1::ModelCard& card) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  CHECK(google::protobuf::util::MessageToJsonString(card, &json, options).ok());
  CHECK(write_file_durably(folder / "model.json", json).ok());
}

void write_version(const fs::path& folder) {
  fs::create_directories(folder);
  const v1::ModelCard card = linear_card();
  write_card(folder, card);
  CHECK(write_file_durably(folder / "model.safetensors", linear_weights(card)).ok());
}

std::string kind_name(Kind kind) {
  switch (kind) {
    case Kind::kBuiltIn:
      return "BuiltIn";
    case Kind::kScript:
      return "Script";
    default:
      return "RekindlePredict";
  }
}

ProcessOptions process_options(const fs::path& folder) {
  ProcessOptions options;
  SupervisorOptions& process = options.supervisor;
  process.scratch = folder / "scratch";
  process.folder = folder / "version";
  process.environment = bare_environment();
  process.environment.push_back("REKINDLE_MODEL=" + process.folder.string());
  fs::create_directories(process.scratch);
  fs::create_directories(process.folder);
  return options;
}

Result<std::unique_ptr<Predictor>> serve(Kind kind, const fs::path& folder, const Manner& manner) {
  const fs::path version = folder / "version";
  if (!fs::exists(version)) write_version(version);
  if (kind == Kind::kBuiltIn) return make_predictor(linear_card(), linear_weights(linear_card()));
  ProcessOptions options = process_options(folder);
  options.deadline = manner.deadline;
  options.stop = manner.stop;
  SupervisorOptions& process = options.supervisor;
  process.memory_bytes = manner.memory_bytes;
  process.start_within = manner.start_within;
  if (kind == Kind::kScript) {
    const fs::path script = fs::absolute("tests/predictors/linear_predictor.py");
    process.argv = {"/usr/bin/python3", script};
    if (!manner.fault.empty()) process.argv.insert(process.argv.end(), {"--fault", manner.fault});
  } else {
    process.argv = {bin("rekindle-predict"), "--version", version};
  }
  return ProcessPredictor::start(linear_card(), std::move(options));
}

std::vector<std::string> shown(const std::string& language) {
  const std::string page = read_file("docs/predictors.md").value();
  const std::string opening = "```" + language + "\n";
  std::vector<std::string> out;
  for (size_t at = page.find(opening); at != std::string::npos; at = page.find(opening, at + 1)) {
    const size_t begin = at + opening.size();
    out.push_back(page.substr(begin, page.find("```\n", begin) - begin));
  }
  return out;
}

std::vector<pid_t> processes_of(const fs::path& folder) {
  return processes_with_environment("REKINDLE_SOCKET=" + (folder / "scratch" / "s").string());
}

}  // namespace rekindle::models::testing
