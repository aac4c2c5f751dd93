#include "cli/watch.h"

#include <fmt/format.h>

#include <thread>

#include "cli/describe.h"
#include "cli/exit_codes.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "rekindle/v1/api.pb.h"

namespace rekindle::cli {
namespace {

using Clock = std::chrono::steady_clock;

// How long a coordinator may be away (a restart) before waiting for a run is given up.
constexpr std::chrono::seconds kAwayMost{60};
constexpr std::chrono::milliseconds kRetry{250};
constexpr std::chrono::seconds kLineEvery{2};

// Prints what is new: each change of state, and progress now and then.
class Teller {
 public:
  explicit Teller(const Context& context) : context_(context) {}

  void tell(const v1::RunUpdate& update) {
    const v1::Run& run = update.run();
    const std::string why = run.reason().empty() ? attempt_text(run) : first_line(run.reason());
    const std::string state =
        fmt::format("{} {}{}{}", run.id(), state_text(run.state()), why.empty() ? "" : ": ", why);
    if (update.has_run() && state != last_state_ && !is_terminal(run.state())) {
      context_.say(state);
      last_state_ = state;
    }
    if (update.note() != last_note_) {
      last_note_ = update.note();
      context_.say("  " + (last_note_.empty() ? "its ranks are equally fast again" : last_note_));
    }
    if (update.has_progress() && Clock::now() - last_line_ >= kLineEvery) {
      context_.say("  " + progress_text(update.progress()));
      last_line_ = Clock::now();
    }
  }

 private:
  const Context& context_;
  std::string last_state_, last_note_;
  Clock::time_point last_line_{};
};

bool ended(const v1::Run& run, const WaitOptions& options) {
  return is_terminal(run.state()) || (run.state() == v1::HELD && !options.through_hold);
}

}  // namespace

Result<v1::Run> wait_for_run(const Context& context, const std::string& id, const WaitOptions& options) {
  net::ConnectClient client = TRY(context.connect());
  bool timed_out = false;
  Interrupt interrupt([&client] { client.cancel(); });
  Teller teller(context);
  v1::WatchRunRequest request;
  request.set_id(id);
  const Clock::time_point start = Clock::now();
  Clock::time_point last_heard = start;
  v1::Run last;
  while (true) {
    const auto on_update = [&](const v1::RunUpdate& update) {
      last_heard = Clock::now();
      if (update.has_run()) last = update.run();
      if (!update.heartbeat()) teller.tell(update);
      timed_out = options.timeout && Clock::now() - start >= *options.timeout;
      return !timed_out && !ended(last, options);
    };
    net::Deadline silence(30'000);
    if (options.timeout)
      silence = std::clamp<net::Deadline>(
          *options.timeout - std::chrono::duration_cast<net::Deadline>(Clock::now() - start),
          net::Deadline(1), silence);
    const Status status = client.stream<v1::WatchRunRequest, v1::RunUpdate>("rekindle.v1.RunService/WatchRun",
                                                                            request, on_update, silence);
    if (ended(last, options)) return last;
    if (interrupt.happened())
      return Status(Code::kCanceled,
                    fmt::format("detached; {} goes on. Take it up again with: rekindle wait {}", id, id));
    if (timed_out || (options.timeout && Clock::now() - start >= *options.timeout))
      return deadline_exceeded(
          fmt::format("{} is still {}; it goes on", id, lower(v1::RunState_Name(last.state()))));
    if (!status.ok() && status.code() != Code::kUnavailable && status.code() != Code::kDeadlineExceeded)
      return status;
    if (Clock::now() - last_heard > kAwayMost)
      return unavailable(fmt::format("the coordinator has been away for {} s; {} goes on without it",
                                     kAwayMost.count(), id));
    std::this_thread::sleep_for(kRetry);
  }
}

int report_end(const Context& context, const v1::Run& run) {
  if (context.json)
    print(json_of(run));
  else
    context.say(fmt::format("{} {}: {}", run.id(), state_text(run.state()), outcome_text(run)));
  if (run.state() == v1::HELD)
    context.say(
        fmt::format("next: rekindle approve {} --reason WHY, or rekindle cancel {}", run.id(), run.id()));
  return exit_code_of(run.state());
}

}  // namespace rekindle::cli
