// An artifact store in memory, for tests: can be told to fail and to damage blobs.
#pragma once

#include <map>
#include <mutex>
#include <optional>

#include "artifacts/store.h"

namespace rekindle::artifacts {

class FakeStore final : public Store {
 public:
  FakeStore();
  ~FakeStore() override;

  Result<std::string> put(std::string_view bytes) override;
  Result<std::string> put_file(const fs::path& file) override;
  Result<std::string> get(std::string_view sha256, uint64_t limit_bytes = kGetBytesMax) const override;
  Result<fs::path> path(std::string_view sha256, Verify verify = Verify::kHash) const override;
  Result<uint64_t> size(std::string_view sha256) const override;
  Result<bool> exists(std::string_view sha256) const override;
  std::string describe() const override { return "the store in memory"; }

  void fail_puts(Status status);  // every put fails with it, until an ok Status is given
  void damage(std::string_view sha256);
  void forget(std::string_view sha256);
  size_t blobs() const;

 private:
  Result<std::string> find(std::string_view sha256) const;

  mutable std::mutex mutex_;
  std::map<std::string, std::string, std::less<>> blobs_;
  Status put_failure_;
  mutable fs::path folder_;  // made by the first path(), removed with the store
};

}  // namespace rekindle::artifacts
