#include "backtest/policies/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/units.h"

namespace rekindle::backtest {
namespace {

enum class Value { kNone, kMay, kMust };

struct Known {
  const char* name;
  Kind kind;
  Value value;
  double otherwise;
};

constexpr Known kKnown[] = {
    {"rekindle", Kind::kOwn, Value::kNone, 0},   {"never", Kind::kNever, Value::kNone, 0},
    {"always", Kind::kAlways, Value::kNone, 0},  {"every", Kind::kEvery, Value::kMust, 0},
    {"cron", Kind::kCron, Value::kMay, 0},       {"adwin", Kind::kAdwin, Value::kMay, 0.002},
    {"ddm", Kind::kDdm, Value::kNone, 0},        {"hddm-a", Kind::kHddmA, Value::kNone, 0},
    {"static", Kind::kStatic, Value::kMust, 0},  {"dynamic", Kind::kDynamic, Value::kMay, 0.1},
    {"regret", Kind::kRegret, Value::kMay, 0.01}};

constexpr const char* kNames =
    "rekindle, never, always, every:28d, cron[:N], adwin[:0.002], ddm, hddm-a, static:LOSS, dynamic[:10%], "
    "regret[:LOSS]";

Status refuse(const std::string& text) {
  return invalid_argument(fmt::format("'{}' is no policy; there are {}", text, kNames));
}

template <typename Number>
std::optional<Number> number_of(const std::string& text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

Result<Policy> parse_policy(const std::string& text) {
  const size_t colon = text.find(':');
  const std::string name = text.substr(0, colon);
  const std::string value = colon == std::string::npos ? "" : text.substr(colon + 1);
  const auto known = std::find_if(std::begin(kKnown), std::end(kKnown),
                                  [&name](const Known& one) { return name == one.name; });
  if (known == std::end(kKnown)) return refuse(text);
  Policy policy{known->kind, text, Micros(0), 0, known->otherwise};
  const bool given = colon != std::string::npos;
  if (given ? known->value == Value::kNone || value.empty() : known->value == Value::kMust)
    return refuse(text);
  if (!given) return policy;
  if (policy.kind == Kind::kEvery) {
    const auto every = parse_duration(value);
    if (!every.ok() || every->count() < 3'600'000'000) return refuse(text);
    policy.every = *every;
  } else if (policy.kind == Kind::kCron) {
    const auto fits = number_of<uint64_t>(value);
    if (!fits || *fits == 0 || *fits > 10'000) return refuse(text);
    policy.fits = *fits;
  } else if (policy.kind == Kind::kDynamic) {
    const auto share = parse_share(value);
    if (!share.ok() || !(*share > 0)) return refuse(text);
    policy.value = *share;
  } else {
    const auto number = number_of<double>(value);
    if (!number || !(*number > 0) || (policy.kind == Kind::kAdwin && *number >= 1)) return refuse(text);
    policy.value = *number;
  }
  return policy;
}

Result<std::vector<Policy>> parse_policies(const std::vector<std::string>& texts) {
  static const std::vector<std::string> kDefault{"rekindle", "never", "cron", "always"};
  std::vector<Policy> out;
  for (const std::string& text : texts.empty() ? kDefault : texts) {
    Policy policy = TRY(parse_policy(text));
    const bool again =
        std::any_of(out.begin(), out.end(), [&text](const Policy& one) { return one.name == text; });
    if (!again) out.push_back(std::move(policy));
  }
  return out;
}

}  // namespace rekindle::backtest
