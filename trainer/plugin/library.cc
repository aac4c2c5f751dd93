#include "trainer/plugin/library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace rekindle::trainer {
namespace {

constexpr int64_t kParametersMax = 4096;
constexpr int64_t kElementsMax = int64_t{1} << 31;
constexpr size_t kNameBytesMax = 256;
constexpr size_t kMessageBytesMax = 1000;
// Behind each buffer that a library writes: a value that no computation leaves there.
constexpr size_t kGuards = 16;
constexpr float kGuard = -1.2345678e33f;

std::vector<std::vector<float>> guarded(const std::vector<models::Parameter>& parameters) {
  std::vector<std::vector<float>> out;
  for (const auto& p : parameters) {
    out.emplace_back(static_cast<size_t>(p.elements()), 0.0f);
    out.back().insert(out.back().end(), kGuards, kGuard);
  }
  return out;
}

// Takes the guards off; false when they were written over.
bool unguard(std::vector<float>& buffer) {
  const bool whole = std::all_of(buffer.end() - kGuards, buffer.end(), [](float v) { return v == kGuard; });
  buffer.resize(buffer.size() - kGuards);
  return whole;
}

bool finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

std::vector<float*> pointers(std::vector<std::vector<float>>& buffers) {
  std::vector<float*> out;
  for (auto& buffer : buffers) out.push_back(buffer.data());
  return out;
}

bool printable(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

rekindle_batch batch_of(const dataio::Encoded& rows) {
  rekindle_batch out{};
  out.rows = static_cast<int64_t>(rows.rows);
  out.numeric = rows.numeric.data();
  out.categorical = rows.categorical.data();
  return out;
}

}  // namespace

Status PluginLibrary::wrong(std::string_view what) const {
  return invalid_argument(fmt::format("plugin {}: {}", name_, what));
}

Status PluginLibrary::said(const char* message, std::string_view doing) const {
  if (message == nullptr) return ok_status();
  return wrong(fmt::format("{}: {}", doing, std::string_view(message).substr(0, kMessageBytesMax)));
}

Result<std::unique_ptr<PluginLibrary>> PluginLibrary::open(const fs::path& code, const v1::ModelCard& card,
                                                           const models::Head& head) {
  std::unique_ptr<PluginLibrary> out(new PluginLibrary);
  const fs::path file = card.kind().plugin().library();
  const bool climbs =
      std::any_of(file.begin(), file.end(), [](const fs::path& part) { return part == ".."; });
  if (file.empty() || file.is_absolute() || climbs)
    return invalid_argument(
        fmt::format("train.model.plugin.library: '{}' must be a file within train.code", file.string()));
  out->name_ = file.string();
  out->outputs_ = head.outputs();
  TRY_STATUS(out->load(code / file));
  TRY_STATUS(out->open_model(card, head));
  TRY_STATUS(out->read_parameters());
  return out;
}

PluginLibrary::~PluginLibrary() {
  if (model_ != nullptr) table_->close(model_);
  if (handle_ != nullptr) ::dlclose(handle_);
}

Status PluginLibrary::load(const fs::path& path) {
  handle_ = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle_ == nullptr) return wrong(fmt::format("it cannot be loaded: {}", ::dlerror()));
  const auto entry = reinterpret_cast<decltype(&rekindle_plugin)>(::dlsym(handle_, "rekindle_plugin"));
  if (entry == nullptr)
    return wrong("it exports no function rekindle_plugin (trainer/plugin/rekindle_plugin.h)");
  const rekindle_plugin_table* table = entry();
  if (table == nullptr) return wrong("rekindle_plugin() gives no table");
  if (table->version != REKINDLE_PLUGIN_VERSION)
    return wrong(
        fmt::format("it is built for version {} of the interface; this rekindle has version {}: build it "
                    "with this rekindle's rekindle_plugin.h",
                    table->version, REKINDLE_PLUGIN_VERSION));
  if (table->bytes < sizeof(rekindle_plugin_table))
    return wrong(fmt::format("its table has {} bytes, not {}", table->bytes, sizeof(rekindle_plugin_table)));
  const std::pair<const char*, bool> functions[] = {{"open", table->open != nullptr},
                                                    {"close", table->close != nullptr},
                                                    {"parameters", table->parameters != nullptr},
                                                    {"start", table->start != nullptr},
                                                    {"loss", table->loss != nullptr},
                                                    {"outputs", table->outputs != nullptr}};
  for (const auto& [function, there] : functions)
    if (!there) return wrong(fmt::format("its table lacks the function '{}'", function));
  table_ = table;
  return ok_status();
}

