#include "cli/rows/init/single.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <unordered_map>
#include <vector>

namespace rekindle::cli {
namespace {

constexpr size_t kBins = 32;
constexpr size_t kValuesMax = 4096;  // of a text; the rest share one

// A small whole number for each row: the quantile or the value that it falls into; 0 where it is missing.
std::vector<uint32_t> bins_of(const dataio::Column& column) {
  const size_t rows = column.rows();
  std::vector<uint32_t> out(rows, 0);
  if (column.type == v1::TEXT) {
    std::unordered_map<std::string_view, uint32_t> known;
    for (size_t row = 0; row < rows; ++row) {
      if (column.missing(row)) continue;
      const auto next = static_cast<uint32_t>(std::min(known.size(), kValuesMax) + 1);
      out[row] = known.size() < kValuesMax ? known.try_emplace(column.text(row), next).first->second : next;
    }
    return out;
  }
  const auto value = [&](size_t row) {
    return column.type == v1::TIMESTAMP ? static_cast<double>(column.times[row]) : column.numbers[row];
  };
  std::vector<double> sorted;
  for (size_t row = 0; row < rows; ++row)
    if (!column.missing(row)) sorted.push_back(value(row));
  std::ranges::sort(sorted);
  std::vector<double> edges;
  for (size_t bin = 1; bin < kBins && !sorted.empty(); ++bin)
    edges.push_back(sorted[bin * sorted.size() / kBins]);
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  for (size_t row = 0; row < rows; ++row)
    if (!column.missing(row))
      out[row] = 1 + static_cast<uint32_t>(std::ranges::upper_bound(edges, value(row)) - edges.begin());
  return out;
}

// One bin's labels: of classes how often each came, of numbers their sum.
struct Seen {
  double rows = 0, sum = 0;
  std::unordered_map<int64_t, double> classes;
};

class Learned {
 public:
  Learned(std::span<const uint32_t> bins, std::span<const double> labels, bool numbers) : numbers_(numbers) {
    for (size_t row = 0; row < labels.size(); row += 2) {
      if (std::isnan(labels[row])) continue;
      for (Seen* seen : {&all_, &bins_[bins[row]]}) {
        ++seen->rows;
        seen->sum += labels[row];
        if (!numbers_) ++seen->classes[static_cast<int64_t>(labels[row])];
      }
    }
  }

  double loss_without(double label) const { return loss(all_, label); }
  double loss_with(uint32_t bin, double label) const {
    const auto found = bins_.find(bin);
    return found == bins_.end() ? loss(all_, label) : loss(found->second, label);
  }

 private:
  // A bin of few rows is drawn towards all rows, as if one more row had come with their shares.
  double loss(const Seen& seen, double label) const {
    if (numbers_) {
      const double mean = (seen.sum + all_.sum / all_.rows) / (seen.rows + 1);
      return (label - mean) * (label - mean);
    }
    const auto share = [label](const Seen& of, double extra, double weight) {
      const auto found = of.classes.find(static_cast<int64_t>(label));
      const double count = found == of.classes.end() ? 0 : found->second;
      return (count + extra * weight) / (of.rows + weight);
    };
    return -std::log(std::max(1e-9, share(seen, share(all_, 0.5, 1), 1)));
  }

  bool numbers_;
  Seen all_;
  std::unordered_map<uint32_t, Seen> bins_;
};

}  // namespace

double explained(const dataio::Column& column, std::span<const double> labels, v1::Label::Kind kind) {
  const std::vector<uint32_t> bins = bins_of(column);
  const Learned learned(bins, labels, kind == v1::Label::REGRESSION);
  double without = 0, with = 0;
  for (size_t row = 1; row < labels.size(); row += 2) {
    if (std::isnan(labels[row])) continue;
    without += learned.loss_without(labels[row]);
    with += learned.loss_with(bins[row], labels[row]);
  }
  return without > 0 ? 1 - with / without : 0;
}

}  // namespace rekindle::cli
