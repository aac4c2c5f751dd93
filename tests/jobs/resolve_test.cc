// Defaults, their reasons, and the same rules on messages that never were YAML.
#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include <cmath>
#include <map>

#include "base/files.h"
#include "base/hash.h"
#include "jobs/values.h"
#include "tests/jobs/builders.h"

namespace rekindle::jobs {
namespace {

using google::protobuf::util::MessageDifferencer;
using ::testing::HasSubstr;
using testing::kLeast;
using testing::least;
using testing::with;

std::map<std::string, ResolvedField> by_path(const Resolved& resolved) {
  std::map<std::string, ResolvedField> out;
  for (const ResolvedField& field : resolved.fields)
    EXPECT_TRUE(out.emplace(field.path, field).second) << field.path;
  return out;
}

TEST(Resolve, FillsDefaultsWithReasons) {
  const Resolved resolved = resolve(least()).value();
  const auto fields = by_path(resolved);
  EXPECT_EQ(resolved.spec.train().batch(), 1024u);
  EXPECT_EQ(resolved.spec.gate().holdout().seconds(), 7 * 86400);
  EXPECT_EQ(resolved.spec.gate().metric(), v1::Gate::LOG_LOSS);
  EXPECT_EQ(resolved.spec.data().label().kind(), v1::Label::BINARY);
  EXPECT_DOUBLE_EQ(resolved.spec.serve().canary(), 0.1);
  EXPECT_EQ(resolved.spec.pool(), "local");
  EXPECT_FALSE(resolved.spec.has_retrain());
  EXPECT_FALSE(resolved.spec.gate().has_limit());
  const v1::SpecField& rows = options_of(*v1::Train::descriptor()->FindFieldByName("rows"));
  EXPECT_EQ("{last: " + fields.at("train.rows.last").value + "}", rows.default_());
  EXPECT_TRUE(fields.at("train.rows.last").was_default);
  EXPECT_EQ(fields.at("train.rows.last").reason, rows.reason())
      << "the reason of the whole is that of its parts";
  EXPECT_EQ(fields.at("train.limits.hang_warm").value, "15s");
  EXPECT_EQ(fields.at("train.validation").value, "10%");
  EXPECT_EQ(fields.at("gate.metric").value, "log_loss");
  EXPECT_EQ(fields.at("name").value, "delay");
  EXPECT_FALSE(fields.at("name").was_default);
  EXPECT_EQ(fields.at("name").reason, "written in the spec");
  EXPECT_EQ(fields.at("data.numeric").value, "[distance]");
  EXPECT_EQ(fields.at("train.model.linear").value, "{}");
  for (const auto& [path, field] : fields) EXPECT_FALSE(field.reason.empty()) << path;
}

TEST(Resolve, WrittenValuesStay) {
  const auto spec = parse_job(with("linear",
                                   "{tabular: {hidden: [7], dropout: 0%}}\n  stop: {patience: 0}\n  limits: "
                                   "{crash_retries: 0}\n  seed: 0"),
                              "s.yaml")
                        .value();
  const Resolved resolved = resolve(spec).value();
  EXPECT_EQ(resolved.spec.train().model().tabular().hidden_size(), 1);
  EXPECT_EQ(resolved.spec.train().model().tabular().dropout(), 0);
  EXPECT_EQ(resolved.spec.train().model().tabular().embedding(), 8u);
  EXPECT_EQ(resolved.spec.train().stop().patience(), 0u);
  EXPECT_EQ(resolved.spec.train().stop().epochs(), 10u);
  EXPECT_EQ(resolved.spec.train().limits().crash_retries(), 0u);
  EXPECT_EQ(resolved.spec.train().seed(), 0u);
  EXPECT_FALSE(by_path(resolved).at("train.stop.patience").was_default);
}

TEST(Resolve, TwiceIsOnce) {
  for (const std::string& text :
       {kLeast, kLeast + "retrain: {when: [drift, quality, {age: 90d}], at_most: {runs: 1}}\n"}) {
    const Resolved once = resolve(parse_job(text, "s.yaml").value()).value();
    const Resolved twice = resolve(once.spec).value();
    EXPECT_TRUE(MessageDifferencer::Equals(once.spec, twice.spec));
    EXPECT_EQ(spec_sha256(once.spec), spec_sha256(twice.spec));
  }
}

TEST(Resolve, BareWordsAndKeysMeanTheSame) {
  const auto bare = parse_job(kLeast + "retrain: {when: [drift, quality]}\n", "s.yaml").value();
  const auto keys = parse_job(with("model: linear", "model: {linear: {}}") +
                                  "retrain: {when: [{drift: {}}, {quality: {}}]}\n",
                              "s.yaml")
                        .value();
  EXPECT_TRUE(MessageDifferencer::Equals(bare, keys));
  EXPECT_DOUBLE_EQ(resolve(bare)->spec.retrain().when(0).drift().psi(), 0.25);
  const auto adamw = parse_job(with("model: linear", "model: linear\n  optimizer: adamw"), "s.yaml").value();
  EXPECT_DOUBLE_EQ(resolve(adamw)->spec.train().optimizer().adamw().rate(), 0.001);
}

TEST(Resolve, DefaultBurstGivesWayToASmallBudget) {
  const auto spec = parse_job(kLeast + "retrain: {when: [drift], at_most: {runs: 1}}\n", "s.yaml").value();
  const Resolved resolved = resolve(spec).value();
  EXPECT_EQ(resolved.spec.retrain().at_most().burst(), 1u);
  EXPECT_EQ(by_path(resolved).at("retrain.at_most.burst").value, "1");
  EXPECT_TRUE(check(spec).ok());
}

TEST(Resolve, RefusesMessagesFromElsewhere) {
  const auto refused = [](auto change) {
    v1::JobSpec spec = least();
    change(spec);
    const Status status = check(spec);
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    return status.message();
  };
  EXPECT_THAT(check(v1::JobSpec()).message(), HasSubstr("name: missing 'name'"));
  EXPECT_THAT(refused([](auto& s) { s.mutable_train()->clear_model(); }),
              HasSubstr("train: say one of model and command"));
  EXPECT_THAT(refused([](auto& s) { s.mutable_train()->mutable_model()->clear_kind(); }),
              HasSubstr("train.model: say one of linear, tabular, cnn, transformer or plugin"));
  EXPECT_THAT(refused([](auto& s) { s.mutable_gate()->set_margin(std::nan("")); }),
              HasSubstr("gate.margin: is not a finite number"));
  EXPECT_THAT(refused([](auto& s) { s.mutable_serve()->set_canary(1.5); }),
              HasSubstr("serve.canary: 150% is not a share"));
  EXPECT_THAT(
      refused([](auto& s) { s.mutable_gate()->set_metric(static_cast<v1::Gate::Metric>(99)); }),
      HasSubstr("gate.metric: 99 is not one of log_loss, auroc, accuracy, squared_error or absolute_error"));
  EXPECT_THAT(refused([](auto& s) { s.mutable_data()->mutable_lateness()->set_seconds(-1); }),
              HasSubstr("data.lateness: is below 0"));
  EXPECT_THAT(refused([](auto& s) { s.mutable_data()->mutable_lateness()->set_nanos(1); }),
              HasSubstr("malformed duration"));
  EXPECT_THAT(refused([](auto& s) { s.mutable_data()->mutable_lateness()->set_seconds(INT64_MAX); }),
              HasSubstr("is longer than 36500d"));
  EXPECT_THAT(refused([](auto& s) { s.mutable_data()->add_numeric(""); }),
              HasSubstr("data.numeric[1]: an empty text"));
  EXPECT_THAT(refused([](auto& s) { s.mutable_data()->add_numeric("late"); }),
              HasSubstr("data.numeric[1]: column 'late' is also the label"));
  EXPECT_THAT(refused([](auto& s) { s.set_priority(1000); }), HasSubstr("priority: 1000 is too large"));
  EXPECT_THAT(
      refused([](auto& s) { s.mutable_retrain()->add_when(); }),
      HasSubstr("retrain.when[0]: say one of drift, quality, age, schedule, labels, estimate or regret"));
}

TEST(Resolve, HashTellsSpecsApart) {
  const Resolved one = resolve(least()).value();
  v1::JobSpec other = one.spec;
  other.mutable_train()->set_batch(1023);
  EXPECT_TRUE(is_sha256_hex(spec_sha256(one.spec)));
  EXPECT_NE(spec_sha256(one.spec), spec_sha256(other));
}

// A number whose default is not zero and that may be zero must be able to say "I was written".
void check_presence(const google::protobuf::Descriptor& type) {
  for (int i = 0; i < type.field_count(); ++i) {
    const Field& field = *type.field(i);
    if (is_group(field)) check_presence(*field.message_type());
    const v1::SpecField& spec = options_of(field);
    const bool number = field.cpp_type() != Field::CPPTYPE_MESSAGE &&
                        field.cpp_type() != Field::CPPTYPE_STRING &&
                        field.cpp_type() != Field::CPPTYPE_ENUM && field.cpp_type() != Field::CPPTYPE_BOOL;
    if (!number || field.is_repeated() || field.has_presence()) continue;
    const bool zero_default = spec.default_().empty() || spec.default_() == "0";
    const bool zero_refused = !spec.at_least().empty() && spec.at_least()[0] != '-' && spec.at_least() != "0";
    EXPECT_TRUE(zero_default || zero_refused) << field.full_name() << " must be optional";
  }
}

TEST(Schema, ZeroIsNeverTakenForSilence) {
  check_presence(*v1::JobSpec::descriptor());
}

void check_options(const google::protobuf::Descriptor& type) {
  for (int i = 0; i < type.field_count(); ++i) {
    const Field& field = *type.field(i);
    const v1::SpecField& spec = options_of(field);
    EXPECT_FALSE(spec.help().empty()) << field.full_name();
    EXPECT_TRUE(spec.default_().empty() || !spec.reason().empty())
        << field.full_name() << " has a default without a reason";
    EXPECT_TRUE(spec.default_().empty() || spec.required_example().empty()) << field.full_name();
    if (is_group(field)) check_options(*field.message_type());
  }
}

TEST(Schema, EveryFieldHasHelpAndEveryDefaultAReason) {
  check_options(*v1::JobSpec::descriptor());
  check_options(*v1::ImportSpec::descriptor());
}

TEST(Examples, AllParseResolveAndCheck) {
  int specs = 0;
  for (const auto& entry : fs::directory_iterator("jobs/specs")) {
    const auto spec = parse_job(read_file(entry.path()).value(), entry.path().string());
    ASSERT_TRUE(spec.ok()) << spec.status().message();
    EXPECT_TRUE(check(*spec).ok());
    EXPECT_EQ(entry.path().extension(), ".yaml");
    ++specs;
  }
  EXPECT_GE(specs, 2);
}

TEST(Examples, FlightDelaySaysWhatItSays) {
  const auto spec = parse_job(read_file("jobs/specs/flight-delay.yaml").value(), "flight-delay.yaml").value();
  EXPECT_EQ(spec.name(), "flight-delay");
  EXPECT_EQ(spec.data().numeric_size(), 7);
  EXPECT_EQ(spec.data().categorical_size(), 4);
  EXPECT_EQ(spec.train().model().tabular().hidden(1), 64u);
  EXPECT_EQ(spec.train().ranks().count(), 2u);
  EXPECT_EQ(spec.retrain().when_size(), 3);
  EXPECT_EQ(spec.retrain().when(2).age().seconds(), 90 * 86400);
  EXPECT_FALSE(spec.train().has_limits()) << "as written: defaults are resolve()'s";
}

TEST(Examples, ImportOfFlights) {
  const auto spec = parse_import(read_file("jobs/imports/flights.yaml").value(), "flights.yaml").value();
  EXPECT_EQ(spec.dataset(), "flights");
  EXPECT_EQ(spec.rows().missing(), "NA");
  EXPECT_EQ(spec.join(0).shift().seconds(), 3600);
  EXPECT_EQ(spec.derive(1).minute_of_day().hour(), "hour");
  EXPECT_EQ(spec.derive(3).compare().op(), v1::Compare::GREATER);
  EXPECT_EQ(spec.derive(3).compare().value(), 15);
  EXPECT_EQ(spec.keep_size(), 13);
  EXPECT_EQ(spec.snapshot_by_size(), 2);
}

TEST(Import, RefusesWhatDoesNotJoinUp) {
  const std::string good =
      "rekindle: 1\ndataset: d\nrows: {file: a.csv, types: {zip: text}}\nkeep: [t, x]\ntime: t\n";
  const auto refusal = [](const std::string& text) {
    const auto spec = parse_import(text, "i.yaml");
    return spec.ok() ? std::string() : spec.status().message();
  };
  EXPECT_EQ(refusal(good), "");
  EXPECT_EQ(parse_import(good, "i.yaml")->rows().types().at("zip"), v1::TEXT);
  EXPECT_THAT(refusal(with("zip: text", "zip: string", good)),
              HasSubstr("'zip': 'string' is not one of number, text, timestamp, bool, bytes or tokens"));
  EXPECT_THAT(refusal(with("time: t", "time: u", good)),
              HasSubstr("column 'u' is not among those that are kept"));
  EXPECT_THAT(refusal(with("a.csv", "../a.csv", good)), HasSubstr("must lie inside the folder"));
  EXPECT_THAT(refusal(with("a.csv", "/etc/passwd", good)), HasSubstr("must lie inside the folder"));
  EXPECT_THAT(refusal(with("[t, x]", "[t, x, x]", good)), HasSubstr("column 'x' is listed twice"));
  EXPECT_THAT(refusal(good + "join: [{source: {file: b.csv}, take: [y]}]\n"),
              HasSubstr("says neither 'on' nor 'hour'"));
  EXPECT_THAT(refusal(good + "join: [{source: {file: b.csv}, on: [x], shift: 1h, take: [y]}]\n"),
              HasSubstr("a shift moves 'hour'"));
  EXPECT_THAT(refusal(good + "derive: [{column: y}]\n"),
              HasSubstr("say one of add_minutes, minute_of_day, weekday, compare or part_of_time"));
  EXPECT_THAT(refusal(good + "derive: [{column: y, weekday: {year: a, month: b}}]\n"),
              HasSubstr("missing 'day'"));
  EXPECT_THAT(refusal(good + "derive: [{column: y, compare: {column: x, value: 3}}]\n"),
              HasSubstr("missing 'op'"));
}

TEST(DatasetRef, Forms) {
  EXPECT_EQ(parse_dataset_ref("flights")->first, "");
  EXPECT_EQ(parse_dataset_ref("flights@2013-01")->last, "2013-01");
  const DatasetRef range = parse_dataset_ref("flights@2013-02..2013-12").value();
  EXPECT_EQ(range.dataset, "flights");
  EXPECT_EQ(range.first, "2013-02");
  EXPECT_EQ(range.last, "2013-12");
  for (const char* bad : {"", "@", "flights@", "flights@a..", "flights@..b", "fl ights", "a@b@c", "a@../b"})
    EXPECT_FALSE(parse_dataset_ref(bad).ok()) << bad;
}

}  // namespace
}  // namespace rekindle::jobs
