#include "models/safetensors.h"

#include <algorithm>
#include <bit>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstring>

#include "models/safetensors_header.h"

namespace rekindle::models {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are written as they lie in memory");

constexpr size_t kAlignment = 64;

uint64_t dtype_bytes(std::string_view dtype) {
  static const std::map<std::string_view, uint64_t> kSizes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},   {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"I16", 2},
      {"U16", 2},  {"F16", 2}, {"BF16", 2}, {"I32", 4},     {"U32", 4},     {"F32", 4},
      {"F64", 8},  {"I64", 8}, {"U64", 8},  {"C64", 8}};
  auto it = kSizes.find(dtype);
  return it == kSizes.end() ? 0 : it->second;
}

// dtype times shape, or nothing when it overflows or a size is negative.
bool expected_bytes(const std::string& dtype, const std::vector<int64_t>& shape, uint64_t& out) {
  out = dtype_bytes(dtype);
  for (int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(out, static_cast<uint64_t>(size), &out)) return false;
  }
  return true;
}

Status damaged(const std::string& what) {
  return data_loss("not a valid safetensors file: " + what);
}

}  // namespace

std::string write_safetensors(std::vector<NamedTensor> tensors,
                              const std::map<std::string, std::string>& metadata) {
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  boost::json::object header;
  if (!metadata.empty()) {
    boost::json::object& meta = header["__metadata__"].emplace_object();
    for (const auto& [key, value] : metadata) meta[key] = value;
  }
  uint64_t offset = 0;
  for (const auto& t : tensors) {
    uint64_t bytes = 0;
    CHECK(expected_bytes(t.dtype, t.shape, bytes) && bytes == t.bytes.size(),
          "tensor bytes differ from its shape");
    CHECK(!header.contains(t.name) && t.name != "__metadata__", "two tensors of one name");
    boost::json::array shape(t.shape.begin(), t.shape.end());
    header[t.name] = {
        {"dtype", t.dtype}, {"shape", std::move(shape)}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = boost::json::serialize(header);
  text.append((kAlignment - (8 + text.size()) % kAlignment) % kAlignment, ' ');
  std::string out(8, '\0');
  uint64_t length = text.size();
  std::memcpy(out.data(), &length, 8);
  out.reserve(8 + text.size() + offset);
  out += text;
  for (const auto& t : tensors) out += t.bytes;
  return out;
}

Result<Safetensors> parse_safetensors(std::string_view bytes) {
  uint64_t length = 0;
  if (bytes.size() < 8) return damaged("shorter than 8 bytes");
  std::memcpy(&length, bytes.data(), 8);
  if (length > kSafetensorsHeaderBytesMax) return damaged("a header of " + std::to_string(length) + " bytes");
  if (length > bytes.size() - 8) return damaged("the header is cut off");
  auto header = parse_safetensors_header(bytes.substr(8, length));
  if (!header.ok()) return damaged(header.status().message());

  Safetensors out;
  out.metadata = std::move(header->metadata);
  const std::string_view data = bytes.substr(8 + length);
  std::vector<const HeaderEntry*> by_offset;
  for (const auto& e : header->entries) by_offset.push_back(&e);
  // A tensor without elements begins and ends where another begins: it must come first.
  std::sort(by_offset.begin(), by_offset.end(), [](const auto* a, const auto* b) {
    return std::tie(a->begin, a->end) < std::tie(b->begin, b->end);
  });
  uint64_t covered = 0;
  for (const auto* e : by_offset) {
    uint64_t size = 0;
    if (dtype_bytes(e->dtype) == 0)
      return damaged("'" + e->name + "' has the unknown dtype '" + e->dtype + "'");
    if (!expected_bytes(e->dtype, e->shape, size))
      return damaged("'" + e->name + "' has an impossible shape");
    if (e->begin != covered) return damaged("a gap or an overlap before '" + e->name + "'");
    if (e->end < e->begin) return damaged("'" + e->name + "' has offsets that go backwards");
    if (e->end > data.size()) return damaged("'" + e->name + "' lies outside of the file");
    if (e->end - e->begin != size) return damaged("'" + e->name + "' has offsets that do not fit its shape");
    covered = e->end;
    out.tensors[e->name] = {e->name, e->dtype, e->shape, data.substr(e->begin, size)};
  }
  if (covered != data.size())
    return damaged(std::to_string(data.size() - covered) + " bytes belong to no tensor");
  return out;
}

Result<std::vector<float>> Safetensors::floats(const std::string& name,
                                               const std::vector<int64_t>& shape) const {
  auto it = tensors.find(name);
  if (it == tensors.end()) return data_loss("the tensor '" + name + "' is missing");
  if (it->second.dtype != "F32")
    return data_loss("the tensor '" + name + "' is " + it->second.dtype + ", not F32");
  if (it->second.shape != shape)
    return data_loss("the tensor '" + name + "' has another shape than the model");
  std::vector<float> out(it->second.bytes.size() / sizeof(float));
  if (!out.empty()) std::memcpy(out.data(), it->second.bytes.data(), it->second.bytes.size());
  return out;
}

}  // namespace rekindle::models
