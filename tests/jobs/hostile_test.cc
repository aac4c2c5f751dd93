// Specs that somebody wrote to do harm: names that would be more than a name elsewhere, environments, sizes
// and counts without measure, as text and as messages that no text ever was.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "jobs/pools/pools.h"
#include "jobs/values.h"
#include "tests/jobs/builders.h"

namespace rekindle::jobs {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Reflection;
using ::testing::HasSubstr;
using testing::kLeast;
using testing::least;
using testing::with;

std::string refusal(const std::string& yaml) {
  return parse_job(yaml, "s.yaml").status().message();
}

// What would be a directive, a line, a path, a command or an option where a name is written out.
TEST(HostileSpec, ANameIsAName) {
  const char* names[] = {"a\n#SBATCH --uid=0",
                         "a\r",
                         "a\xe2\x80\xa8"
                         "b",
                         "a\x1b[31m",
                         "$(id)",
                         "`id`",
                         "a;b",
                         "a'b",
                         "a\"b",
                         "%j",
                         "../a",
                         "a/b",
                         ".",
                         "..",
                         "-a",
                         "--uid=0",
                         "a b",
                         "a\xe2\x80\xae"
                         "b",
                         "",
                         "\xd0\xb0"};
  for (const std::string name : names) {
    v1::JobSpec spec = least();
    spec.set_name(name);
    EXPECT_EQ(check(spec).code(), Code::kInvalidArgument) << name;
    spec = least();
    spec.set_pool(name);
    if (!name.empty()) {
      EXPECT_EQ(check(spec).code(), Code::kInvalidArgument) << name;
    }
  }
  v1::JobSpec spec = least();
  spec.set_name(std::string(10'000, 'a'));
  EXPECT_FALSE(check(spec).ok());
}

TEST(HostileSpec, ColumnsAndLabelsStandInLines) {
  for (const char* text : {"a\nb", "a\x1b[2J",
                           "a\xc2\x9b"
                           "b",
                           "a\xe2\x80\xa8"
                           "b",
                           "a\"b", "a\\b"}) {
    v1::JobSpec spec = least();
    spec.mutable_data()->set_numeric(0, text);
    EXPECT_THAT(check(spec).message(), HasSubstr("control character")) << text;
  }
  for (const std::string& text : {std::string(300, 'x'), std::string("a\nb"), std::string("\x1b[2J")}) {
    v1::JobSpec spec = least();
    (*spec.mutable_train()->mutable_ranks()->mutable_nodes())["gpu"] = text;
    EXPECT_THAT(check(spec).message(), HasSubstr("1 to 128 bytes without control characters"));
    spec = least();
    (*spec.mutable_train()->mutable_ranks()->mutable_nodes())[text] = "h100";
    EXPECT_THAT(check(spec).message(), HasSubstr("1 to 128 bytes without control characters"));
  }
}

// A spec has no place for environment variables: what a rank finds is the supervisor's list
// (launch_command_test).
TEST(HostileSpec, NoVariableIsTheAuthors) {
  const std::string script = with("  model: linear\n", "  command: [./train]\n  env: {VARIABLE: x}\n") +
                             "predict: {command: [./predict]}\n";
  for (const std::string variable : {"LD_PRELOAD", "LD_LIBRARY_PATH", "PATH", "BASH_ENV", "ENV", "IFS",
                                     "SLURM_JOB_ID", "SBATCH_PARTITION", "OMPI_MCA_btl", "PMIX_MCA_ptl",
                                     "NCCL_NET_PLUGIN", "NCCL_TUNER_PLUGIN", "\"A=B\"", "\"A\\nB\"", "env"})
    EXPECT_THAT(refusal(with("VARIABLE", variable, script)), HasSubstr("unknown key")) << variable;
  EXPECT_THAT(refusal(kLeast + "environment: {PATH: /evil}\n"), HasSubstr("unknown key 'environment'"));
  std::string many = "env: {";
  for (int i = 0; i < 10'000; ++i) many += fmt::format("A{}: x, ", i);
  EXPECT_THAT(refusal(with("env: {VARIABLE: x}", many + "B: y}", script)), HasSubstr("and 9981 more"));
  EXPECT_FALSE(parse_job(with("VARIABLE: x", "A: " + std::string(1'000'000, 'x'), script), "s.yaml").ok());
}

TEST(HostileSpec, ValuesThatLookLikeOptions) {
  const std::string script =
      with("  model: linear\n", "  command: [WORD]\n") + "predict: {command: [./predict]}\n";
  EXPECT_EQ(refusal(with("WORD", "./train, --wrap=id, -oProxyCommand=id", script)), "")
      << "words of one's own script are its own: no program of ours reads them";
  for (const char* image : {"--writable", "-B/:/host"})
    EXPECT_THAT(
        refusal(with("[WORD]", fmt::format("[./train]\n  env: {{container: \"{}\"}}", image), script)),
        HasSubstr("is no image"));
  for (const char* value : {"--wrap=id", "-oProxyCommand=x", "n;rm", "n[1-1000000]", "n\\n#SBATCH --uid=0"})
    for (const char* field : {"partition", "account", "qos", "reservation", "mpi"})
      EXPECT_THAT(
          parse_pools(fmt::format("rekindle: 1\npools: [{{name: a, slurm: {{{}: \"{}\"}}}}]\n", field, value),
                      "pools.yaml")
              .status()
              .message(),
          HasSubstr("may hold letters, digits"))
          << field << " " << value;
}

TEST(HostileSpec, CountsWithoutMeasure) {
  for (const char* ranks :
       {"{count: 0}", "{count: -1}", "{count: 1000000000}", "{count: 4294967297}",
        "{count: 99999999999999999999}", "{min: 1, max: 1000000000}", "{min: 4, max: 2}",
        "{count: 1, gpus: 1000000000}", "{count: 1, memory: 1e30}", "{count: 1, memory: -1}",
        "{count: 1, memory: 99999999999999999999GB}", "{count: 1, memory: 99999999TiB}"})
    EXPECT_FALSE(
        parse_job(with("linear", fmt::format("linear\n  batch: 8192\n  ranks: {}", ranks)), "s.yaml").ok())
        << ranks;
  for (const char* limits :
       {"{crash_retries: 2147483648}", "{crash_retries: 4294967295}", "{node_retries: -1}",
        "{attempt: 99999999999999999w}", "{attempt: 1ms}", "{attempt: 36501d}", "{hang: 0}"})
    EXPECT_FALSE(parse_job(with("linear", fmt::format("linear\n  limits: {}", limits)), "s.yaml").ok())
        << limits;
  for (const char* retrain :
       {"{when: [{age: 1ms}]}", "{when: [{cron: \"* * * * * *\"}]}", "{when: [{every: 1ms}]}",
        "{when: [drift], at_most: {runs: 2147483648}}", "{when: [drift], at_most: {runs: 8, per: 1ms}}",
        "{when: [drift], cooldown: -1d}"})
    EXPECT_FALSE(parse_job(kLeast + fmt::format("retrain: {}\n", retrain), "s.yaml").ok()) << retrain;
}

TEST(HostileSpec, ItsSizeIsBoundedHoweverItComes) {
  v1::JobSpec spec = least();
  for (int i = 0; i < 200'000; ++i) spec.add_waive("train.batchh");
  EXPECT_THAT(check(spec).message(), HasSubstr("a spec has at most 1048576"));
  spec = least();
  for (int i = 0; i < 1'000; ++i) spec.add_waive("train.batch");
  EXPECT_THAT(check(spec).message(), HasSubstr("1000 entries; a spec has"));
  spec = least();
  for (int i = 0; i < 5'000; ++i) spec.mutable_data()->add_numeric(fmt::format("c{}", i));
  EXPECT_THAT(check(spec).message(), HasSubstr("at most 4096"));
}

// Every field in turn holds what no author could write; nested ones, too. Each such message is taken or
// refused.
class Extremes {
 public:
  explicit Extremes(v1::JobSpec good) : good_(std::move(good)) { below(good_); }
  int tried = 0, refused = 0;

 private:
  void judge() {
    ++tried;
    const auto resolved = resolve(good_);
    const Status status = resolved.ok() ? check(resolved->spec) : resolved.status();
    refused += !status.ok();
    if (status.ok()) return;
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.message();
    EXPECT_FALSE(status.message().empty());
  }

  template <typename Value, typename Set>
  void each(google::protobuf::Message& message, const FieldDescriptor& field,
            std::initializer_list<Value> values, Set set) {
    std::unique_ptr<google::protobuf::Message> kept(message.New());
    kept->CopyFrom(message);
    for (const Value& value : values) {
      (message.GetReflection()->*set)(&message, &field, value);
      judge();
      message.CopyFrom(*kept);
    }
  }

  void single(google::protobuf::Message& message, const FieldDescriptor& field) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return each<int32_t>(message, field, {INT32_MIN, -1, 0, INT32_MAX}, &Reflection::SetInt32);
      case FieldDescriptor::CPPTYPE_INT64:
        return each<int64_t>(message, field, {INT64_MIN, -1, 0, INT64_MAX}, &Reflection::SetInt64);
      case FieldDescriptor::CPPTYPE_UINT32:
        return each<uint32_t>(message, field, {0, 1, UINT32_MAX}, &Reflection::SetUInt32);
      case FieldDescriptor::CPPTYPE_UINT64:
        return each<uint64_t>(message, field, {0, 1, UINT64_MAX}, &Reflection::SetUInt64);
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return each<double>(message, field, {-kInfinity, kInfinity, std::nan(""), -1, 0, 5e-324, 1e308},
                            &Reflection::SetDouble);
      case FieldDescriptor::CPPTYPE_ENUM:
        return each<int>(message, field, {-1, 0, 99, INT32_MAX}, &Reflection::SetEnumValue);
      case FieldDescriptor::CPPTYPE_STRING:
        return each<std::string>(
            message, field, {"", std::string(1'025, 'x'), std::string(1, '\0'), "\n", "../..", "-", "@..@"},
            &Reflection::SetString);
      default:
        return;
    }
  }

  void below(google::protobuf::Message& message) {
    const auto& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (field.is_map()) continue;
      const Reflection& access = *message.GetReflection();
      const bool group = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
      if (field.is_repeated()) {
        for (int k = 0; group && k < access.FieldSize(message, &field); ++k)
          below(*access.MutableRepeatedMessage(&message, &field, k));
      } else if (group) {
        if (access.HasField(message, &field)) below(*access.MutableMessage(&message, &field));
      } else {
        single(message, field);
      }
    }
  }

  v1::JobSpec good_;
};

TEST(HostileSpec, EveryFieldMayHoldAnything) {
  const std::string full =
      kLeast + "retrain: {when: [drift, quality, {age: 90d}]}\nserve: {canary: 10%}\ngate: {limit: 0.5}\n";
  const Extremes extremes(resolve(parse_job(full, "s.yaml").value()).value().spec);
  EXPECT_GT(extremes.tried, 300);
  EXPECT_GT(extremes.refused, 150);
}

}  // namespace
}  // namespace rekindle::jobs
