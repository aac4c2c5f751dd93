#include "backtest/loop/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "serving/spool/batch.h"

namespace rekindle::backtest {

dataio::Table inputs_of(const v1::Data& data, const dataio::Table& rows) {
  std::vector<std::string> names{data.time()};
  names.insert(names.end(), data.numeric().begin(), data.numeric().end());
  names.insert(names.end(), data.categorical().begin(), data.categorical().end());
  for (const std::string& name : {data.image(), data.tokens()})
    if (!name.empty()) names.push_back(name);
  dataio::Table inputs;
  for (const std::string& name : names) inputs.add(*rows.find(name));
  return inputs;
}

Node::Node(const FitStore& store, events::EventStore& events, const v1::JobSpec& spec,
           const dataio::history::Rows& rows, serving::Loader loader)
    : store_(store),
      events_(events),
      spec_(spec),
      rule_(spec.data().label()),
      inputs_(inputs_of(spec.data(), rows.table)),
      loader_(std::move(loader)),
      answers_(rows.times.size() * rule_.outputs(), std::numeric_limits<double>::quiet_NaN()),
      versions_(rows.times.size(), 0) {}

Result<Node> Node::open(const FitStore& store, events::EventStore& events, const v1::JobSpec& spec,
                        const dataio::history::Rows& rows) {
  // The store is the node's own copy.
  auto artifacts = TRY(artifacts::open_folder_store(store.artifacts_folder()));
  serving::Loader loader =
      TRY(serving::Loader::open(std::move(artifacts), store.artifacts_folder(), store.predictors()));
  return Node(store, events, spec, rows, std::move(loader));
}

Status Node::follow(const v1::ServingPlan& plan) {
  if (snapshot_ && snapshot_->plan.revision() == plan.revision()) return ok_status();
  TRY_STATUS(serving::check_plan(plan));
  for (const v1::PlannedVersion& planned : plan.versions())
    if (!loaded_.contains(planned.version()))
      loaded_[planned.version()] = TRY(loader_.load(spec_.name(), planned));
  snapshot_ = std::make_shared<const serving::Snapshot>(serving::make_snapshot(plan, loaded_));
  // Some hold a process.
  std::erase_if(loaded_, [&plan](const auto& one) {
    return std::none_of(plan.versions().begin(), plan.versions().end(),
                        [&one](const v1::PlannedVersion& planned) { return planned.version() == one.first; });
  });
  return ok_status();
}

Result<std::map<uint64_t, uint64_t>> Node::answer(const dataio::history::Slot& slot) {
  CHECK(snapshot_ && snapshot_->ready(), "a plan is followed before requests are answered");
  std::vector<serving::AnsweredRequest> answered;
  std::map<uint64_t, uint64_t> by_version;
  const size_t width = rule_.outputs();
  for (const dataio::history::Group& group : slot.groups) {
    const serving::VersionPtr& version = snapshot_->choose(group.id);
    dataio::Table rows = dataio::take(inputs_, group.rows);
    models::Predictions answers = TRY(serving::predict_checked(*version, rows, true));
    const std::vector<double> widened = rule_.widened(version->rule, answers.values);
    for (size_t k = 0; k < group.rows.size(); ++k) {
      std::copy_n(widened.begin() + static_cast<ptrdiff_t>(k * width), width,
                  answers_.begin() + static_cast<ptrdiff_t>(group.rows[k] * width));
      versions_[group.rows[k]] = version->number;
    }
    ++by_version[version->number];
    answered.push_back(
        {snapshot_, version, group.id, std::move(rows), std::move(answers.values), group.event_us});
  }
  std::vector<const serving::AnsweredRequest*> pointers;
  for (const serving::AnsweredRequest& request : answered) pointers.push_back(&request);
  TRY_STATUS(append(serving::batch_of(spec_.name(), pointers)));
  return by_version;
}

Status Node::label(const std::vector<v1::LabelRecord>& labels) {
  v1::EventBatch batch;
  batch.set_model(spec_.name());
  batch.mutable_labels()->Add(labels.begin(), labels.end());
  return append(std::move(batch));
}

Status Node::append(v1::EventBatch batch) {
  batch.set_node("node-1");
  batch.set_boot("backtest");
  batch.set_seq(++seq_);
  const events::Appended appended = TRY(events_.append(batch, spec_.data().label()));
  if (appended.refused == 0) return ok_status();
  return data_loss(fmt::format("the event store refuses {} records of the history: {}", appended.refused,
                               appended.first_refusal));
}

}  // namespace rekindle::backtest
