#include "serving/spool/priority.h"

#include <sys/resource.h>

namespace rekindle::serving {
namespace {

constexpr int kNice = 10;  // about a tenth of the share of a thread at 0

}  // namespace

void give_way() {
  // Of Linux: 0 is the calling thread, not its process.
  if (::getpriority(PRIO_PROCESS, 0) >= kNice) return;
  // To lower it everybody may; where a sandbox forbids the call, the threads share as they did.
  (void)::setpriority(PRIO_PROCESS, 0, kNice);
}

}  // namespace rekindle::serving
