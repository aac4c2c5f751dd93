#include "trainer/record.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "models/safetensors.h"

namespace rekindle::trainer {
namespace {

struct Flat {
  std::vector<int32_t> values;
  std::vector<int64_t> starts = {0};  // of each row, and the end of the last
};

Flat flattened(const std::vector<dataio::TokenRow>& rows) {
  Flat out;
  for (const dataio::TokenRow& row : rows) {
    if (row) out.values.insert(out.values.end(), row->begin(), row->end());
    out.starts.push_back(static_cast<int64_t>(out.values.size()));
  }
  return out;
}

}  // namespace

Recorder::Recorder(bool on, const fs::path& folder, int rank) : folder_(folder), rank_(rank) {
  if (!on) return;
  const fs::path path = folder / fmt::format("record-{}.jsonl", rank);
  fd_ = Fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  CHECK(fd_.valid(), "a record that a test asked for cannot be opened");
}

void Recorder::append(const std::string& line) {
  CHECK(::write(fd_.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size()),
        "a record that a test asked for cannot be written");
}

void Recorder::rows(uint64_t epoch, uint64_t step, std::span<const int64_t> rows) {
  if (!on()) return;
  append(
      fmt::format("{{\"epoch\": {}, \"step\": {}, \"rows\": [{}]}}\n", epoch, step, fmt::join(rows, ", ")));
}

void Recorder::loss(uint64_t step, double loss, double rate) {
  if (!on() || rank_ != 0) return;
  append(fmt::format("{{\"step\": {}, \"loss\": {:.17g}, \"rate\": {:.17g}}}\n", step, loss, rate));
}

void Recorder::beginning(const Module& module, const Examples& training) const {
  if (!on() || rank_ != 0) return;
  auto bytes_of = [](const auto& values) {
    return std::string_view(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(values[0]));
  };
  const auto values = module.parameters().host();
  std::vector<models::NamedTensor> tensors;
  module.layout().add_tensors("parameters/", values, tensors);
  const auto rows = static_cast<int64_t>(training.rows());
  auto matrix = [&](const char* name, const char* dtype, size_t width, std::string_view bytes) {
    tensors.push_back({name, dtype, {rows, static_cast<int64_t>(width)}, bytes});
  };
  const auto& encoded = training.encoded;
  if (encoded.numeric_width > 0) matrix("numeric", "F32", encoded.numeric_width, bytes_of(encoded.numeric));
  if (encoded.categorical_width > 0)
    matrix("categorical", "I64", encoded.categorical_width, bytes_of(encoded.categorical));
  const dataio::PixelRows& images = training.images;
  const int64_t side = images.shape.size;
  if (images.rows > 0)
    tensors.push_back({"images", "U8", {rows, images.shape.channels, side, side}, bytes_of(images.values)});
  const Flat tokens = flattened(training.tokens);
  if (!training.tokens.empty()) {
    tensors.push_back(
        {"tokens", "I32", {static_cast<int64_t>(tokens.values.size())}, bytes_of(tokens.values)});
    tensors.push_back({"token_starts", "I64", {rows + 1}, bytes_of(tokens.starts)});
  }
  matrix("labels", "F64", 1, bytes_of(training.labels));
  const auto written =
      write_file_durably(folder_ / "beginning.safetensors", models::write_safetensors(std::move(tensors)));
  CHECK(written.ok(), written.message());
}

}  // namespace rekindle::trainer
