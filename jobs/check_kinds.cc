#include "jobs/check_kinds.h"

#include <fmt/format.h>

#include <bit>

#include "jobs/values.h"

namespace rekindle::jobs {
namespace {

constexpr int kMostLayers = 16;
constexpr int kMostStages = 6;
constexpr uint64_t kMostChannels = 2048;
constexpr uint64_t kMostParameters = 1'000'000'000;
constexpr int kMostOptions = 64;

// A kind reads one sort of column; what it would not read is refused rather than left out.
void check_columns(const v1::Data& data, v1::Model::KindCase kind, Problems& problems) {
  const bool image = kind == v1::Model::kCnn, tokens = kind == v1::Model::kTransformer;
  if (image && data.image().empty())
    problems.add("data.image", "the kind cnn reads images; write for example: image: picture");
  if (tokens && data.tokens().empty())
    problems.add("data.tokens", "the kind transformer reads tokens; write for example: tokens: words");
  if (!image && !data.image().empty())
    problems.add("data.image", "images are read by the kind cnn alone; remove it, or say model: cnn");
  if (!tokens && !data.tokens().empty())
    problems.add("data.tokens",
                 "tokens are read by the kind transformer alone; remove it, or say model: "
                 "{transformer: {vocabulary: 1000}}");
  if (!image && !tokens) return;
  for (const char* field : {"numeric", "categorical"})
    if ((field[0] == 'n' ? data.numeric_size() : data.categorical_size()) > 0)
      problems.add(fmt::format("data.{}", field),
                   fmt::format("the kind {} reads {} alone; remove these, or say model: tabular",
                               image ? "cnn" : "transformer", image ? "data.image" : "data.tokens"));
}

void check_cnn(const v1::Cnn& cnn, Problems& problems) {
  const std::string path = "train.model.cnn";
  const int stages = cnn.blocks_size();
  if (stages > kMostStages)
    problems.add(path + ".blocks", fmt::format("{} stages; at most {}", stages, kMostStages));
  else if (stages > 0 && cnn.size() > 0 && cnn.size() >> (stages - 1) == 0)
    problems.add(path + ".blocks", fmt::format("{} stages halve {} pixels to nothing; at most {} fit", stages,
                                               cnn.size(), std::bit_width(cnn.size())));
  else if (stages > 0 && uint64_t{cnn.width()} << (stages - 1) > kMostChannels)
    problems.add(path + ".width", fmt::format("the last of {} stages would have {} channels; at most {}",
                                              stages, uint64_t{cnn.width()} << (stages - 1), kMostChannels));
  if (cnn.size() > 0 && cnn.crop() > cnn.size() / 2)
    problems.add(path + ".crop", fmt::format("shifts of {} of {} pixels leave little; at most {}", cnn.crop(),
                                             cnn.size(), cnn.size() / 2));
}

void check_transformer(const v1::Transformer& transformer, Problems& problems) {
  const std::string path = "train.model.transformer";
  if (transformer.heads() > 0 && transformer.width() % transformer.heads() != 0)
    problems.add(path + ".heads", fmt::format("{} heads do not divide a width of {}", transformer.heads(),
                                              transformer.width()));
  const uint64_t width = transformer.width();
  const uint64_t parameters = 12 * width * width * transformer.layers() +
                              width * (uint64_t{transformer.vocabulary()} + transformer.context());
  if (parameters > kMostParameters)
    problems.add(path,
                 fmt::format("about {} million parameters; at most {} million: say less width or layers",
                             parameters / 1'000'000, kMostParameters / 1'000'000));
}

void check_plugin(const v1::JobSpec& spec, Problems& problems) {
  const std::string path = "train.model.plugin";
  const v1::Plugin& plugin = spec.train().model().plugin();
  const std::string& library = plugin.library();
  if (leaves_folder(library))
    problems.add(path + ".library", fmt::format("'{}' must be a file within train.code", library));
  if (spec.train().code().empty())
    problems.add("train.code", "the folder that holds the plugin's library; write for example: code: build");
  if (plugin.options_size() > kMostOptions)
    problems.add(path + ".options",
                 fmt::format("{} options; at most {}", plugin.options_size(), kMostOptions));
  if (spec.train().ranks().gpus() > 0)
    problems.add("train.ranks.gpus", "a plugin works in the host's memory; say gpus: 0");
  if (spec.train().precision() == v1::BF16)
    problems.add("train.precision", "a plugin computes in fp32; say precision: fp32");
}

}  // namespace

void check_kind(const v1::JobSpec& spec, Problems& problems) {
  if (!spec.train().has_model()) return;
  const v1::Model& model = spec.train().model();
  check_columns(spec.data(), model.kind_case(), problems);
  if (model.tabular().hidden_size() > kMostLayers)
    problems.add("train.model.tabular.hidden",
                 fmt::format("{} layers; at most {}", model.tabular().hidden_size(), kMostLayers));
  if (model.has_cnn()) check_cnn(model.cnn(), problems);
  if (model.has_transformer()) check_transformer(model.transformer(), problems);
  if (model.has_plugin()) check_plugin(spec, problems);
}

}  // namespace rekindle::jobs
