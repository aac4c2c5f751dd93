// The safetensors format: named tensors as little-endian bytes behind a JSON header.
// (8 bytes header length, header, data; github.com/huggingface/safetensors.)
//
// The reader is strict, because a file may come from anywhere: header length bounded, no duplicate or
// unknown keys, known dtypes, sizes that equal dtype times shape, and offsets that cover the data exactly
// once without gap or overlap. What it accepts, the Python package accepts too.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace rekindle::models {

struct NamedTensor {
  std::string name;
  std::string dtype;  // "F32", "F64", "I64", ... as in the format
  std::vector<int64_t> shape;
  std::string_view bytes;  // little-endian, row-major; lives in the caller's buffer
};

// Sorted by name; data begins at a multiple of 64 bytes. Names must differ and sizes fit (CHECK).
std::string write_safetensors(std::vector<NamedTensor> tensors,
                              const std::map<std::string, std::string>& metadata = {});

struct Safetensors {
  std::map<std::string, NamedTensor> tensors;  // views into the parsed bytes
  std::map<std::string, std::string> metadata;

  // Copies one F32 tensor of exactly this shape; data_loss names what differs.
  Result<std::vector<float>> floats(const std::string& name, const std::vector<int64_t>& shape) const;
};

// `bytes` must outlive the result. Anything malformed is data_loss with what and where.
Result<Safetensors> parse_safetensors(std::string_view bytes);

inline constexpr uint64_t kSafetensorsHeaderBytesMax = 8u << 20;

}  // namespace rekindle::models
