// Matrix products of forward in bfloat16; parameters and losses stay float.
#pragma once

#include "trainer/torch.h"

#pragma push_macro("CHECK")
#undef CHECK
#include <ATen/autocast_mode.h>
#undef CHECK
#pragma pop_macro("CHECK")

namespace rekindle::trainer {

class Autocast {
 public:
  Autocast(bool on, at::Device device) : on_(on), device_(device.type()) {
    if (!on_) return;
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
    at::autocast::set_autocast_enabled(device_, true);
  }
  ~Autocast() {
    if (!on_) return;
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, false);
  }
  Autocast(const Autocast&) = delete;

 private:
  bool on_;
  at::DeviceType device_;
};

}  // namespace rekindle::trainer
