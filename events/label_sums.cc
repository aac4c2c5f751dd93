#include "events/label_sums.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "base/hash.h"
#include "drift/feed/labels.h"

namespace rekindle::events {

namespace {

// Rows of a slot whose columns are held against their labels: more would tell no more.
constexpr size_t kToldRowsMax = 2'000;

struct OfSource {
  int64_t rows = 0;
  double loss = 0;
  double mirrored_loss = 0;                 // binary
  std::vector<double> predictions, labels;  // binary
};

void add_rows(const LabelledRequest& request, const ErrorTerms& terms, OfSource& into) {
  const double scale = terms.rule.regression() ? terms.label_scale(request.version) : 1;
  if (!(scale > 0)) return;
  const size_t width = request.predictions.size() / request.labels.size();
  for (size_t i = 0; i < request.labels.size(); ++i) {
    const double label = request.labels[i];
    if (std::isnan(label) || !terms.rule.sound(label)) continue;
    const auto answer = std::span(request.predictions).subspan(i * width, width);
    into.loss += error_share(terms.rule, label, answer, scale);
    ++into.rows;
    if (!terms.rule.binary()) continue;
    into.mirrored_loss += error_share(terms.rule, 1 - label, answer, scale);
    into.predictions.push_back(answer[0]);
    into.labels.push_back(label);
  }
}

// Of many requests those whose ids have the least hashes: the same ones whatever came first.
std::vector<const LabelledRequest*> sampled(std::span<const LabelledRequest> requests) {
  std::vector<std::pair<uint64_t, const LabelledRequest*>> by_hash;
  for (const auto& request : requests) by_hash.emplace_back(stable_hash(request.id), &request);
  std::sort(by_hash.begin(), by_hash.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : a.second->id < b.second->id;
  });
  std::vector<const LabelledRequest*> out;
  size_t rows = 0;
  for (const auto& [hash, request] : by_hash) {
    rows += request->labels.size();
    if (rows > kToldRowsMax && !out.empty()) break;
    out.push_back(request);
  }
  return out;
}

// Columns of the sampled requests beside their labels.
struct Beside {
  std::vector<double> labels;
  std::vector<std::vector<double>> numbers;     // by column; NaN: missing
  std::vector<std::vector<std::string>> texts;  // by column
};

void add_request(const v1::RequestRecord& record, std::span<const double> labels, const ErrorTerms& terms,
                 Beside& into) {
  for (size_t row = 0; row < labels.size(); ++row) {
    if (std::isnan(labels[row]) || !terms.rule.sound(labels[row])) continue;
    into.labels.push_back(labels[row]);
    for (size_t c = 0; c < terms.columns.size(); ++c) {
      const auto at = static_cast<int>(row);
      const v1::ColumnValues* values = nullptr;
      for (const auto& column : record.columns())
        if (column.name() == terms.columns[c].name) values = &column;
      if (terms.columns[c].categorical)
        into.texts[c].push_back(values && at < values->texts_size() ? values->texts(at) : "");
      else
        into.numbers[c].push_back(values && at < values->numbers_size() ? values->numbers(at) : std::nan(""));
    }
  }
}

Result<v1::LabelSums> told(Database& db, const std::string& model, const ErrorTerms& terms,
                           std::span<const LabelledRequest> requests) {
  Beside beside;
  beside.numbers.resize(terms.columns.size());
  beside.texts.resize(terms.columns.size());
  for (const LabelledRequest* request : sampled(requests)) {
    Query q = db.query("SELECT record FROM requests WHERE model = ? AND id = ?");
    if (!TRY(q.with(model, request->id).step())) continue;
    v1::RequestRecord record;
    const std::string_view bytes = q.bytes(0);
    if (!record.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
      return data_loss(fmt::format("request '{}' of model '{}' is damaged", request->id, model));
    add_request(record, request->labels, terms, beside);
  }
  v1::LabelSums out;
  for (size_t c = 0; c < terms.columns.size(); ++c) {
    const std::vector<std::string_view> texts(beside.texts[c].begin(), beside.texts[c].end());
    const drift::Concordance found = terms.columns[c].categorical
                                         ? drift::concordance(texts, beside.labels)
                                         : drift::concordance(beside.numbers[c], beside.labels);
    out.add_told(found.concordant);
    out.add_told_of(found.pairs);
    for (size_t i = 0; i < drift::kToldValues; ++i)
      out.add_told_values(i < beside.numbers[c].size() ? static_cast<float>(beside.numbers[c][i])
                                                       : std::numeric_limits<float>::quiet_NaN());
  }
  return out;
}

}  // namespace

Status sum_labels(Database& db, ModelLog& log, const ErrorTerms& terms, int64_t slot_us,
                  std::span<const LabelledRequest> requests) {
  auto& kept = *log.state.mutable_labels();
  const int64_t horizon = slot_us + terms.slot_us - drift::kFeedMemory.count();
  kept.erase(std::remove_if(kept.begin(), kept.end(), [&](const auto& s) { return s.slot_us() < horizon; }),
             kept.end());
  std::map<std::string, OfSource> sources;
  for (const auto& request : requests) {
    const bool known = sources.size() < drift::kLabelSourcesMax || sources.contains(request.labelled_by);
    add_rows(request, terms, sources[known ? request.labelled_by : std::string(drift::kOthers)]);
  }
  for (const auto& [source, of] : sources) {
    if (of.rows == 0) continue;
    v1::LabelSums& sums = *kept.Add();
    sums.set_slot_us(slot_us);
    sums.set_source(source);
    sums.set_rows(of.rows);
    sums.set_loss(of.loss);
    sums.set_mirrored_loss(of.mirrored_loss);
    const drift::Concordance pairs = drift::concordance(std::span<const double>(of.predictions), of.labels);
    sums.set_pairs(pairs.pairs);
    sums.set_concordant(pairs.concordant);
    sums.set_chance(pairs.chance);
  }
  if (!terms.rule.binary() || sources.empty() || terms.columns.empty()) return ok_status();
  v1::LabelSums all = TRY(told(db, log.name, terms, requests));
  all.set_slot_us(slot_us);
  *kept.Add() = std::move(all);
  return ok_status();
}

}  // namespace rekindle::events
