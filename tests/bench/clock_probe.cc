// The command that `./dev bench scheduler --only latency` runs: what it says is when a task has started. Not
// `date`, whose own start, with a dozen files of its locale, takes a millisecond.
#include <cstdio>
#include <ctime>

int main() {
  timespec now{};
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return 1;
  std::printf("%lld%09ld\n", static_cast<long long>(now.tv_sec), now.tv_nsec);
  return 0;
}
