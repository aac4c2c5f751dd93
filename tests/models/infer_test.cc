// The infer call's contract: what is taken, what is refused and with which words.
#include "models/oip/infer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <charconv>
#include <cmath>
#include <random>

namespace rekindle::models {
namespace {

using ::testing::HasSubstr;

const Time kNow = time_from_micros(1'700'000'000'000'000);

v1::ModelCard card() {
  v1::ModelCard card;
  card.set_model("m");
  card.set_time_column("sched");
  card.set_output("probability");
  const auto add = [&](const char* name, v1::ColumnType type) {
    card.add_inputs()->set_name(name);
    card.mutable_inputs(card.inputs_size() - 1)->set_type(type);
  };
  add("sched", v1::TIMESTAMP);
  add("x", v1::NUMBER);
  add("color", v1::TEXT);
  return card;
}

Result<InferRequest> read(const std::string& body) {
  const InferBody parsed = TRY(InferBody::parse(body));
  return parsed.read(card(), InferLimits{.rows_max = 4, .text_bytes_max = 8}, kNow);
}

constexpr const char* kColor = R"({"name":"color","datatype":"BYTES","shape":[2],"data":["red",null]})";
std::string with_x(const std::string& x) {
  return std::string(R"({"inputs":[)") + x + "," + kColor + "]}";
}

TEST(Infer, ReadsColumnsAndMissingValues) {
  const auto request = read(
      R"({"id":"a","inputs":[{"name":"color","datatype":"BYTES","shape":[3],"data":["red",null,"red"]},
          {"name":"x","datatype":"FP32","shape":[3,1],"data":[[1.5],[null],[2]]},
          {"name":"sched","datatype":"INT64","shape":[3],"data":[1500000000000000,1.4e15,1600000000000000]}]})");
  ASSERT_TRUE(request.ok()) << request.status().message();
  EXPECT_EQ(request->rows.rows(), 3u);
  EXPECT_EQ(request->event_us, 1'400'000'000'000'000);
  const auto& x = request->rows.find("x")->numbers;
  EXPECT_EQ(x[0], 1.5);
  EXPECT_TRUE(std::isnan(x[1]));
  EXPECT_EQ(x[2], 2);
  EXPECT_EQ(request->rows.find("color")->text(2), "red");
  EXPECT_TRUE(request->rows.find("color")->missing(1));
  EXPECT_TRUE(dataio::check_table(request->rows).ok());
}

v1::ModelCard deep_card() {
  v1::ModelCard out;
  out.set_time_column("sched");
  out.set_output("probability");
  for (const auto& [name, type] : {std::pair{"image", v1::BYTES}, {"words", v1::TOKENS}}) {
    auto* input = out.add_inputs();
    input->set_name(name);
    input->set_type(type);
  }
  return out;
}

Result<InferRequest> read_deep(const std::string& image, const std::string& words) {
  const InferBody parsed = TRY(
      InferBody::parse(R"({"inputs":[{"name":"image",)" + image + R"(},{"name":"words",)" + words + "}]}"));
  return parsed.read(deep_card(), InferLimits{}, kNow);
}

TEST(Infer, ReadsImagesAndTokens) {
  const std::string image =
      R"("datatype":"BYTES","shape":[3],"parameters":{"content_type":"base64"},"data":["/9gA",null,""])";
  for (const char* words : {R"("datatype":"INT64","shape":[3,2],"data":[[5,7],[3,-1],[-1,-1]])",
                            R"("datatype":"INT32","shape":[3,2],"data":[5,7,3,-1,-1,-1])"}) {
    const auto request = read_deep(image, words);
    ASSERT_TRUE(request.ok()) << request.status().message();
    const auto& blobs = request->rows.find("image")->blobs;
    EXPECT_EQ(*blobs[0], std::string("\xFF\xD8\0", 3));
    EXPECT_EQ(blobs[1], nullptr);
    EXPECT_EQ(*blobs[2], "");
    const auto& lists = request->rows.find("words")->lists;
    EXPECT_EQ(*lists[0], (std::vector<int32_t>{5, 7}));
    EXPECT_EQ(*lists[1], std::vector<int32_t>{3});
    EXPECT_TRUE(lists[2]->empty());
  }
}

TEST(Infer, RefusesWhatIsNoImageOrTokens) {
  const std::string image = R"("datatype":"BYTES","shape":[1],"data":["/9gA"])";
  const std::string words = R"("datatype":"INT32","shape":[1,2],"data":[5,7])";
  ASSERT_TRUE(read_deep(image, words).ok());
  const std::pair<const char*, const char*> images[] = {
      {R"("datatype":"FP64","shape":[1],"data":[1])", "the model takes BYTES (base64 text)"},
      {R"("datatype":"BYTES","shape":[1],"data":["/9g"])",
       "row 0: base64 text has a multiple of 4 characters"},
      {R"("datatype":"BYTES","shape":[1],"data":["/9g?"])", "row 0: no base64: character 4"},
      {R"("datatype":"BYTES","shape":[1],"data":[7])", "a number is no BYTES"},
      {R"("datatype":"BYTES","shape":[1],"parameters":{"content_type":"hex"},"data":["ffd8"])",
       "content type 'hex'; bytes are sent as base64"},
      {R"("datatype":"BYTES","shape":[1],"parameters":{"content_type":7},"data":["/9gA"])",
       "must be a string"}};
  for (const auto& [text, says] : images)
    EXPECT_THAT(read_deep(text, words).status().message(), HasSubstr(says));
  const std::pair<const char*, const char*> lists[] = {
      {R"("datatype":"FP64","shape":[1,2],"data":[5,7])", "the model takes INT64 or INT32"},
      {R"("datatype":"INT32","shape":[1,2],"data":[5])", "'data' has 1 values where 'shape' says 2"},
      {R"("datatype":"INT32","shape":[1,2],"data":[[5]])", "row 0: a list of 2 tokens is needed"},
      {R"("datatype":"INT32","shape":[1,2],"data":[-1,7])", "a token follows a -1"},
      {R"("datatype":"INT32","shape":[1,2],"data":[5,-2])", "whole numbers from 0"},
      {R"("datatype":"INT32","shape":[1,2],"data":[5,null])", "whole numbers from 0"},
      {R"("datatype":"INT32","shape":[1,2],"data":[5,1.5])", "whole numbers from 0"},
      {R"("datatype":"INT32","shape":[1,2],"data":[5,2147483648])", "whole numbers from 0"},
      {R"("datatype":"INT32","shape":[1,2,1],"data":[5,7])", "'shape' must be"},
      {R"("datatype":"INT32","shape":[1,0],"data":[])", "'shape' must be"},
      {R"("datatype":"INT32","shape":[1,4294967296],"data":[5])", "'shape' must be"}};
  for (const auto& [text, says] : lists)
    EXPECT_THAT(read_deep(image, text).status().message(), HasSubstr(says)) << text;
}

TEST(Infer, AbsentEventTimeIsTheClock) {
  const auto request = read(with_x(R"({"name":"x","datatype":"INT64","shape":[2],"data":[1,2]})"));
  ASSERT_TRUE(request.ok()) << request.status().message();
  EXPECT_EQ(request->event_us, to_micros(kNow));
  EXPECT_EQ(request->rows.find("sched")->times, (std::vector<int64_t>(2, to_micros(kNow))));
}

TEST(Infer, IdAndRecordParameter) {
  const auto body =
      InferBody::parse(R"({"id":"a/b","parameters":{"rekindle_record":false,"other":1},"inputs":[]})");
  ASSERT_TRUE(body.ok());
  EXPECT_EQ(body->id(), "a/b");
  EXPECT_FALSE(body->record());
  EXPECT_TRUE(InferBody::parse("{}")->record());
  EXPECT_EQ(InferBody::parse(R"({"id":""})")->id(), "");
}

struct Refusal {
  const char* name;
  std::string body;
  const char* message;
};
void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << refusal.name;
}

class InferRefuses : public ::testing::TestWithParam<Refusal> {};

TEST_P(InferRefuses, WithWords) {
  const auto request = read(GetParam().body);
  ASSERT_FALSE(request.ok());
  EXPECT_EQ(request.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(request.status().message(), HasSubstr(GetParam().message));
}

const char* kX = R"({"name":"x","datatype":"FP64","shape":[2],"data":[1,2]})";

INSTANTIATE_TEST_SUITE_P(
    Table, InferRefuses,
    ::testing::Values(
        Refusal{"cut", R"({"inputs":[)", "not JSON"},
        Refusal{"place", "{\n  \"inputs\": nope}", "line 2, column"},
        Refusal{"trailing", R"({"inputs":[]} x)", "not JSON"},
        Refusal{"nan", with_x(R"({"name":"x","datatype":"FP64","shape":[2],"data":[NaN,2]})"), "not JSON"},
        Refusal{"deep", std::string(100, '['), "not JSON"},
        Refusal{"not_utf8", "{\"id\":\"\xff\"}", "not JSON"},
        Refusal{"no_object", "[]", "must be a JSON object"},
        Refusal{"number_id", R"({"id":7})", "'id' must be a string"},
        Refusal{"long_id", R"({"id":")" + std::string(201, 'a') + "\"}", "1 to 200 bytes"},
        Refusal{"control_id", R"({"id":"a\nb"})", "control character"},
        Refusal{"record_word", R"({"parameters":{"rekindle_record":"no"}})", "true or false"},
        Refusal{"no_inputs", "{}", "'inputs' must be an array"},
        Refusal{"empty_inputs", R"({"inputs":[]})", "one tensor for each of: sched, x, color"},
        Refusal{"unknown", with_x(R"({"name":"y","datatype":"FP64","shape":[2],"data":[1,2]})"),
                "unknown input 'y'; the model takes: sched, x, color"},
        Refusal{"missing", std::string(R"({"inputs":[)") + kX + "]}", "inputs are missing: color"},
        Refusal{"twice", with_x(std::string(kX) + "," + kX), "'x' is given twice"},
        Refusal{"no_name", with_x(R"({"datatype":"FP64","shape":[2],"data":[1,2]})"), "needs a 'name'"},
        Refusal{"no_shape", with_x(R"({"name":"x","datatype":"FP64","data":[1,2]})"), "'shape' is missing"},
        Refusal{"wide", with_x(R"({"name":"x","datatype":"FP64","shape":[2,2],"data":[1,2,3,4]})"),
                "[n] or [n,1]"},
        Refusal{"no_rows", with_x(R"({"name":"x","datatype":"FP64","shape":[0],"data":[]})"),
                "at least one row"},
        Refusal{"negative", with_x(R"({"name":"x","datatype":"FP64","shape":[-1],"data":[]})"),
                "at least one row"},
        Refusal{"huge", with_x(R"({"name":"x","datatype":"FP64","shape":[99999999999999999999],"data":[]})"),
                "[n] or [n,1]"},
        Refusal{"count", with_x(R"({"name":"x","datatype":"FP64","shape":[2],"data":[1]})"),
                "has 1 values where 'shape' says 2"},
        Refusal{"rows_differ", with_x(R"({"name":"x","datatype":"FP64","shape":[3],"data":[1,2,3]})"),
                "'color' has 2 rows"},
        Refusal{"too_many", with_x(R"({"name":"x","datatype":"FP64","shape":[5],"data":[1,2,3,4,5]})"),
                "at most 4"},
        Refusal{"dtype", with_x(R"({"name":"x","datatype":"BYTES","shape":[2],"data":["1","2"]})"),
                "FP64, FP32 or INT64"},
        Refusal{"string_number", with_x(R"({"name":"x","datatype":"FP64","shape":[2],"data":["1",2]})"),
                "'x', row 0: a string is no FP64"},
        Refusal{"bool_number", with_x(R"({"name":"x","datatype":"FP64","shape":[2],"data":[true,2]})"),
                "a boolean is no FP64"},
        Refusal{"nested", with_x(R"({"name":"x","datatype":"FP64","shape":[2],"data":[[1,2],[3]]})"),
                "an array is no FP64"},
        Refusal{"infinite", with_x(R"({"name":"x","datatype":"FP64","shape":[2],"data":[1,1e999]})"),
                "row 1"},
        Refusal{"half_integer", with_x(R"({"name":"x","datatype":"INT64","shape":[2],"data":[1,1.5]})"),
                "1.5 is no INT64"},
        Refusal{"number_text",
                std::string(R"({"inputs":[)") + kX +
                    R"(,{"name":"color","datatype":"BYTES","shape":[2],"data":[1,"a"]}]})",
                "a number is no BYTES"},
        Refusal{"long_text",
                std::string(R"({"inputs":[)") + kX +
                    R"(,{"name":"color","datatype":"BYTES","shape":[2],"data":["123456789","a"]}]})",
                "9 bytes; at most 8"},
        Refusal{"binary",
                with_x(R"({"name":"x","datatype":"FP64","shape":[2],"parameters":{"binary_data_size":16}})"),
                "binary tensors are not taken"},
        Refusal{"other_output", R"({"outputs":[{"name":"logit"}],"inputs":[]})", "unknown output 'logit'"},
        Refusal{
            "future",
            with_x(
                std::string(kX) +
                R"(,{"name":"sched","datatype":"INT64","shape":[2],"data":[1600000000000000,1700100000000000]})"),
            "'sched', row 1: 1700100000000000 is more than a day ahead"},
        Refusal{"seconds",
                with_x(std::string(kX) +
                       R"(,{"name":"sched","datatype":"INT64","shape":[2],"data":[1700000000,1]})"),
                "microseconds since 1970, UTC, and after 1971"},
        Refusal{"time_missing",
                with_x(std::string(kX) +
                       R"(,{"name":"sched","datatype":"INT64","shape":[2],"data":[1600000000000000,null]})"),
                "event time is missing"},
        Refusal{"time_dtype",
                with_x(std::string(kX) + R"(,{"name":"sched","datatype":"FP64","shape":[2],"data":[1,2]})"),
                "INT64 (microseconds"}),
    [](const auto& info) { return info.param.name; });

TEST(Infer, NumbersAreTheNearestDoubles) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const double value = std::ldexp(static_cast<double>(random()), static_cast<int>(random() % 200) - 150);
    const double cents = static_cast<double>(random() % 100'000) / 100;
    for (const double wanted : {value, cents}) {
      char digits[40];
      *std::to_chars(digits, digits + sizeof digits, wanted).ptr = '\0';
      const auto body =
          R"({"name":"x","datatype":"FP64","shape":[2],"data":[)" + std::string(digits) + ",1]}";
      const auto request = read(with_x(body));
      ASSERT_TRUE(request.ok());
      ASSERT_EQ(request->rows.find("x")->numbers[0], wanted) << digits;
    }
  }
}

