#include "cli/rows/watching/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "drift/thresholds/joint.h"
#include "proto/time.h"

namespace rekindle::cli {
namespace {

namespace json = boost::json;

constexpr uint64_t kFileBytesMax = 64ull << 20;

}  // namespace

Result<WatchMemory> WatchMemory::load(const fs::path& file) {
  WatchMemory out;
  const Result<std::string> text = read_file(file, kFileBytesMax);
  if (!text.ok() && text.status().code() == Code::kNotFound) return out;
  if (!text.ok()) return text.status();
  try {
    const json::value value = json::parse(*text);
    out.of = value.at("of").as_string();
    for (const json::value& name : value.at("judged").as_array()) out.judged.emplace(name.as_string());
    for (const json::value& hit : value.at("hits").as_array()) out.hits.push_back(hit.as_bool());
    out.alarm_us = value.at("alarm_us").as_int64();
    out.owed = value.at("owed").as_string();
  } catch (const std::exception& error) {
    return data_loss(
        fmt::format("{} is damaged ({}): remove it to judge all files anew", file.string(), error.what()));
  }
  return out;
}

Status WatchMemory::save(const fs::path& file) const {
  json::array names, newest;
  for (const std::string& name : judged) names.emplace_back(name);
  for (const bool hit : hits) newest.emplace_back(hit);
  const json::object out{
      {"of", of}, {"judged", names}, {"hits", newest}, {"alarm_us", alarm_us}, {"owed", owed}};
  TRY_STATUS(make_folders_durably(file.parent_path(), 0700));
  return write_file_durably(file, json::serialize(out) + "\n", 0600);
}

bool WatchMemory::judge(bool hit, int64_t last_us, const v1::Retrain& retrain) {
  const size_t of_newest = std::max<uint32_t>(1, retrain.persistence().of());
  hits.push_back(hit);
  if (hits.size() > of_newest) hits.erase(hits.begin());
  const bool cool = alarm_us == 0 || last_us >= alarm_us + from_proto(retrain.cooldown()).count();
  const size_t wanted = std::clamp<size_t>(retrain.persistence().hits(), 1, of_newest);
  if (!cool || !drift::persistent(hits, wanted, of_newest)) return false;
  alarm_us = last_us;
  hits.clear();
  return true;
}

}  // namespace rekindle::cli
