#include "net/http/rates.h"

#include <algorithm>

namespace rekindle::net {

bool Rates::take(const std::string& name, Moment now) {
  const auto [entry, fresh] = buckets_.try_emplace(name);
  Bucket& bucket = entry->second;
  const std::chrono::duration<double> passed =
      fresh ? std::chrono::steady_clock::duration::zero() : now - bucket.at;
  bucket.at = now;
  bucket.left = std::min(kCallsAtOnce, bucket.left + passed.count() * kCallsPerSecond);
  if (bucket.left < 1) return false;
  bucket.left -= 1;
  return true;
}

}  // namespace rekindle::net
