// LibTorch's headers, once: they define a CHECK of their own that must not replace ours.
#pragma once

#include "base/check.h"

#pragma push_macro("CHECK")
#undef CHECK
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#undef CHECK
#pragma pop_macro("CHECK")