TEST(Infer, AnswerIsExactAndEscaped) {
  const std::vector<double> values{0.1, 1.0 / 3, 1};
  const std::string text =
      to_json({.model = "m", .version = 7, .id = "a\"b", .output = "probability", .values = &values});
  const auto json = boost::json::parse(text).as_object();
  EXPECT_EQ(json.at("model_version").as_string(), "7");
  EXPECT_EQ(json.at("id").as_string(), "a\"b");
  const auto& output = json.at("outputs").as_array().at(0).as_object();
  EXPECT_EQ(output.at("data").as_array().at(1).as_double(), 1.0 / 3);
  EXPECT_EQ(output.at("shape").as_array().at(0).as_int64(), 3);
}

TEST(Infer, Metadata) {
  EXPECT_EQ(metadata_json(card(), {1, 12}),
            R"({"name":"m","versions":["1","12"],"platform":"rekindle","inputs":[)"
            R"({"name":"sched","datatype":"INT64","shape":[-1]},{"name":"x","datatype":"FP64","shape":[-1]},)"
            R"({"name":"color","datatype":"BYTES","shape":[-1]}],)"
            R"("outputs":[{"name":"probability","datatype":"FP64","shape":[-1]}]})");
}

}  // namespace
}  // namespace rekindle::models
