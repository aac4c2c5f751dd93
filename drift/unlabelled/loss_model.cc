#include "drift/unlabelled/loss_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>

namespace rekindle::drift {

namespace {

constexpr int kTrees = 60;
constexpr double kStep = 0.1;
constexpr int64_t kLeafRowsMin = 20;
constexpr size_t kBinsMax = 32;
constexpr double kEverything = std::numeric_limits<double>::infinity();

// A column cut at its quantiles; each row's bin. Bin 0: missing, bin b: in (edges[b - 2], edges[b - 1]].
struct Binned {
  std::vector<double> edges;
  std::vector<uint8_t> bins;
};

Binned bin_column(const Rows& rows, size_t column) {
  std::vector<double> sorted;
  for (size_t i = 0; i < rows.size(); ++i)
    if (const double value = rows[i][column]; !std::isnan(value)) sorted.push_back(value);
  std::ranges::sort(sorted);
  Binned out;
  for (size_t k = 1; k < kBinsMax && !sorted.empty(); ++k)
    out.edges.push_back(sorted[(sorted.size() - 1) * k / kBinsMax]);
  out.edges.erase(std::unique(out.edges.begin(), out.edges.end()), out.edges.end());
  for (size_t i = 0; i < rows.size(); ++i) {
    const double value = rows[i][column];
    out.bins.push_back(
        std::isnan(value)
            ? 0
            : static_cast<uint8_t>(1 + (std::ranges::lower_bound(out.edges, value) - out.edges.begin())));
  }
  return out;
}

struct Cut {
  size_t column = 0;
  uint8_t bin = 255;          // rows of this bin or a lower one go left
  double edge = kEverything;  // all of them, where no cut is worth it
};

struct Sum {
  double residual = 0;
  int64_t rows = 0;
  double gain() const { return rows > 0 ? residual * residual / static_cast<double>(rows) : 0; }
};

// The cut that lowers the squared error most; none lowers it unless both sides keep enough rows.
Cut best_cut(const std::vector<Binned>& columns, std::span<const size_t> members,
             std::span<const double> residual) {
  Cut best;
  Sum all;
  for (const size_t row : members) all = {all.residual + residual[row], all.rows + 1};
  double best_gain = all.gain() * (1 + 1e-12);
  for (size_t column = 0; column < columns.size(); ++column) {
    std::array<Sum, kBinsMax + 1> sums{};
    for (const size_t row : members) {
      Sum& sum = sums[columns[column].bins[row]];
      sum = {sum.residual + residual[row], sum.rows + 1};
    }
    Sum left = sums[0];
    for (size_t bin = 1; bin <= columns[column].edges.size(); ++bin) {
      left = {left.residual + sums[bin].residual, left.rows + sums[bin].rows};
      const Sum right{all.residual - left.residual, all.rows - left.rows};
      if (left.rows < kLeafRowsMin || right.rows < kLeafRowsMin) continue;
      if (const double gain = left.gain() + right.gain(); gain > best_gain) {
        best_gain = gain;
        best = {column, static_cast<uint8_t>(bin), columns[column].edges[bin - 1]};
      }
    }
  }
  return best;
}

}  // namespace

double LossModel::Tree::operator()(std::span<const double> row) const {
  size_t node = 0;
  for (int depth = 0; depth < kDepth; ++depth) node = 2 * node + (row[column[node]] > edge[node] ? 2 : 1);
  return leaf[node - edge.size()];
}

Result<LossModel> LossModel::fit(const Rows& rows, std::span<const double> loss) {
  if (!rows.sound() || rows.size() != loss.size())
    return invalid_argument(fmt::format("{} values in rows of {}, and {} losses: one loss per row",
                                        rows.values.size(), rows.columns, loss.size()));
  if (!std::ranges::all_of(loss, [](double x) { return x >= 0 && std::isfinite(x); }))
    return invalid_argument("a loss is negative or not a number");
  std::vector<Binned> columns;
  for (size_t column = 0; column < rows.columns; ++column) columns.push_back(bin_column(rows, column));

  LossModel out;
  out.columns_ = rows.columns;
  out.base_ = std::accumulate(loss.begin(), loss.end(), 0.0) / static_cast<double>(loss.size());
  std::vector<double> residual(loss.begin(), loss.end());
  for (double& x : residual) x -= out.base_;
  constexpr size_t kNodes = (1 << kDepth) - 1, kLeaves = 1 << kDepth;
  for (int t = 0; t < kTrees; ++t) {
    Tree tree;
    std::vector<std::vector<size_t>> members(kNodes + kLeaves);
    members[0].resize(rows.size());
    std::iota(members[0].begin(), members[0].end(), size_t{0});
    for (size_t node = 0; node < kNodes; ++node) {
      const Cut cut = best_cut(columns, members[node], residual);
      tree.column[node] = cut.column;
      tree.edge[node] = cut.edge;
      for (const size_t row : members[node])
        members[2 * node + (columns[cut.column].bins[row] > cut.bin ? 2 : 1)].push_back(row);
    }
    for (size_t i = 0; i < kLeaves; ++i) {
      Sum sum;
      for (const size_t row : members[kNodes + i]) sum = {sum.residual + residual[row], sum.rows + 1};
      if (sum.rows > 0) tree.leaf[i] = kStep * sum.residual / static_cast<double>(sum.rows);
      for (const size_t row : members[kNodes + i]) residual[row] -= tree.leaf[i];
    }
    out.trees_.push_back(tree);
  }
  return out;
}

double LossModel::operator()(std::span<const double> row) const {
  CHECK(row.size() == columns_, "a row of other columns than those that were learned");
  double sum = base_;
  for (const Tree& tree : trees_) sum += tree(row);
  return std::max(0.0, sum);
}

}  // namespace rekindle::drift
