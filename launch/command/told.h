// How a script ended, told by the process around it to the gang whose fork it is: a page that both see, where
// a file would be made only to be removed.
#pragma once

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <string>

#include "rekindle/v1/attempt.pb.h"

namespace rekindle::launch {

class ToldEnd {
 public:
  // Before the fork.
  ToldEnd() {
    void* page = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    page_ = page == MAP_FAILED ? nullptr : static_cast<char*>(page);
  }
  ~ToldEnd() {
    if (page_ != nullptr) ::munmap(page_, kBytes);
  }
  ToldEnd(const ToldEnd&) = delete;
  ToldEnd& operator=(const ToldEnd&) = delete;

  // By the child, once; by the gang when the child is gone.
  void tell(const v1::RankExit& ended) {
    const std::string bytes = ended.SerializeAsString();
    const Head head{1, static_cast<uint32_t>(bytes.size())};
    if (page_ == nullptr || bytes.size() > kBytes - sizeof head) return;
    std::memcpy(page_ + sizeof head, bytes.data(), bytes.size());
    std::memcpy(page_, &head, sizeof head);
  }
  // False: it was told nothing.
  bool read(v1::RankExit& ended) const {
    Head head;
    if (page_ != nullptr) std::memcpy(&head, page_, sizeof head);
    return head.told == 1 && head.size <= kBytes - sizeof head &&
           ended.ParseFromArray(page_ + sizeof head, static_cast<int>(head.size));
  }

 private:
  static constexpr size_t kBytes = 4096;
  struct Head {
    uint32_t told = 0;  // a message of nothing but defaults has no bytes
    uint32_t size = 0;
  };
  char* page_ = nullptr;
};

}  // namespace rekindle::launch
