#include "trainer/predict/package.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <mutex>
#include <unordered_map>

#include "trainer/torch.h"
// After it, for its CHECK.
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>

namespace rekindle::trainer {
namespace {

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

namespace json = boost::json;
using models::Predictions;

using Numbers = std::unordered_map<std::string, int64_t>;  // of the values of one column

constexpr uint64_t kCategoriesBytesMax = 64 << 20;

Result<std::vector<Numbers>> read_categories(const std::vector<std::string>& texts, const fs::path& path) {
  std::vector<Numbers> out;
  if (texts.empty()) return out;
  const auto text = read_file(path, kCategoriesBytesMax);
  if (!text.ok())
    return text.status().within(
        "a package of a model with categorical columns needs categories.json, {\"column\": [values]}");
  boost::system::error_code error;
  const json::value root = json::parse(*text, error);
  if (error || !root.is_object()) return invalid_argument("categories.json is no JSON object");
  for (const std::string& name : texts) {
    const json::value* values = root.get_object().if_contains(name);
    if (values == nullptr || !values->is_array())
      return invalid_argument(fmt::format("categories.json has no list of values for '{}'", name));
    Numbers& numbers = out.emplace_back();
    for (const json::value& value : values->get_array()) {
      if (!value.is_string())
        return invalid_argument(fmt::format("categories.json: a value of '{}' is no text", name));
      numbers.emplace(std::string(value.get_string()), static_cast<int64_t>(numbers.size()) + 1);
    }
  }
  return out;
}

// Stands in for the wheel's libtorch.so, see torch_name.c; kept for as long as this program lives.
Status load_torch_name() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  const fs::path library = self.parent_path().parent_path() / "lib" / "rekindle-predict" / "libtorch.so";
  if (::dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) != nullptr) return ok_status();
  return failed_precondition(
      fmt::format("{} cannot be loaded: install it with rekindle-predict", library.string()));
}

class Package final : public models::Predictor {
 public:
  Package(v1::ModelCard card, std::vector<std::string> numbers, std::vector<std::string> texts,
          std::vector<Numbers> categories, const fs::path& file)
      : card_(std::move(card)),
        width_(models::output_width(card_)),
        numbers_(std::move(numbers)),
        texts_(std::move(texts)),
        categories_(std::move(categories)),
        loader_(file.string()) {}

  Result<Predictions> predict(const dataio::Table& rows) const override {
    Predictions out{.width = width_};
    const auto inputs = TRY(tensors(rows));
    if (rows.rows() == 0) return out;
    try {
      const at::InferenceMode inference;
      std::vector<at::Tensor> outputs;
      {
        // One model instance: its buffers are used by one request at a time.
        std::lock_guard lock(mutex_);
        outputs = loader_.run(inputs);
      }
      return read(outputs, rows.rows());
    } catch (const std::exception& error) {
      return internal_error(
          fmt::format("the package failed on {} rows (was it exported with a dynamic number of "
                      "rows?): {}",
                      rows.rows(), first_line(error.what())));
    }
  }
  const v1::ModelCard& card() const override { return card_; }

 private:
  Result<std::vector<at::Tensor>> tensors(const dataio::Table& rows) const {
    const auto count = static_cast<int64_t>(rows.rows());
    std::vector<at::Tensor> out;
    if (!numbers_.empty()) {
      at::Tensor tensor = at::empty({count, static_cast<int64_t>(numbers_.size())}, at::kFloat);
      for (size_t c = 0; c < numbers_.size(); ++c) {
        const dataio::Column* column = TRY(rows.get(numbers_[c], v1::NUMBER));
        float* to = tensor.data_ptr<float>() + c;
        for (const double value : column->numbers) {
          *to = static_cast<float>(value);
          to += numbers_.size();
        }
      }
      out.push_back(std::move(tensor));
    }
    if (!texts_.empty()) {
      at::Tensor tensor = at::zeros({count, static_cast<int64_t>(texts_.size())}, at::kLong);
      for (size_t c = 0; c < texts_.size(); ++c) {
        const dataio::Column* column = TRY(rows.get(texts_[c], v1::TEXT));
        int64_t* to = tensor.data_ptr<int64_t>() + c;
        for (size_t row = 0; row < column->rows(); ++row, to += texts_.size()) {
          const auto found = categories_[c].find(std::string(column->text(row)));
          if (!column->missing(row) && found != categories_[c].end()) *to = found->second;
        }
      }
      out.push_back(std::move(tensor));
    }
    return out;
  }

  Result<Predictions> read(const std::vector<at::Tensor>& outputs, size_t rows) const {
    if (outputs.empty()) return internal_error("the package gave no output");
    const at::Tensor values = outputs.front().to(at::kCPU, at::kDouble).contiguous();
    if (static_cast<size_t>(values.numel()) != rows * width_)
      return internal_error(
          fmt::format("the package gave {} values for {} rows of {}", values.numel(), rows, width_));
    const double* data = values.data_ptr<double>();
    return Predictions{.width = width_, .values = std::vector<double>(data, data + values.numel())};
  }

  const v1::ModelCard card_;
  const size_t width_;
  const std::vector<std::string> numbers_, texts_;
  const std::vector<Numbers> categories_;
  mutable std::mutex mutex_;
  mutable torch::inductor::AOTIModelPackageLoader loader_;
};

}  // namespace

Result<std::unique_ptr<models::Predictor>> load_package(const v1::ModelCard& card, const fs::path& folder) {
  std::vector<std::string> numbers, texts;
  for (const v1::Column& input : card.inputs()) {
    if (input.name() == card.time_column()) continue;
    if (input.type() == v1::NUMBER) numbers.push_back(input.name());
    if (input.type() == v1::TEXT) texts.push_back(input.name());
    if (input.type() != v1::NUMBER && input.type() != v1::TEXT)
      return invalid_argument(
          fmt::format("a package takes numbers and texts; '{}' is neither", input.name()));
  }
  // What the script left in $REKINDLE_OUT.
  const fs::path out = folder / "out";
  auto categories = TRY(read_categories(texts, out / "categories.json"));
  const fs::path file = out / card.predict().package();
  if (!fs::is_regular_file(file))
    return invalid_argument(
        fmt::format("the version has no file '{}' (predict.package)", card.predict().package()));
  TRY_STATUS(load_torch_name());
  try {
    return std::unique_ptr<models::Predictor>(
        std::make_unique<Package>(card, std::move(numbers), std::move(texts), std::move(categories), file));
  } catch (const std::exception& error) {
    return data_loss(fmt::format("'{}' is no AOTInductor package that this LibTorch can load: {}",
                                 card.predict().package(), first_line(error.what())));
  }
}

}  // namespace rekindle::trainer
