#include "trainer/publish/evidence.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/stats.h"

namespace rekindle::trainer {
namespace {

// Each row's part in the AUROC, candidate less champion; one class alone ranks nothing.
std::vector<double> ranked_gains(std::span<const double> labels, const Answers& answers) {
  std::vector<double> out = auroc_parts(labels, answers.candidate);
  const std::vector<double> champion = auroc_parts(labels, answers.champion);
  for (size_t r = 0; r < out.size(); ++r) out[r] = std::isnan(out[r]) ? 0 : out[r] - champion[r];
  return out;
}

// One row, as each of its gains.
class RowGains {
 public:
  RowGains(const dataio::LabelRule& rule, std::span<const double> labels, const Answers& answers)
      : rule_(rule), labels_(labels), answers_(answers) {
    if (rule.binary()) ranked_ = ranked_gains(labels, answers);
  }

  void add_to(v1::GainBlock& block, size_t row) const {
    const size_t width = rule_.outputs();
    const double label = labels_[row];
    const auto candidate = answers_.candidate.subspan(row * width, width);
    const auto champion = answers_.champion.subspan(row * width, width);
    block.set_rows(block.rows() + 1);
    block.set_loss_gain(block.loss_gain() + rule_.loss(label, champion) - rule_.loss(label, candidate));
    if (rule_.regression()) {
      block.set_absolute_gain(block.absolute_gain() + rule_.absolute_error(label, champion) -
                              rule_.absolute_error(label, candidate));
      return;
    }
    block.set_correct_gain(block.correct_gain() + rule_.correct(label, candidate) -
                           rule_.correct(label, champion));
    if (!rule_.binary()) return;
    const bool positive = label > 0.5;
    block.set_positives(block.positives() + positive);
    if (positive)
      block.set_positive_gain(block.positive_gain() + ranked_[row]);
    else
      block.set_negative_gain(block.negative_gain() + ranked_[row]);
  }

 private:
  const dataio::LabelRule& rule_;
  std::span<const double> labels_;
  const Answers& answers_;
  std::vector<double> ranked_;
};

// Whether what this output gives a probability to happened: of yes and no, or of any of several classes.
bool happened(const dataio::LabelRule& rule, double label, size_t output) {
  return rule.binary() ? label > 0.5 : (static_cast<uint64_t>(label) >> output & 1) != 0;
}

class Bins {
 public:
  Bins() : counts_(kReliabilityBins), hits_(kReliabilityBins), given_(kReliabilityBins) {}

  void add(double probability, bool happened) {
    const auto bin = std::min(kReliabilityBins - 1, static_cast<size_t>(probability * kReliabilityBins));
    ++counts_[bin];
    hits_[bin] += happened;
    given_[bin] += probability;
  }

  v1::Reliability reliability() const {
    v1::Reliability out;
    out.mutable_counts()->Add(counts_.begin(), counts_.end());
    out.mutable_hits()->Add(hits_.begin(), hits_.end());
    out.mutable_probability_sums()->Add(given_.begin(), given_.end());
    return out;
  }

 private:
  std::vector<int64_t> counts_, hits_;
  std::vector<double> given_;
};

}  // namespace

std::vector<v1::GainBlock> gain_blocks(const dataio::LabelRule& rule, std::span<const int64_t> times_us,
                                       std::span<const double> labels, const Answers& answers) {
  CHECK(times_us.size() == labels.size() && !answers.champion.empty(), "blocks are of compared rows");
  std::vector<size_t> order(labels.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return times_us[a] < times_us[b]; });
  const RowGains gains(rule, labels, answers);
  std::vector<v1::GainBlock> out(std::min(kBlocksMax, order.size()));
  for (size_t b = 0; b < out.size(); ++b) {
    // Blocks of ceil or floor of rows / blocks, the larger ones first.
    const size_t each = order.size() / out.size(), more = order.size() % out.size();
    const size_t begin = b * each + std::min(b, more);
    for (size_t at = begin; at < begin + each + (b < more); ++at) gains.add_to(out[b], order[at]);
  }
  return out;
}

v1::Reliability reliability(const dataio::LabelRule& rule, std::span<const double> labels,
                            std::span<const double> answers) {
  CHECK(!rule.regression(), "numbers have no probabilities");
  const size_t width = rule.outputs();
  Bins bins;
  for (size_t r = 0; r < labels.size(); ++r) {
    const auto answer = answers.subspan(r * width, width);
    if (!rule.sound_answer(answer)) continue;
    if (rule.kind() == v1::Label::MULTICLASS)
      bins.add(answer[dataio::likeliest(answer)], rule.correct(labels[r], answer));
    else
      for (size_t k = 0; k < width; ++k) bins.add(answer[k], happened(rule, labels[r], k));
  }
  return bins.reliability();
}

}  // namespace rekindle::trainer
