#include "models/process/process_predictor.h"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <set>

#include "models/oip/call.h"
#include "net/client.h"

namespace rekindle::models {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Time = steady_clock::time_point;

namespace {

// How long the end of a process may take to be noticed after its connections broke.
constexpr milliseconds kNotice{250};
// Of an answer: a double has at most 25 characters; whitespace and names are on the house.
constexpr uint64_t kValueBytesMax = 64;
constexpr uint64_t kAnswerBytes = 1 << 20;

milliseconds left(Time until) {
  return std::max(milliseconds(1), std::chrono::duration_cast<milliseconds>(until - steady_clock::now()));
}

net::Headers json_headers() {
  net::Headers out;
  out.add("Content-Type", "application/json");
  return out;
}

Status status_of(const net::Reply& reply) {
  const std::string text = fmt::format("the predictor answered {}: {}", reply.status, error_text(reply.body));
  if (reply.status == 400) return invalid_argument(text);
  if (reply.status == 503) return unavailable(text);
  return internal_error(text);
}

}  // namespace

// Kept connections to the process, one request on each at a time.
class ProcessPredictor::Connections {
 public:
  Connections(std::string url, uint64_t answer_bytes_max)
      : url_(std::move(url)), answer_bytes_max_(answer_bytes_max) {}

  using Client = std::unique_ptr<net::HttpClient>;

  // unavailable when none is free by then.
  Result<Client> take(Time until) {
    std::unique_lock lock(mutex_);
    const bool in_time =
        returned_.wait_until(lock, until, [this] { return canceled_ || busy_.size() < kConnectionsMax; });
    if (canceled_) return Status(Code::kCanceled, "the predictor is being stopped");
    if (!in_time) return unavailable("the predictor is busy with other requests; ask again");
    Client client;
    if (idle_.empty()) {
      client = std::make_unique<net::HttpClient>(
          net::ClientOptions{.url = url_, .body_bytes_max = answer_bytes_max_});
    } else {
      client = std::move(idle_.back());
      idle_.pop_back();
    }
    busy_.insert(client.get());
    return client;
  }

  void give_back(Client client, bool sound) {
    std::lock_guard lock(mutex_);
    busy_.erase(client.get());
    if (sound) idle_.push_back(std::move(client));
    returned_.notify_one();
  }

  void cancel() {
    std::lock_guard lock(mutex_);
    canceled_ = true;
    for (net::HttpClient* client : busy_) client->cancel();
    returned_.notify_all();
  }

 private:
  const std::string url_;
  const uint64_t answer_bytes_max_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<Client> idle_;
  std::set<net::HttpClient*> busy_;
  bool canceled_ = false;
};

ProcessPredictor::ProcessPredictor(v1::ModelCard card, ProcessOptions options)
    : card_(std::move(card)),
      options_(std::move(options)),
      path_("/v2/models/" + card_.model() + "/infer"),
      width_(output_width(card_)),
      supervisor_(std::make_unique<Supervisor>(options_.supervisor)),
      connections_(std::make_unique<Connections>(supervisor_->url(),
                                                 kAnswerBytes + kPartRows * width_ * kValueBytesMax)) {}

Result<std::unique_ptr<Predictor>> ProcessPredictor::start(v1::ModelCard card, ProcessOptions options) {
  std::unique_ptr<ProcessPredictor> predictor(new ProcessPredictor(std::move(card), std::move(options)));
  ProcessPredictor* self = predictor.get();
  predictor->on_stop_.emplace(predictor->options_.stop, [self] { self->cancel(); });
  TRY_STATUS(
      predictor->supervisor_->start().within("starting " + predictor->options_.supervisor.argv.front()));
  return std::unique_ptr<Predictor>(std::move(predictor));
}

ProcessPredictor::~ProcessPredictor() {
  on_stop_.reset();
  supervisor_.reset();  // before what it keeps: the process uses the folder
}

void ProcessPredictor::cancel() {
  supervisor_->cancel();
  connections_->cancel();
}

Result<Predictions> ProcessPredictor::predict(const dataio::Table& rows) const {
  const auto inputs = TRY(find_inputs(card_, rows));
  Predictions out{.width = width_};
  out.values.reserve(rows.rows() * width_);
  for (size_t begin = 0, end = 0; begin < rows.rows(); begin = end) {
    end = part_end(inputs, begin, kPartRows);
    const std::vector<double> part = TRY(ask(to_request(inputs, begin, end), end - begin));
    out.values.insert(out.values.end(), part.begin(), part.end());
  }
  return out;
}

Result<std::vector<double>> ProcessPredictor::ask(const std::string& body, size_t rows) const {
  const Time asked = steady_clock::now();
  const Time until = asked + options_.deadline;
  uint64_t after = 0;
  Status lost;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const uint64_t number = TRY(supervisor_->ready(after, until));
    auto client = TRY(connections_->take(until));
    const auto reply = client->request("POST", path_, body, json_headers(), left(until));
    connections_->give_back(std::move(client), reply.ok());
    if (reply.ok()) {
      supervisor_->answered();
      if (reply->status != 200) return status_of(*reply);
      return read_answer(reply->body, rows, width_);
    }
    switch (reply.status().code()) {
      case Code::kDeadlineExceeded:
        supervisor_->hangs(number, asked);
        return deadline_exceeded(
            fmt::format("the predictor gave no answer within {} ms", options_.deadline.count()));
      case Code::kUnavailable:
        break;
      case Code::kResourceExhausted:
        return internal_error(
            "the predictor's answer is unsound: it is far larger than the values asked for");
      default:
        return reply.status();
    }
    // A process that died is waited for; a living one just closed the connection.
    lost = reply.status();
    if (supervisor_->ended(number, std::min(until, steady_clock::now() + kNotice))) after = number;
  }
  const std::string trouble = supervisor_->figures().trouble;
  return unavailable(fmt::format("the predictor was lost twice while it answered this request: {}",
                                 trouble.empty() ? lost.message() : trouble));
}

}  // namespace rekindle::models
