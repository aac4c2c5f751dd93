#include "trainer/kinds/cnn.h"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "trainer/gpu/device.h"
#include "trainer/kinds/heads.h"

namespace rekindle::trainer {
namespace {

constexpr int64_t kGroups = 8;
constexpr double kEpsilon = 1e-5;

int64_t channels_in(const v1::Cnn& spec) {
  return spec.gray() ? 1 : 3;
}

// Walks the blocks of all stages: f(name, inputs, outputs, stride).
template <typename F>
int64_t each_block(const v1::Cnn& spec, F f) {
  int64_t inputs = spec.width();
  for (int stage = 0; stage < spec.blocks_size(); ++stage) {
    const int64_t outputs = int64_t{spec.width()} << stage;
    for (uint32_t block = 0; block < spec.blocks(stage); ++block) {
      f(fmt::format("layer{}.{}", stage + 1, block), inputs, outputs, stage > 0 && block == 0 ? 2 : 1);
      inputs = outputs;
    }
  }
  return inputs;
}

void add_conv(Starts& out, const std::string& name, int64_t outputs, int64_t inputs, int64_t side) {
  // He: what goes into a ReLU keeps its variance.
  out.uniform(name + ".weight", {outputs, inputs, side, side},
              std::sqrt(2.0 / static_cast<double>(inputs * side * side)));
}

void add_norm(Starts& out, const std::string& name, int64_t channels) {
  out.ones(name + ".weight", {channels});
  out.zeros(name + ".bias", {channels});
}

Starts starts_of(const v1::Cnn& spec, int64_t answers) {
  Starts out;
  add_conv(out, "conv1", spec.width(), channels_in(spec), 3);
  add_norm(out, "bn1", spec.width());
  const int64_t last =
      each_block(spec, [&](const std::string& name, int64_t inputs, int64_t outputs, int stride) {
        add_conv(out, name + ".conv1", outputs, inputs, 3);
        add_norm(out, name + ".bn1", outputs);
        add_conv(out, name + ".conv2", outputs, outputs, 3);
        add_norm(out, name + ".bn2", outputs);
        if (stride == 1 && inputs == outputs) return;
        add_conv(out, name + ".downsample.0", outputs, inputs, 1);
        add_norm(out, name + ".downsample.1", outputs);
      });
  out.zeros("fc.weight", {answers, last});
  out.zeros("fc.bias", {answers});
  return out;
}

at::Tensor convolved(const at::Tensor& x, const at::Tensor& weight, int64_t stride, int64_t padding) {
  return at::conv2d(x, weight, {}, stride, padding);
}

at::Tensor normed(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::group_norm(x, std::gcd(kGroups, x.size(1)), weight, bias, kEpsilon);
}

}  // namespace

Result<std::unique_ptr<Module>> make_cnn(const v1::ModelCard& card, at::Device device) {
  const v1::Cnn& spec = card.kind().cnn();
  if (spec.size() == 0 || spec.width() == 0 || spec.blocks_size() == 0 || spec.blocks_size() > 8 ||
      spec.size() >> (spec.blocks_size() - 1) == 0)
    return invalid_argument(fmt::format(
        "train.model.cnn: {} stages halve {} pixels to nothing; say fewer blocks or a larger size",
        spec.blocks_size(), spec.size()));
  models::Head head = TRY(models::head_of(card));
  return std::unique_ptr<Module>(std::make_unique<Cnn>(spec, std::move(head), device));
}

Cnn::Cnn(const v1::Cnn& spec, models::Head head, at::Device device)
    : TensorModule(starts_of(spec, static_cast<int64_t>(head.outputs())).parameters(), device),
      spec_(spec),
      head_(std::move(head)),
      conv1_(conv("conv1", 1)),
      norm1_(norm("bn1")),
      fc_weight_(parameters().leaf("fc.weight")),
      fc_bias_(parameters().leaf("fc.bias")) {
  each_block(spec_, [&](const std::string& name, int64_t, int64_t, int stride) {
    Block block;
    block.conv1 = conv(name + ".conv1", stride);
    block.norm1 = norm(name + ".bn1");
    block.conv2 = conv(name + ".conv2", 1);
    block.norm2 = norm(name + ".bn2");
    if (layout().find(name + ".downsample.0.weight") != nullptr) {
      block.shortcut = conv(name + ".downsample.0", stride);
      block.shortcut_norm = norm(name + ".downsample.1");
    }
    blocks_.push_back(std::move(block));
  });
}

Cnn::Conv Cnn::conv(const std::string& name, int64_t stride) const {
  const at::Tensor& weight = parameters().leaf(name + ".weight");
  return {weight, stride, weight.size(2) / 2};
}

Cnn::Norm Cnn::norm(const std::string& name) const {
  return {parameters().leaf(name + ".weight"), parameters().leaf(name + ".bias")};
}

models::Parameters Cnn::initial(uint64_t seed, const Examples& training) const {
  return deep_initial(starts_of(spec_, static_cast<int64_t>(head_.outputs())), head_, seed, training);
}

at::Tensor Cnn::forward(at::Tensor x) const {
  x = at::relu(normed(convolved(x, conv1_.weight, 1, conv1_.padding), norm1_.weight, norm1_.bias));
  for (const Block& b : blocks_) {
    at::Tensor y = convolved(x, b.conv1.weight, b.conv1.stride, b.conv1.padding);
    y = at::relu(normed(y, b.norm1.weight, b.norm1.bias));
    y = convolved(y, b.conv2.weight, b.conv2.stride, b.conv2.padding);
    y = normed(y, b.norm2.weight, b.norm2.bias);
    if (b.shortcut.weight.defined())
      x = normed(convolved(x, b.shortcut.weight, b.shortcut.stride, b.shortcut.padding),
                 b.shortcut_norm.weight, b.shortcut_norm.bias);
    x = at::relu(y + x);
  }
  return at::linear(x.mean({2, 3}), fc_weight_, fc_bias_);
}

Batch Cnn::batch(const Examples& examples, std::span<const int64_t> rows, const StepKey& key) const {
  const int64_t n = static_cast<int64_t>(rows.size()), size = spec_.size();
  auto images = at::empty({n, channels_in(spec_), size, size}, at::kFloat);
  float* out = images.mutable_data_ptr<float>();
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto moved =
        dataio::draw_augment(key.seed, key.step, key.first_row + i, spec_.crop(), spec_.flip());
    dataio::normalised(examples.images, static_cast<size_t>(rows[i]), moved, out);
    out += examples.images.shape.values();
  }
  return {images, targets_of(head_, examples, rows)};
}

at::Tensor Cnn::batch_loss(const Batch& batch, double scale) const {
  return head_loss(head_, forward(batch[0]), batch[1]) * scale;
}

std::vector<double> Cnn::outputs(const Examples& examples, size_t begin, size_t end) const {
  const int64_t size = spec_.size();
  const auto device = parameters().device();
  return answers_of(head_, device, begin, end, [&](std::span<const int64_t> rows) {
    auto images = at::empty({static_cast<int64_t>(rows.size()), channels_in(spec_), size, size}, at::kFloat);
    float* out = images.mutable_data_ptr<float>();
    for (const int64_t row : rows) {
      dataio::normalised(examples.images, static_cast<size_t>(row), {}, out);
      out += examples.images.shape.values();
    }
    return forward(to_device(images, device));
  });
}

}  // namespace rekindle::trainer
