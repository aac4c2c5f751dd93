// nodes, cordon, uncordon, drain: the nodes of pools and who may be placed there.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/units.h"
#include "cli/exit_codes.h"
#include "cli/output.h"
#include "cli/verbs/verbs.h"
#include "rekindle/v1/node.pb.h"

namespace rekindle::cli {
namespace {

std::string word_of(v1::NodeView::State state) {
  std::string word = v1::NodeView::State_Name(state);
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  return state == v1::NodeView::OPEN ? paint(Colour::kGreen, word) : paint(Colour::kYellow, word);
}

std::string used_of(uint32_t used, uint32_t all) {
  return all == 0 && used == 0 ? "-" : fmt::format("{}/{}", used, all);
}

std::string labels_of(const v1::NodeView& node) {
  std::vector<std::string> words;
  for (const auto& [key, value] : node.labels()) words.push_back(fmt::format("{}={}", key, value));
  std::sort(words.begin(), words.end());
  return words.empty() ? "-" : fmt::format("{}", fmt::join(words, ","));
}

std::string text_of(const v1::ListNodesResponse& answer) {
  TextTable table(
      {"POOL", "NODE", "STATE", "SLOTS", "GPUS", "MEMORY", "LABELS", "FAULTS", "RUNS", "BECAUSE"});
  for (const v1::NodeView& node : answer.nodes())
    table.add({node.pool(), node.node(), word_of(node.state()), used_of(node.slots_used(), node.slots()),
               used_of(node.gpus_used(), node.gpus()),
               node.memory_bytes() == 0 ? "-" : format_bytes(node.memory_bytes()), labels_of(node),
               fmt::format("{}", node.faults()),
               node.runs_size() == 0 ? "-" : fmt::format("{}", fmt::join(node.runs(), ",")),
               fmt::format("{}", fmt::join(node.reasons(), "; "))});
  return table.text();
}

Result<int> nodes(const Context& context) {
  const auto answer = TRY((call<v1::ListNodesResponse>(context, "rekindle.v1.InventoryService/ListNodes",
                                                       v1::ListNodesRequest())));
  print(context.json ? json_of(answer) : text_of(answer));
  return kOk;
}

Result<int> change(const Context& context, const v1::ChangeNodeRequest& request) {
  const auto node = TRY((call<v1::NodeView>(context, "rekindle.v1.InventoryService/ChangeNode", request)));
  if (context.json) print(json_of(node));
  std::string text = fmt::format("{} is {}", node.node(), word_of(node.state()));
  if (node.reasons_size() > 0) text += fmt::format(": {}", fmt::join(node.reasons(), "; "));
  if (node.state() == v1::NodeView::DRAINING)
    text += fmt::format("; asked to save and leave: {}", fmt::join(node.runs(), ", "));
  context.say(text);
  return kOk;
}

void add_change(CLI::App& app, Context& context, Verb& verb, const std::string& name, const std::string& help,
                v1::ChangeNodeRequest::Change change_to) {
  auto request = std::make_shared<v1::ChangeNodeRequest>();
  request->set_change(change_to);
  CLI::App* sub = app.add_subcommand(name, help);
  sub->add_option("NODE", *request->mutable_node())->required();
  sub->add_option("--pool", *request->mutable_pool(), "where several pools have a node of this name");
  if (change_to != v1::ChangeNodeRequest::UNCORDON)
    sub->add_option("--reason", *request->mutable_reason(), "told to whoever waits for it")->required();
  sub->callback(
      [&context, &verb, request] { verb = [&context, request] { return change(context, *request); }; });
}

}  // namespace

void add_inventory_verbs(CLI::App& app, Context& context, Verb& verb) {
  app.add_subcommand("nodes", "the nodes of pools: state, what is in use, and why one takes no new ranks")
      ->callback([&] { verb = [&context] { return nodes(context); }; });
  add_change(app, context, verb, "cordon", "place nothing new on a node; what is there stays",
             v1::ChangeNodeRequest::CORDON);
  add_change(app, context, verb, "drain", "cordon a node and ask what is there to save and leave",
             v1::ChangeNodeRequest::DRAIN);
  add_change(app, context, verb, "uncordon", "take a node in again, also one that was suspected",
             v1::ChangeNodeRequest::UNCORDON);
}

}  // namespace rekindle::cli