Status PluginLibrary::open_model(const v1::ModelCard& card, const models::Head& head) {
  const std::vector<int64_t> categories = dataio::category_counts(card.transforms());
  std::vector<const char*> names, values;
  for (const auto& [name, value] : card.kind().plugin().options()) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  rekindle_problem problem{};
  problem.numeric = static_cast<int64_t>(dataio::numeric_width(card.transforms()));
  problem.categorical = static_cast<int64_t>(categories.size());
  problem.categories = categories.data();
  problem.outputs = static_cast<int64_t>(head.outputs());
  problem.targets = static_cast<int64_t>(head.target_width());
  problem.label = static_cast<int32_t>(head.rule.kind());
  problem.options = static_cast<int32_t>(names.size());
  problem.option_names = names.data();
  problem.option_values = values.data();
  return said(table_->open(&problem, &model_), "open");
}

Status PluginLibrary::read_parameters() {
  const rekindle_parameter* list = nullptr;
  int64_t count = 0, elements = 0;
  TRY_STATUS(said(table_->parameters(model_, &list, &count), "parameters"));
  if (count < 1 || count > kParametersMax || list == nullptr)
    return wrong(fmt::format("{} parameters; 1 to {} are possible", count, kParametersMax));
  std::set<std::string> names;
  for (int64_t i = 0; i < count; ++i) {
    const rekindle_parameter& p = list[i];
    const std::string name = p.name ? std::string(p.name, strnlen(p.name, kNameBytesMax + 1)) : "";
    if (!printable(name))
      return wrong(fmt::format("parameter {} has no printable name of 1 to {} bytes", i, kNameBytesMax));
    if (!names.insert(name).second) return wrong(fmt::format("two parameters are named '{}'", name));
    if (p.dimensions < 0 || p.dimensions > REKINDLE_PLUGIN_DIMENSIONS)
      return wrong(fmt::format("parameter '{}' has {} dimensions; 0 to {} are possible", name, p.dimensions,
                               REKINDLE_PLUGIN_DIMENSIONS));
    models::Parameter parameter{name, {p.shape, p.shape + p.dimensions}};
    int64_t size = 1;
    for (const int64_t side : parameter.shape)
      if (side < 1 || side > kElementsMax || (size *= side) > kElementsMax)
        return wrong(fmt::format("parameter '{}' has the impossible shape [{}]", name,
                                 fmt::join(parameter.shape, ", ")));
    elements += size;
    if (elements > kElementsMax) return wrong("it has more than 2^31 parameters");
    parameters_.push_back(std::move(parameter));
  }
  return ok_status();
}

Result<models::Parameters> PluginLibrary::start(uint64_t seed) const {
  auto buffers = guarded(parameters_);
  const std::lock_guard lock(one_at_a_time_);
  TRY_STATUS(said(table_->start(model_, seed, pointers(buffers).data()), "start"));
  models::Parameters out;
  for (size_t i = 0; i < buffers.size(); ++i) {
    const std::string& name = parameters_[i].name;
    if (!unguard(buffers[i])) return wrong(fmt::format("start wrote past the end of '{}'", name));
    if (!finite(buffers[i])) return wrong(fmt::format("start gave '{}' a value that is not finite", name));
    out[name] = std::move(buffers[i]);
  }
  return out;
}

Result<PluginLibrary::Loss> PluginLibrary::loss(const Values& values, const dataio::Encoded& rows,
                                                std::span<const float> targets, const StepKey& key,
                                                double scale) const {
  rekindle_batch batch = batch_of(rows);
  batch.targets = targets.data();
  batch.seed = key.seed;
  batch.step = key.step;
  batch.first_row = key.first_row;
  Loss out;
  out.gradients = guarded(parameters_);
  const std::lock_guard lock(one_at_a_time_);
  out.sum = std::nan("");  // what it leaves when it forgets to answer
  TRY_STATUS(said(
      table_->loss(model_, values.data(), &batch, scale, pointers(out.gradients).data(), &out.sum), "loss"));
  for (size_t i = 0; i < parameters_.size(); ++i) {
    if (!unguard(out.gradients[i]))
      return wrong(fmt::format("loss wrote past the end of the gradient of '{}'", parameters_[i].name));
    // Not finite is what training meets, not a mistake of the interface: the loss says it to all ranks.
    if (!finite(out.gradients[i])) out.sum = std::nan("");
  }
  return out;
}

Result<std::vector<float>> PluginLibrary::outputs(const Values& values, const dataio::Encoded& rows) const {
  const rekindle_batch batch = batch_of(rows);
  std::vector<float> out(rows.rows * outputs_, std::nanf(""));
  out.insert(out.end(), kGuards, kGuard);
  const std::lock_guard lock(one_at_a_time_);
  TRY_STATUS(said(table_->outputs(model_, values.data(), &batch, out.data()), "outputs"));
  if (!unguard(out)) return wrong("outputs wrote past the end of its answers");
  if (!finite(out)) return wrong("outputs gave an answer that is not finite, or none for some row");
  return out;
}

}  // namespace rekindle::trainer
