// Seeded damage to files: the same seed gives the same damage everywhere.
#pragma once

#include <cstdint>
#include <string>

namespace rekindle::models {

// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t bound) { return next() % bound; }

 private:
  uint64_t state_;
};

// One to four changes: a bit, a byte, a byte more or less, a stretch doubled, the end cut off.
inline std::string mutated(std::string bytes, Random& random) {
  for (uint64_t left = 1 + random.below(4); left > 0 && !bytes.empty(); --left) {
    const size_t at = random.below(bytes.size());
    switch (random.below(6)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
        break;
      case 1:
        bytes[at] = "0123456789-[]{},:\" eE.\\"[random.below(23)];
        break;
      case 2:
        bytes.insert(at, 1, "0123456789-[]{},:\" eE.\\"[random.below(23)]);
        break;
      case 3:
        bytes.erase(at, 1);
        break;
      case 4:
        bytes.insert(at, bytes.substr(at, random.below(40)));
        break;
      case 5:
        bytes.resize(at);
        break;
    }
    // Keep the header's length right half of the time: otherwise little gets past it.
    if (bytes.size() > 8 && random.below(2) == 0) {
      const size_t end = bytes.rfind('}');
      if (end != std::string::npos && end >= 8) {
        const uint64_t length = end + 1 - 8;
        for (int i = 0; i < 8; ++i) bytes[static_cast<size_t>(i)] = static_cast<char>(length >> (8 * i));
      }
    }
  }
  return bytes;
}

}  // namespace rekindle::models
