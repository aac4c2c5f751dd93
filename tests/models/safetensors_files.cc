// safetensors_files write DIR [MUTATIONS]   the table of hostile files, what our writer writes, and files of
//                                           the table with a few bytes changed
// safetensors_files judge DIR               one JSON line for each file there: what the reader made of it
// For the fuzz target's seeds and for comparing with the Python package.
#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/files.h"
#include "base/hash.h"
#include "hostile_files.h"
#include "models/safetensors.h"
#include "mutate.h"

namespace {

using namespace rekindle;

void put(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// Dtypes and shapes of all sorts, contents that are not zero.
std::string written_by_us(uint64_t seed) {
  models::Random random(seed);
  const std::vector<std::pair<const char*, int>> dtypes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"I16", 2}, {"F16", 2}, {"BF16", 2},
      {"I32", 4},  {"F32", 4}, {"F64", 8}, {"I64", 8}, {"C64", 8}, {"F8_E4M3", 1}};
  std::vector<std::string> contents(random.below(6));
  std::vector<models::NamedTensor> tensors;
  for (size_t i = 0; i < contents.size(); ++i) {
    const auto& [dtype, width] = dtypes[random.below(dtypes.size())];
    models::NamedTensor tensor{fmt::format("layer.{}/\"{}\"\n\u00e9", i, seed), dtype, {}, {}};
    size_t size = static_cast<size_t>(width);
    for (size_t d = random.below(4); d > 0; --d) {
      tensor.shape.push_back(static_cast<int64_t>(random.below(5)));
      size *= static_cast<size_t>(tensor.shape.back());
    }
    for (size_t b = 0; b < size; ++b) {
      contents[i] += static_cast<char>(tensor.dtype == "BOOL" ? random.below(2) : random.below(256));
    }
    tensor.bytes = contents[i];
    tensors.push_back(std::move(tensor));
  }
  std::map<std::string, std::string> metadata;
  if (seed % 2 == 1) metadata = {{"format", "pt"}, {"odd \"key\"", "\u00e4\n"}};
  return models::write_safetensors(std::move(tensors), metadata);
}

int write(const fs::path& folder, size_t mutations) {
  const auto& table = models::hostile_files();
  for (const auto& file : table) put(folder / file.name, file.bytes);
  for (uint64_t seed = 0; seed < 50; ++seed) put(folder / fmt::format("ours-{}", seed), written_by_us(seed));
  models::Random random(1);
  for (size_t i = 0; i < mutations; ++i) {
    const auto& file = table[random.below(table.size())];
    put(folder / fmt::format("mutation-{}-of-{}", i, file.name), models::mutated(file.bytes, random));
  }
  return 0;
}

int judge(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string bytes = read_file(entry.path()).value();
    auto parsed = models::parse_safetensors(bytes);
    boost::json::object line = {{"file", entry.path().filename().string()}, {"accepted", parsed.ok()}};
    if (parsed.ok()) {
      auto& tensors = line["tensors"].emplace_object();
      for (const auto& [name, t] : parsed->tensors) {
        tensors[name] = {{"dtype", t.dtype},
                         {"shape", boost::json::array(t.shape.begin(), t.shape.end())},
                         {"sha256", sha256_hex(t.bytes)}};
      }
      auto& metadata = line["metadata"].emplace_object();
      for (const auto& [key, value] : parsed->metadata) metadata[key] = value;
    } else {
      line["says"] = parsed.status().message();
    }
    std::printf("%s\n", boost::json::serialize(line).c_str());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc >= 3 && std::strcmp(argv[1], "write") == 0)
    return write(argv[2], argc > 3 ? std::atoi(argv[3]) : 0);
  if (argc == 3 && std::strcmp(argv[1], "judge") == 0) return judge(argv[2]);
  std::fprintf(stderr, "usage: safetensors_files write DIR [MUTATIONS] | judge DIR\n");
  return 2;
}
