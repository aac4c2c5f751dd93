// Every way in which a spec is refused, with the words that the author reads.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/jobs/builders.h"

namespace rekindle::jobs {
namespace {

using ::testing::HasSubstr;
using testing::kLeast;
using testing::with;

struct Case {
  std::string name;
  std::string yaml;
  std::string expected;  // part of the message
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.name;
}

std::string spec_with(const std::string& extra) {
  return kLeast + extra;
}

std::vector<Case> cases() {
  return {
      {"unknown_key", with("model: linear", "model: linear\n  bacth: 5"),
       "s.yaml:10:3: unknown key 'bacth'; did you mean 'batch'?"},
      {"unknown_key_at_its_home", spec_with("holdout: 7d\n"),
       "s.yaml:10:1: unknown key 'holdout'; it belongs under 'gate'"},
      {"unknown_key_far", spec_with("frobnicate: 7d\n"),
       "unknown key 'frobnicate'; the keys here are rekindle, name"},
      {"key_in_an_empty_message", with("linear", "{linear: {depth: 3}}"),
       "unknown key 'depth'; nothing may be written here"},
      {"merge_key", with("label: {column: late}", "label: {column: late, <<: {matures: 1d}}"),
       "unknown key '<<'"},
      {"duplicate_key", spec_with("name: other\n"), "s.yaml:10:1: duplicate key 'name'"},
      {"duplicate_nested", with("{column: late}", "{column: late, column: early}"),
       "s.yaml:6:25: duplicate key 'column'"},
      {"second_document", spec_with("---\nname: other\n"), "a second document begins here"},
      {"second_empty_document", spec_with("---\n---\n"), "a second document"},
      {"empty", "", "the file is empty"},
      {"comment_only", "# nothing\n", "the file is empty"},
      {"null_document", "~\n", "a spec is a set of keys"},
      {"list_document", "[a, b]\n",
       "s.yaml:1:1: a spec is a set of keys such as 'name: flight-delay', not a list"},
      {"word_document", "hello\n", "not a single word or number"},
      {"not_yaml", "name: [a, b\n", "not YAML: "},
      {"tab_indent", "data:\n\ttime: x\n", "not YAML"},
      {"not_utf8", "name: \xff\xfe\n", "s.yaml:1:7: a byte here is not UTF-8 text"},
      {"overlong_utf8", "name: \xc0\xaf\n", "not UTF-8"},
      {"nul_byte", std::string("name: a\0b\n", 10), "not UTF-8 text"},
      {"tag", with("name: delay", "name: !!python/name delay"), "means nothing here"},
      {"tag_on_map", with("{column: late}", "!secret {column: late}"),
       "the tag '!secret' means nothing here"},
      {"key_is_a_list", "[a]: b\n", "a key must be a word"},
      {"wrong_type_map_for_text", with("name: delay", "name: {a: b}"),
       "'name' must be one text, not a set of keys"},
      {"wrong_type_list_for_number", with("rekindle: 1", "rekindle: [1]"),
       "'rekindle' must be one number, not a list"},
      {"wrong_type_word_for_list", with("[distance]", "distance"),
       "'numeric' must be a list, as in [a, b]; here is a single word"},
      {"wrong_type_word_for_keys", with("label: {column: late}", "label: late"),
       "'data.label' must be a set of keys (column, kind, matures or classes), not a single word"},
      {"wrong_type_list_for_keys", with("model: linear", "model: [linear]"),
       "must be a set of keys (linear, tabular, cnn, transformer or plugin), not a list"},
      {"no_value", with("name: delay", "name:"),
       "'name' has no value; write for example: name: flight-delay"},
      {"no_value_group", spec_with("gate:\n"), "'gate' has no value"},
      {"text_for_number", with("rekindle: 1", "rekindle: one"), "'rekindle': 'one' is not a whole number"},
      {"quoted_number", with("rekindle: 1", "rekindle: \"1\""),
       "\"1\" is text; write a whole number without quotes"},
      {"wrong_format_version", with("rekindle: 1", "rekindle: 2"), "2 is too large; at most 1"},
      {"octal", with("linear", "linear\n  batch: 0777"),
       "'0777' begins with 0, which some read as octal; write 777"},
      {"octal_0o", with("linear", "linear\n  batch: 0o777"), "'0o777' is not a whole number"},
      {"hex", with("linear", "linear\n  batch: 0x10"), "'0x10' is not a whole number"},
      {"underscores", with("linear", "linear\n  batch: 1_000"), "is not a whole number"},
      {"fraction_for_whole", with("linear", "linear\n  batch: 10.5"), "'10.5' is not a whole number"},
      {"exponent_for_whole", with("linear", "linear\n  batch: 1e3"), "'1e3' is not a whole number"},
      {"negative_unsigned", with("linear", "linear\n  batch: -1"), "-1 is below 0"},
      {"zero_batch", with("linear", "linear\n  batch: 0"), "0 is too small; at least 1"},
      {"huge", with("linear", "linear\n  batch: 99999999999999999999999"), "is too large"},
      {"past_32_bits", with("linear", "linear\n  batch: 4294967296"), "4294967296 is too large"},
      {"above_bound", spec_with("priority: 101\n"), "'priority': 101 is too large; at most 100"},
      {"below_bound", spec_with("priority: -101\n"), "-101 is too small; at least -100"},
      {"nan", spec_with("gate: {margin: .nan}\n"), "'.nan' is not a number"},
      {"nan_word", spec_with("gate: {margin: nan}\n"), "'nan' is not a number"},
      {"infinity", spec_with("gate: {margin: inf}\n"), "'inf' is not a number"},
      {"infinite_by_exponent", spec_with("gate: {margin: 1e999}\n"), "1e999 is too large"},
      {"share_over_100", spec_with("serve: {canary: 110%}\n"), "'110%' is not a share; write 10% or 0.1"},
      {"share_of_words", spec_with("serve: {canary: some}\n"), "'some' is not a share"},
      {"share_nan", spec_with("serve: {canary: nan}\n"), "not a share"},
      {"share_below_bound", with("linear", "linear\n  validation: 0.5%"), "0.5% is too small; at least 1%"},
      {"canary_too_small", spec_with("serve: {canary: 0.001%}\n"), "the smallest share is 0.01%"},
      {"duration_without_unit", with("linear", "linear\n  rows: {last: 180}"),
       "'180' is not a duration; write a whole number and a unit"},
      {"duration_negative", with("linear", "linear\n  rows: {last: -5d}"), "is not a duration"},
      {"duration_overflow", with("linear", "linear\n  rows: {last: 99999999999999d}"), "is not a duration"},
      {"duration_too_long", with("linear", "linear\n  rows: {last: 40000d}"), "is longer than 36500d"},
      {"duration_below_bound", with("linear", "linear\n  limits: {hang: 500ms}"),
       "500ms is too short; at least 1s"},
      {"duration_above_bound", with("numeric:", "slot: 2d\n  numeric:"), "2d is too long; at most 1d"},
      {"enum_case", spec_with("gate: {metric: LOG_LOSS}\n"),
       "'LOG_LOSS' is not one of log_loss, auroc, accuracy, squared_error or absolute_error; did you mean "
       "'log_loss'?"},
      {"enum_unspecified", spec_with("gate: {metric: metric_unspecified}\n"),
       "is not one of log_loss, auroc, accuracy, squared_error or absolute_error"},
      {"enum_typo", spec_with("gate: {metric: logloss}\n"), "did you mean 'log_loss'?"},
      {"bool_yes", spec_with("gate: {approve: yes}\n"), "'yes' is not true or false"},
      {"bool_case", spec_with("gate: {approve: True}\n"), "'True' is not true or false"},
      {"bool_quoted", spec_with("gate: {approve: \"true\"}\n"),
       "'true' is not true or false (without quotes)"},
      {"norway", with("numeric: [distance]", "categorical: [no]"),
       "'no' unquoted may be read as something else than text; write \"no\""},
      {"number_as_text", with("column: late", "column: 15"), "write \"15\""},
      {"null_as_text", with("column: late", "column: ~"), "'column' has no value"},
      {"empty_text", with("column: late", "column: \"\""), "an empty text says nothing"},
      {"oneof_twice", with("model: linear", "model: {linear: {}, tabular: {}}"),
       "'tabular' beside 'linear': only one of linear, tabular, cnn, transformer and plugin may stand here"},
      {"oneof_unknown_word", with("model: linear", "model: lniear"),
       "'lniear' is not one of linear, tabular, cnn, transformer or plugin; did you mean 'linear'?"},
      {"oneof_none", with("model: linear", "model: {}"),
       "say one of linear, tabular, cnn, transformer or plugin"},
      {"word_that_needs_a_value", spec_with("retrain: {when: [age]}\n"),
       "'age' needs a value: {age: a duration such as 7d}"},
      {"missing_top", with("name: delay\n", ""), "missing 'name'; write for example: name: flight-delay"},
      {"missing_nested", with("{column: late}", "{matures: 1d}"), "s.yaml:6:10: missing 'column'"},
      {"missing_when", spec_with("retrain: {cooldown: 1d}\n"),
       "missing 'when'; write for example: when: [drift, quality]"},
      {"empty_when", spec_with("retrain: {when: []}\n"), "missing 'when'"},
      {"bad_name", with("name: delay", "name: Flight Delay"), "Flight Delay"},
      {"path_as_name", with("name: delay", "name: ../delay"), "../delay"},
      {"bad_dataset", with("flights@2013-01", "flights@2013-02..2013-01"), "2013-01 comes before 2013-02"},
      {"dataset_of_its_own", with("flights@2013-01", "delay@2013-01"),
       "the dataset 'delay' has the job's own name"},
      {"label_is_a_feature", with("[distance]", "[distance, late]"),
       "column 'late' is also the label, which no feature may be"},
      {"time_is_a_feature", with("[distance]", "[distance, sched_dep]"),
       "column 'sched_dep' is also the event time"},
      {"label_is_the_time", with("column: late", "column: sched_dep"), "is also the event time"},
      {"feature_twice", with("[distance]", "[distance, distance]"),
       "s.yaml:7:23: column 'distance' is listed twice"},
      {"feature_of_two_kinds", with("[distance]", "[distance]\n  categorical: [distance]"),
       "column 'distance' is also a numeric feature"},
      {"reserved_column", with("[distance]", "[row]"), "column 'row' is a name that rekindle uses itself"},
      {"no_features", with("  numeric: [distance]\n", ""), "no features"},
      {"cnn_without_image", with("  numeric: [distance]\n", "  tokens: words\n", with("linear", "cnn")),
       "the kind cnn reads images; write for example: image: picture"},
      {"cnn_beside_numbers",
       with("numeric: [distance]", "image: picture\n  numeric: [distance]", with("linear", "cnn")),
       "the kind cnn reads data.image alone"},
      {"transformer_beside_categories",
       with("numeric: [distance]", "tokens: words\n  categorical: [carrier]",
            with("linear", "{transformer: {vocabulary: 9}}")),
       "the kind transformer reads data.tokens alone"},
      {"image_for_linear", with("numeric:", "image: picture\n  numeric:"),
       "images are read by the kind cnn alone"},
      {"tokens_for_linear", with("numeric:", "tokens: words\n  numeric:"),
       "tokens are read by the kind transformer alone"},
      {"image_is_the_label", with("numeric: [distance]", "image: late", with("linear", "cnn")),
       "column 'late' is also the label"},
      {"heads_and_width",
       with("numeric: [distance]", "tokens: words",
            with("linear", "{transformer: {vocabulary: 9, width: 66, heads: 4}}")),
       "4 heads do not divide a width of 66"},
      {"too_many_parameters",
       with("numeric: [distance]", "tokens: words",
            with("linear", "{transformer: {vocabulary: 9, width: 2048, heads: 4, layers: 64}}")),
       "million parameters; at most 1000 million"},
      {"too_many_stages",
       with("numeric: [distance]", "image: picture",
            with("linear", "{cnn: {size: 8, blocks: [1, 1, 1, 1, 1]}}")),
       "5 stages halve 8 pixels to nothing; at most 4 fit"},
      {"too_many_channels",
       with("numeric: [distance]", "image: picture",
            with("linear", "{cnn: {width: 256, blocks: [1, 1, 1, 1, 1]}}")),
       "the last of 5 stages would have 4096 channels"},
      {"crop_of_everything",
       with("numeric: [distance]", "image: picture", with("linear", "{cnn: {crop: 20}}")),
       "shifts of 20 of 32 pixels"},
      {"plugin_without_code", with("linear", "{plugin: {library: libmine.so}}"),
       "the folder that holds the plugin's library; write for example: code: build"},
      {"plugin_outside_of_code", with("linear", "{plugin: {library: ../libmine.so}}\n  code: build"),
       "'../libmine.so' must be a file within train.code"},
      {"plugin_that_ends_outside", with("linear", "{plugin: {library: lib/..}}\n  code: build"),
       "'lib/..' must be a file within train.code"},
      {"plugin_on_a_gpu",
       with("linear", "{plugin: {library: a.so}}\n  code: build\n  ranks: {count: 1, gpus: 1}"),
       "a plugin works in the host's memory"},
      {"holdout_eats_rows", with("linear", "linear\n  rows: {last: 7d}"),
       "holding back 7d leaves nothing to train on of the 7d that train.rows reaches back"},
      {"slot_and_day", with("numeric:", "slot: 7h\n  numeric:"), "7h does not divide a day"},
      {"window_and_slot", spec_with("retrain: {when: [drift], window: 90m}\n"),
       "90m is no multiple of data.slot 1h"},
      {"ranks_over_batch", with("linear", "linear\n  batch: 2\n  ranks: {count: 3}"),
       "3 ranks share a batch of 2 rows"},
      {"parts_over_batch", with("linear", "linear\n  batch: 8\n  accumulate: 5\n  ranks: {count: 2}"),
       "2 ranks of 5 parts cut a batch of 8 rows into less than a row each; at most 4"},
      {"nesterov_without_momentum",
       with("linear", "linear\n  optimizer: {sgd: {nesterov: true, momentum: 0}}"),
       "Nesterov needs momentum"},
      {"tf32_on_a_cpu", with("linear", "linear\n  tf32: true"), "TF32 is of GPUs"},
      {"start_from_version_0", with("linear", "linear\n  start: {version: 0}"),
       "versions are counted from 1"},
      {"too_many_layers",
       with("model: linear", "model: {tabular: {hidden: [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}}"),
       "17 layers; at most 16"},
      {"zero_width", with("model: linear", "model: {tabular: {hidden: [64, 0]}}"),
       "0 is too small; at least 1"},
      {"trigger_twice", spec_with("retrain: {when: [drift, {drift: {psi: 1}}]}\n"),
       "the same kind of trigger stands in retrain.when[0]"},
      {"hits_over_of", spec_with("retrain: {when: [drift], persistence: {hits: 4, of: 3}}\n"),
       "4 of 3 can never be"},
      {"burst_over_runs", spec_with("retrain: {when: [drift], at_most: {runs: 2, burst: 3}}\n"),
       "3 at once is more than the budget of 2"},
      {"cron_of_four_fields", spec_with("retrain: {when: [{schedule: {cron: \"0 3 * *\"}}]}\n"),
       "'0 3 * *' has 4 fields; a time has five"},
      {"cron_that_never_comes", spec_with("retrain: {when: [{schedule: {cron: \"0 0 30 2 *\"}}]}\n"),
       "\"0 0 30 2 *\" never comes"},
      {"schedule_of_nothing", spec_with("retrain: {when: [schedule]}\n"), "say one of every or cron"},
      {"schedule_in_minutes", spec_with("retrain: {when: [{schedule: {every: 10m}}]}\n"),
       "10m is too short; at least 1h"},
      {"no_labels", spec_with("retrain: {when: [{labels: 0}]}\n"), "0 is too small; at least 1"},
      {"weight_out_of_reach", spec_with("retrain: {when: [drift, quality], need: {weight: 2.5}}\n"),
       "2.5 can never be: all triggers together weigh 2"},
      {"weight_of_nothing", spec_with("retrain: {when: [{drift: {}, weight: 0}]}\n"), "at least 0.001"},
      {"estimate_of_more_than_twice", spec_with("retrain: {when: [{estimate: {rise: 150%}}]}\n"),
       "'150%' is not a share"},
      {"need_most", spec_with("retrain: {when: [drift], need: most}\n"),
       "'most' is not one of any, all or weight"},
      {"quiet_for_ever", spec_with("retrain: {when: [drift], quiet: [\"* * * * 1-5\", \"* * * * 0,6\"]}\n"),
       "leaves no minute of the year in which a run may start"},
      {"quiet_in_words", spec_with("retrain: {when: [drift], quiet: [nights]}\n"), "'nights' has 1 fields"},
      {"regret_of_classes",
       with("late}", "late, kind: multiclass, classes: [a, b]}", spec_with("retrain: {when: [regret]}\n")),
       "only for binary labels and regressions"},
      {"balanced_log_loss", with("linear", "linear\n  rows: balanced"),
       "probabilities learned from balanced classes are wrong by log_loss"},
      {"since_drift_upside_down",
       with("linear", "linear\n  rows: {since_drift: {at_least: 90d, at_most: 60d}}"),
       "more than at_most: no window is both"},
      {"since_drift_within_holdout", with("linear", "linear\n  rows: {since_drift: {at_least: 7d}}"),
       "holding back 7d leaves nothing to train on of the 7d"},
      {"reservoir_of_nothing", with("linear", "linear\n  rows: {reservoir: {recent: 90d, at_most: 60d}}"),
       "nothing older is left to draw from"},
      {"candidate_of_nothing", with("linear", "linear\n  candidates: [{}]"),
       "s.yaml:10:16: says nothing that train itself does not"},
      {"candidate_that_is_the_default", with("linear", "linear\n  candidates: [{start: scratch}]"),
       "says nothing that train itself does not; write for example: {start: champion}"},
      {"candidate_twice",
       with("linear", "linear\n  candidates: [{start: champion}, {rows: {last: 90d}}, {start: champion}]"),
       "s.yaml:10:56: says the same as train.candidates[0]"},
      {"candidates_too_many",
       with("linear",
            "linear\n  candidates: [{start: {version: 1}}, {start: {version: 2}}, {start: {version: 3}}, "
            "{start: {version: 4}}, {start: {version: 5}}, {start: {version: 6}}, {start: {version: 7}}, "
            "{start: {version: 8}}, {start: {version: 9}}]"),
       "s.yaml:10:3: 9 entries; at most 8: every run makes a fit of each"},
      {"candidate_unknown_key", with("linear", "linear\n  candidates: [{row: {last: 90d}}]"),
       "unknown key 'row'; did you mean 'rows'?"},
      {"candidate_with_another_seed", with("linear", "linear\n  candidates: [{seed: 2}]"),
       "unknown key 'seed'"},
      {"candidate_within_holdout",
       with("linear", "linear\n  candidates:\n    - {start: champion}\n    - {rows: {last: 7d}}"),
       "s.yaml:12:7: gate.holdout: holding back 7d leaves nothing to train on of the 7d"},
      {"candidate_since_drift_upside_down",
       with("linear", "linear\n  candidates: [{rows: {since_drift: {at_least: 90d, at_most: 60d}}}]"),
       "s.yaml:10:38: more than at_most: no window is both"},
      {"candidate_of_another_world", with("linear", "linear\n  candidates: [{rows: balanced}]"),
       "probabilities learned from balanced classes are wrong by log_loss"},
      {"candidate_that_reads_images", with("linear", "linear\n  candidates: [{model: cnn}]"),
       "data.image: the kind cnn reads images"},
      {"candidate_from_version_0", with("linear", "linear\n  candidates: [{start: {version: 0}}]"),
       "versions are counted from 1"},
      {"auroc_over_one", spec_with("gate: {metric: auroc, limit: 1.5}\n"), "an AUROC is at most 1"},
      {"long_text", with("column: late", "column: " + std::string(2000, 'x')), "is longer than 1024 bytes"},
  };
}

class Refusal : public ::testing::TestWithParam<Case> {};

TEST_P(Refusal, SaysWhatIsWrong) {
  const Result<v1::JobSpec> spec = parse_job(GetParam().yaml, "s.yaml");
  ASSERT_FALSE(spec.ok());
  EXPECT_EQ(spec.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(spec.status().message(), HasSubstr(GetParam().expected));
  EXPECT_THAT(spec.status().message(), ::testing::StartsWith("s.yaml:"));
}

INSTANTIATE_TEST_SUITE_P(Spec, Refusal, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

TEST(Accepted, EveryTriggerEveryBrakeAndEveryChoiceOfRows) {
  const std::string retrain =
      "retrain:\n  when: [drift, {quality: {delta: 0.01}, weight: 2}, {age: 90d}, {schedule: {every: 28d}}, "
      "{labels: 5000}, {estimate: {rise: 100%, false_alarms: 0.1%}}, {regret: {loss: 0.02}, weight: 0.5}]\n"
      "  need: {weight: 2.5}\n  at_most: {runs: 8, rank_time: 100h}\n  clear: 80%\n"
      "  quiet: [\"* 8-17 * * 1-5\", \"0-30 0 1 1 *\"]\n  reuse: true\n";
  for (const char* rows : {"{since_drift: {at_least: 14d, at_most: 90d}}", "since_drift", "decay",
                           "{reservoir: {rows: 5000, recent: 14d}}"}) {
    const auto spec =
        parse_job(with("linear", fmt::format("linear\n  rows: {}", rows), spec_with(retrain)), "s.yaml");
    EXPECT_TRUE(spec.ok()) << spec.status().message();
  }
  for (const char* need : {"any", "all"}) {
    const auto spec = parse_job(
        spec_with(fmt::format(
            "retrain: {{when: [estimate, {{schedule: {{cron: \"0 3 * * 1\"}}}}], need: {}}}\n", need)),
        "s.yaml");
    EXPECT_TRUE(spec.ok()) << spec.status().message();
  }
  const auto balanced =
      parse_job(with("linear", "linear\n  rows: balanced", spec_with("gate: {metric: auroc}\n")), "s.yaml");
  EXPECT_TRUE(balanced.ok()) << balanced.status().message();
}

TEST(Refusals, OneMistakeIsOneLine) {
  for (const Case& one : cases()) {
    if (one.name == "bad_name" || one.name == "path_as_name" || one.name == "cnn_without_image") continue;
    const std::string text = parse_job(one.yaml, "s.yaml").status().message();
    // Texts that are no spec at all, or lack a part, rightly miss several things.
    if (one.yaml.find(kLeast.substr(0, 20)) == std::string::npos) continue;
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 0) << one.name << ":\n" << text;
  }
}

TEST(Refusals, SeveralAtOnceInOrder) {
  const std::string yaml =
      with("name: delay", "nmae: delay", with("late", "yes", with("model: linear", "model: cubic")));
  EXPECT_EQ(parse_job(yaml, "s.yaml").status().message(),
            "s.yaml:1:1: missing 'name'; write for example: name: flight-delay\n"
            "s.yaml:2:1: unknown key 'nmae'; did you mean 'name'?\n"
            "s.yaml:6:19: 'column': 'yes' unquoted may be read as something else than text; write \"yes\"\n"
            "s.yaml:9:10: 'cubic' is not one of linear, tabular, cnn, transformer or plugin");
}

TEST(Refusals, AtMostTwenty) {
  std::string yaml = kLeast;
  for (int i = 0; i < 30; ++i) yaml += fmt::format("unknown{}: 1\n", i);
  const std::string text = parse_job(yaml, "s.yaml").status().message();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 20);
  EXPECT_THAT(text, HasSubstr("and 10 more"));
}

TEST(Refusals, BillionLaughs) {
  std::string yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i)
    yaml += fmt::format("a{}: &a{} [*a{}, *a{}, *a{}, *a{}, *a{}, *a{}, *a{}, *a{}]\n", i, i, i - 1, i - 1,
                        i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
  EXPECT_THAT(parse_job(yaml, "s.yaml").status().message(),
              HasSubstr("aliases expand to more than 1000 values"));
}

TEST(Refusals, AliasInsideItsAnchor) {
  EXPECT_THAT(parse_job("name: &a [*a]\n", "s.yaml").status().message(),
              HasSubstr("this alias stands inside the anchor"));
}

TEST(Refusals, TooDeep) {
  const std::string deep = "name: " + std::string(70, '[') + std::string(70, ']') + "\n";
  EXPECT_THAT(parse_job(deep, "s.yaml").status().message(), HasSubstr("nested deeper than 64 levels"));
  const std::string deeper = std::string(400'000, '[');
  EXPECT_FALSE(parse_job(deeper, "s.yaml").ok());
  EXPECT_FALSE(parse_job(std::string(400'000, '{'), "s.yaml").ok());
  std::string blocks;
  for (int i = 0; i < 600; ++i) blocks += std::string(i, ' ') + "a:\n";
  EXPECT_FALSE(parse_job(blocks, "s.yaml").ok());
}

TEST(Refusals, TooLong) {
  EXPECT_THAT(parse_job(kLeast + "# " + std::string(1 << 20, 'x'), "s.yaml").status().message(),
              HasSubstr("a spec has at most 1048576"));
}

TEST(Refusals, TooManyValues) {
  std::string yaml = "name: [";
  for (int i = 0; i < 60'000; ++i) yaml += "a,";
  EXPECT_THAT(parse_job(yaml + "a]\n", "s.yaml").status().message(), HasSubstr("more than 50000 values"));
}

TEST(Refusals, SmallAliasIsFine) {
  const std::string yaml =
      with("numeric: [distance]", "numeric: &columns [distance]\n  lateness: &hour 1h\n  slot: *hour");
  ASSERT_TRUE(parse_job(yaml, "s.yaml").ok()) << parse_job(yaml, "s.yaml").status().message();
  EXPECT_EQ(parse_job(yaml, "s.yaml")->data().slot().seconds(), 3600);
}

// Any damage to a good spec is refused or read; never a crash, and a refusal always says where.
TEST(Refusals, SurvivesDamage) {
  const std::string good =
      kLeast +
      "retrain: {when: [drift, quality, {age: 90d}], at_most: {runs: 8, per: 365d}}\ngate: {holdout: 7d}\n";
  const std::string alphabet = "{}[]:,-#&*!|>'\"%@`\n\t ~?0aé=<";
  uint64_t state = 42;
  const auto random = [&state](size_t n) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<size_t>(state >> 33) % n;
  };
  for (int round = 0; round < 4000; ++round) {
    std::string yaml = good;
    for (size_t edits = 1 + random(4); edits > 0; --edits) {
      const size_t at = random(yaml.size());
      switch (random(4)) {
        case 0:
          yaml[at] = alphabet[random(alphabet.size())];
          break;
        case 1:
          yaml.insert(at, 1, alphabet[random(alphabet.size())]);
          break;
        case 2:
          yaml.erase(at, 1 + random(8));
          break;
        default:
          yaml.insert(at, yaml.substr(random(yaml.size()), random(40)));
      }
    }
    const Result<v1::JobSpec> spec = parse_job(yaml, "s.yaml");
    if (spec.ok()) {
      EXPECT_TRUE(resolve(*spec).ok() && check(*spec).ok()) << yaml;
    } else {
      EXPECT_THAT(spec.status().message(), ::testing::StartsWith("s.yaml:")) << yaml;
      EXPECT_THAT(spec.status().message(), ::testing::Not(HasSubstr("s.yaml:0:"))) << yaml;
    }
  }
}

}  // namespace
}  // namespace rekindle::jobs
