#include "tests/worlds/fashion.h"

#include <fmt/format.h>
#include <zlib.h>

#include <cmath>
#include <memory>
#include <numbers>

#include "base/check.h"
#include "drift/streams/python_random.h"

namespace rekindle::worlds {
namespace {

namespace fs = std::filesystem;

const fs::path kFolder = "/usr/share/datasets/fashion-mnist";
constexpr int kSide = 28, kSquare = 4, kPixels = kSide * kSide;
constexpr size_t kImagesHeader = 16, kLabelsHeader = 8;  // of the IDX format

struct Pictures {
  std::vector<uint8_t> pixels, labels;
  uint32_t count() const { return static_cast<uint32_t>(labels.size()); }
};

// The bytes after the header.
Result<std::vector<uint8_t>> read(const fs::path& path, size_t header) {
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (!file)
    return not_found(
        fmt::format("{} cannot be read: install the Debian package dataset-fashion-mnist", path.string()));
  std::vector<uint8_t> out, part(1 << 20);
  for (int n; (n = gzread(file.get(), part.data(), static_cast<unsigned>(part.size()))) > 0;)
    out.insert(out.end(), part.begin(), part.begin() + n);
  if (out.size() < header) return data_loss(fmt::format("{} is no IDX file", path.string()));
  out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(header));
  return out;
}

Result<Pictures> read_pictures() {
  Pictures out{TRY(read(kFolder / "train-images-idx3-ubyte.gz", kImagesHeader)),
               TRY(read(kFolder / "train-labels-idx1-ubyte.gz", kLabelsHeader))};
  if (out.labels.empty() || out.pixels.size() != out.labels.size() * kPixels)
    return data_loss("the pictures of Fashion-MNIST and their labels do not belong together");
  return out;
}

// The nearest pixel of the picture turned about its middle; black beyond its edges.
double pixel(const uint8_t* picture, int row, int column, double sine, double cosine) {
  constexpr double kMiddle = (kSide - 1) / 2.0;
  const double y = row - kMiddle, x = column - kMiddle;
  const auto from_row = static_cast<int>(std::lround(cosine * y - sine * x + kMiddle));
  const auto from_column = static_cast<int>(std::lround(sine * y + cosine * x + kMiddle));
  if (from_row < 0 || from_row >= kSide || from_column < 0 || from_column >= kSide) return 0;
  return picture[from_row * kSide + from_column] / 255.0;
}

std::vector<double> squares(const uint8_t* picture, double degrees) {
  const double angle = degrees * std::numbers::pi / 180, sine = std::sin(angle), cosine = std::cos(angle);
  std::vector<double> out(kFashionFields, 0.0);
  for (int row = 0; row < kSide; ++row)
    for (int column = 0; column < kSide; ++column)
      out[static_cast<size_t>(row / kSquare * (kSide / kSquare) + column / kSquare)] +=
          pixel(picture, row, column, sine, cosine) / (kSquare * kSquare);
  return out;
}

}  // namespace

bool fashion_is_installed() {
  return fs::exists(kFolder);
}

Result<Stream> fashion(uint32_t seed, std::function<double(double row)> degrees) {
  static const Result<Pictures> read = read_pictures();  // 47 MB, once a process
  if (!read.ok()) return read.status();
  return Stream([pictures = &*read, degrees = std::move(degrees), random = drift::PythonRandom(seed),
                 row = 0.0]() mutable {
    const uint32_t number = random.below(pictures->count());
    const uint8_t* picture = pictures->pixels.data() + size_t{number} * kPixels;
    return Row{squares(picture, degrees(row++)), pictures->labels[number]};
  });
}

}  // namespace rekindle::worlds
