// Where each parameter lies in the flat buffers of a run: parameters, gradients and the optimizer's
// moments each are one buffer, so that an optimizer step, a copy and a hash are one call each.
//
// Matrices come first (they decay), then biases (they do not); each begins on a cache line. The gaps
// between them stay zero.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "dataio/transforms.h"
#include "models/network.h"
#include "models/safetensors.h"

namespace rekindle::trainer {

using FlatBuffer = dataio::AlignedVector<float>;  // on the host

struct Placed {
  models::Parameter parameter;
  size_t begin = 0;
  size_t elements = 0;
};

class Layout {
 public:
  explicit Layout(std::vector<models::Parameter> parameters);

  const std::vector<Placed>& placed() const { return placed_; }
  const Placed* find(const std::string& name) const;
  size_t size() const { return size_; }
  size_t decayed() const { return decayed_; }  // elements before this decay

  FlatBuffer zeros() const { return FlatBuffer(size_, 0.0f); }
  FlatBuffer flat(const models::Parameters& parameters) const;
  models::Parameters named(std::span<const float> flat) const;
  // SHA-256 over names, shapes and values: what two runs with equal parameters share.
  std::string sha256(std::span<const float> flat) const;
  // Views of the parts under their names, behind a prefix.
  void add_tensors(const std::string& prefix, std::span<const float> flat,
                   std::vector<models::NamedTensor>& out) const;
  // model.safetensors.
  std::string safetensors(std::span<const float> flat) const;

 private:
  std::vector<Placed> placed_;
  size_t size_ = 0;
  size_t decayed_ = 0;
};

}  // namespace rekindle::trainer
