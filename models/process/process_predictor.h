// A predictor that runs as a process of its own and is asked over a Unix socket in the Open Inference
// Protocol. What it takes and gives is checked here: callers see the contract of Predictor and nothing else.
//
// A request during which the process dies is asked once more of the next one; then it is unavailable. One
// that gets no answer by the deadline is a deadline_exceeded, and the process is replaced.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>

#include "models/predictor.h"
#include "models/process/supervisor.h"

namespace rekindle::models {

struct ProcessOptions {
  SupervisorOptions supervisor;
  std::chrono::milliseconds deadline{60'000};  // for each part of at most kPartRows rows
  std::stop_token stop;                        // ends starting and predicting with `canceled`
  std::shared_ptr<void> keeps;                 // let go of when the process is gone
};

class ProcessPredictor final : public Predictor {
 public:
  static constexpr size_t kPartRows = 4096;
  // Requests that are asked at once; more wait, within their deadline.
  static constexpr size_t kConnectionsMax = 16;

  // Started and ready; the failure says how it ended and what it printed.
  static Result<std::unique_ptr<Predictor>> start(v1::ModelCard card, ProcessOptions options);
  ~ProcessPredictor() override;

  Result<Predictions> predict(const dataio::Table& rows) const override;
  const v1::ModelCard& card() const override { return card_; }
  std::optional<ProcessFigures> process() const override { return supervisor_->figures(); }

 private:
  class Connections;
  ProcessPredictor(v1::ModelCard card, ProcessOptions options);
  void cancel();
  Result<std::vector<double>> ask(const std::string& body, size_t rows) const;

  const v1::ModelCard card_;
  const ProcessOptions options_;
  const std::string path_;  // of the infer call
  const size_t width_;
  std::unique_ptr<Supervisor> supervisor_;
  std::unique_ptr<Connections> connections_;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
};

}  // namespace rekindle::models
