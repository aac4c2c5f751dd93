// What of a run is watched: its state and progress, and its ranks' logs (Connect and NDJSON).
#include <fmt/format.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#include <charconv>

#include "coordinator/api/api.h"
#include "coordinator/attempts/logs.h"
#include "core/schedule.h"

namespace rekindle::coordinator {

namespace {

using boost::asio::awaitable;
using net::Access;
using net::Caller;

// New log lines are looked for this often while a log is followed.
constexpr std::chrono::milliseconds kLogPoll{200};

std::chrono::steady_clock::time_point beat_due(const Context& c) {
  return std::chrono::steady_clock::now() + c.options.heartbeat;
}

awaitable<Status> watch_run(Context& c, v1::WatchRunRequest request, Caller,
                            net::Writer<v1::RunUpdate>& writer) {
  Changes* changes = &c.core.changes();
  writer.on_close([changes] { changes->notify(); });
  std::string said;
  auto due = beat_due(c);
  while (!writer.closed()) {
    const v1::Run* run = core::find_run(c.core.state(), request.id());
    v1::RunUpdate update;
    if (run == nullptr) {
      Result<v1::Run> past = co_await c.core.past_run(request.id());
      if (!past.ok()) co_return past.status();
      *update.mutable_run() = std::move(*past);
      co_return co_await writer.write(std::move(update));
    }
    *update.mutable_run() = core::whole(c.core.state(), *run);
    explain_waiting(c, {update.mutable_run()});
    if (const LiveProgress* live = c.effects.progress(request.id())) {
      if (live->progress.step() > 0) *update.mutable_progress() = live->progress;
      update.set_note(live->note);
    }
    const bool last = core::terminal(run->state());
    std::string now = update.SerializeAsString();
    if (now == said) {
      if (std::chrono::steady_clock::now() < due) {
        co_await c.core.changes().wait_until(due);
        continue;
      }
      update.Clear();
      update.set_heartbeat(true);
    } else {
      said = std::move(now);
      co_await c.core.durable();
    }
    Status sent = co_await writer.write(std::move(update));
    if (!sent.ok()) co_return sent;
    if (last) co_return ok_status();
    due = beat_due(c);
  }
  co_return ok_status();
}

// One reader of a run's logs, however its lines are framed.
struct LogTail {
  std::string run;
  uint32_t attempt = 0;
  int rank = -1;
  bool follow = false;
  std::shared_ptr<LogReader> reader;
};

Result<LogTail> tail_of(Context& c, const v1::Run& run, uint32_t attempt, int rank, bool follow) {
  const std::string& id = run.id();
  if (attempt == 0) attempt = run.attempts().empty() ? 1 : run.attempts(run.attempts_size() - 1).number();
  const v1::Attempt* known = core::find_attempt(run, attempt);
  if (known == nullptr && !follow)
    return not_found(fmt::format("run {} has no attempt {}: {}", id, attempt,
                                 run.attempts().empty() ? run.reason() : "see `rekindle describe`"));
  // One that is waited for may get any number of ranks.
  const uint32_t world =
      known != nullptr ? core::world_of(*known) : core::ranks_wanted(c.core.state(), run).max;
  if (rank >= static_cast<int>(world))
    return invalid_argument(fmt::format("attempt {} of run {} has ranks 0 to {}", attempt, id, world - 1));
  LogTail tail{id, attempt, rank, follow, nullptr};
  tail.reader =
      std::make_shared<LogReader>(launch::AttemptFolder(c.folder.attempt(id, attempt)), world, rank);
  return tail;
}

awaitable<Result<LogTail>> open_tail(Context& c, std::string id, uint32_t attempt, int rank, bool follow) {
  if (const v1::Run* run = core::find_run(c.core.state(), id))
    co_return tail_of(c, *run, attempt, rank, follow);
  const Result<v1::Run> past = co_await c.core.past_run(id);
  if (!past.ok()) co_return past.status();
  co_return tail_of(c, *past, attempt, rank, false);
}

bool attempt_over(Context& c, const LogTail& tail) {
  const v1::Run* run = core::find_run(c.core.state(), tail.run);
  if (run == nullptr || core::terminal(run->state())) return true;
  const v1::Attempt* attempt = core::find_attempt(*run, tail.attempt);
  return attempt != nullptr && attempt->state() == v1::Attempt::ENDED;
}

using Lines = Result<std::vector<LogLines>>;

awaitable<Status> seek(Context& c, LogTail tail, uint32_t lines) {
  std::shared_ptr<LogReader> reader = tail.reader;
  std::function<Status()> work = [reader, lines] { return reader->seek_tail(lines); };
  co_return co_await done_on(c.pool, std::move(work));
}

// The next lines, or none after a pause; `over` tells that there will be no more.
awaitable<Lines> next_lines(Context& c, LogTail tail, bool* over) {
  const bool last = !tail.follow || attempt_over(c, tail);
  std::shared_ptr<LogReader> reader = tail.reader;
  std::function<Lines()> work = [reader, last] { return reader->read_new(last); };
  Lines lines = co_await done_on(c.pool, std::move(work));
  if (!lines.ok() || !lines->empty()) co_return lines;
  *over = last;
  if (!last) {
    boost::asio::steady_timer pause(c.io, kLogPoll);
    constexpr auto token = boost::asio::as_tuple(boost::asio::use_awaitable);
    co_await pause.async_wait(token);
  }
  co_return lines;
}

awaitable<Status> read_logs(Context& c, v1::ReadLogsRequest request, Caller,
                            net::Writer<v1::LogChunk>& writer) {
  auto tail = co_await open_tail(c, request.run(), request.attempt(), request.rank(), request.follow());
  if (!tail.ok()) co_return tail.status();
  Status sought = co_await seek(c, *tail, request.tail_lines());
  if (!sought.ok()) co_return sought;
  auto due = beat_due(c);
  for (bool over = false; !over && !writer.closed();) {
    Lines lines = co_await next_lines(c, *tail, &over);
    if (!lines.ok()) co_return lines.status();
    for (LogLines& of_rank : *lines) {
      v1::LogChunk chunk;
      chunk.set_attempt(tail->attempt);
      chunk.set_rank(of_rank.rank);
      for (std::string& line : of_rank.lines) chunk.add_lines(std::move(line));
      Status sent = co_await writer.write(std::move(chunk));
      if (!sent.ok()) co_return sent;
      due = beat_due(c);
    }
    if (std::chrono::steady_clock::now() >= due) {
      v1::LogChunk beat;
      beat.set_heartbeat(true);
      Status sent = co_await writer.write(std::move(beat));
      if (!sent.ok()) co_return sent;
      due = beat_due(c);
    }
  }
  co_return ok_status();
}

Result<int> number(const net::Request& request, std::string_view name, int otherwise) {
  const std::string text = request.query_value(name);
  if (text.empty()) return otherwise;
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < -1)
    return invalid_argument(fmt::format("{}={} is not a number", name, text));
  return value;
}

// GET /v1/runs/{id}/logs?attempt=&rank=&tail=&follow=1, a JSON object a line; an empty line is a heartbeat.
awaitable<Status> logs_ndjson(Context& c, net::Request request, net::Stream& stream) {
  auto attempt = number(request, "attempt", 0);
  auto rank = number(request, "rank", -1);
  auto lines_wanted = number(request, "tail", 0);
  for (const Result<int>* value : {&attempt, &rank, &lines_wanted})
    if (!value->ok()) co_return value->status();
  const std::string follow = request.query_value("follow");
  auto tail =
      co_await open_tail(c, std::string(request.param("id")), static_cast<uint32_t>(std::max(0, *attempt)),
                         *rank, follow == "1" || follow == "true");
  if (!tail.ok()) co_return tail.status();
  Status sought = co_await seek(c, *tail, static_cast<uint32_t>(std::max(0, *lines_wanted)));
  if (!sought.ok()) co_return sought;
  auto due = beat_due(c);
  for (bool over = false; !over && !stream.closed();) {
    Lines lines = co_await next_lines(c, *tail, &over);
    if (!lines.ok()) co_return lines.status();
    std::string out;
    for (const LogLines& of_rank : *lines) {
      for (const std::string& line : of_rank.lines) {
        boost::json::object object;
        object["attempt"] = tail->attempt;
        object["rank"] = of_rank.rank;
        object["line"] = line;
        out += boost::json::serialize(object) + "\n";
      }
    }
    if (out.empty() && std::chrono::steady_clock::now() >= due) out = "\n";
    if (out.empty()) continue;
    Status sent = co_await stream.write(std::move(out));
    if (!sent.ok()) co_return sent;
    due = beat_due(c);
  }
  co_return ok_status();
}

}  // namespace

void add_run_streams(net::HttpServer& server, Context& context) {
  add_stream(server, context, "RunService/WatchRun", Access::kViewer, &watch_run);
  add_stream(server, context, "RunService/ReadLogs", Access::kViewer, &read_logs);
  Context* c = &context;
  server.stream_route(
      "GET", "/v1/runs/{id}/logs", Access::kViewer,
      [c](net::Request request, net::Stream& stream) { return logs_ndjson(*c, std::move(request), stream); });
}

}  // namespace rekindle::coordinator
