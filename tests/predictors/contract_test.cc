// The contract of Predictor, on each way to serve the same version.
#include <fmt/format.h>

#include <cmath>
#include <thread>

#include "fixture.h"
#include "net/client.h"

namespace rekindle::models::testing {
namespace {

using ::testing::HasSubstr;

class PredictorContract : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    auto served = serve(GetParam(), folder_.path());
    ASSERT_TRUE(served.ok()) << served.status().message();
    predictor_ = std::move(served).value();
    reference_ = serve(Kind::kBuiltIn, folder_.path()).value();
  }
  void expect_equal(const dataio::Table& rows) {
    const auto got = predictor_->predict(rows);
    ASSERT_TRUE(got.ok()) << got.status().message();
    const auto want = reference_->predict(rows).value();
    ASSERT_EQ(got->width, 1u);
    ASSERT_EQ(got->values.size(), want.values.size());
    // The script computes in double where the others do in float; those two agree to the bit.
    const double slack = GetParam() == Kind::kScript ? 1e-6 : 0;
    for (size_t row = 0; row < want.values.size(); ++row)
      ASSERT_NEAR(got->values[row], want.values[row], slack) << "row " << row;
  }

  TempFolder folder_;
  std::unique_ptr<Predictor> predictor_, reference_;
};

INSTANTIATE_TEST_SUITE_P(Kinds, PredictorContract,
                         ::testing::Values(Kind::kBuiltIn, Kind::kScript, Kind::kProgram),
                         [](const auto& info) { return kind_name(info.param); });

TEST_P(PredictorContract, SameRowsSameAnswersInOrder) {
  for (const size_t count : {1u, 2u, 40u}) expect_equal(some_rows(count));
  const auto answers = predictor_->predict(some_rows(40)).value().values;
  EXPECT_GT(
      *std::max_element(answers.begin(), answers.end()) - *std::min_element(answers.begin(), answers.end()),
      0.1);
}

TEST_P(PredictorContract, NoRowsGiveNoAnswers) {
  const auto got = predictor_->predict(some_rows(0));
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_TRUE(got->values.empty());
}

TEST_P(PredictorContract, TenThousandRows) {
  expect_equal(some_rows(10'000));
}

TEST_P(PredictorContract, ColumnsAreFoundByName) {
  dataio::Table rows = some_rows(20);
  std::reverse(rows.columns.begin(), rows.columns.end());
  rows.add(dataio::number_column("unasked", std::vector<double>(20, 1)));
  expect_equal(rows);
  std::erase_if(rows.columns, [](const dataio::Column& column) { return column.name == "at"; });
  expect_equal(rows);
}

TEST_P(PredictorContract, AMissingColumnIsNamed) {
  dataio::Table rows = some_rows(3);
  std::erase_if(rows.columns, [](const dataio::Column& column) { return column.name == "n2"; });
  const auto got = predictor_->predict(rows);
  ASSERT_FALSE(got.ok());
  EXPECT_THAT(got.status().message(), HasSubstr("n2"));
  expect_equal(some_rows(3));
}

TEST_P(PredictorContract, AColumnOfAnotherTypeIsNamed) {
  dataio::Table rows = some_rows(3);
  std::erase_if(rows.columns, [](const dataio::Column& column) { return column.name == "c1"; });
  rows.add(dataio::number_column("c1", {1, 2, 3}));
  const auto got = predictor_->predict(rows);
  ASSERT_FALSE(got.ok());
  EXPECT_EQ(got.status().code(), Code::kInvalidArgument);
  EXPECT_THAT(got.status().message(), HasSubstr("c1"));
}

TEST_P(PredictorContract, ManyThreadsAtOnce) {
  const dataio::Table rows = some_rows(20);
  const auto want = predictor_->predict(rows).value();
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 24; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        const auto got = predictor_->predict(rows);
        wrong += !got.ok() || *got != want;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(PredictorContract, ItsCardIsTheVersions) {
  EXPECT_EQ(predictor_->card().model(), "m");
  EXPECT_EQ(output_width(predictor_->card()), 1u);
}

TEST_P(PredictorContract, NothingIsLeftOfIt) {
  EXPECT_EQ(processes_of(folder_.path()).empty(), GetParam() == Kind::kBuiltIn);
  predictor_.reset();
  EXPECT_TRUE(processes_of(folder_.path()).empty());
  EXPECT_FALSE(fs::exists(folder_.path() / "scratch" / "s"));
}

// What asks it knows the width; another client goes by the shape.
TEST(RekindlePredict, AnswersInTheShapeThatItsMetadataTells) {
  TempFolder folder;
  v1::ModelCard card = linear_card();
  card.set_output("probabilities");
  card.mutable_label()->set_kind(v1::Label::MULTICLASS);
  for (const char* name : {"a", "b", "c"}) card.mutable_label()->add_classes(name);
  ProcessOptions options = process_options(folder.path());
  options.supervisor.argv = {bin("rekindle-predict"), "--version", options.supervisor.folder};
  write_card(options.supervisor.folder, card);
  ASSERT_TRUE(write_file_durably(options.supervisor.folder / "model.safetensors", linear_weights(card)).ok());
  const auto served = ProcessPredictor::start(card, options);
  ASSERT_TRUE(served.ok()) << served.status().message();
  EXPECT_EQ((*served)->predict(some_rows(5))->values.size(), 15u);

  net::HttpClient client({.url = "unix:" + (options.supervisor.scratch / "s").string()});
  EXPECT_THAT(client.request("GET", "/v2/models/m")->body, HasSubstr(R"("shape":[-1,3])"));
  std::string inputs;
  for (const v1::Column& input : card.inputs()) {
    if (input.type() == v1::TIMESTAMP) continue;
    inputs +=
        fmt::format(R"({}{{"name":"{}","datatype":"{}","shape":[2],"data":[null,null]}})",
                    inputs.empty() ? "" : ",", input.name(), input.type() == v1::TEXT ? "BYTES" : "FP64");
  }
  net::Headers headers;
  headers.add("Content-Type", "application/json");
  const auto reply = client.request("POST", "/v2/models/m/infer", R"({"inputs":[)" + inputs + "]}", headers);
  ASSERT_TRUE(reply.ok()) << reply.status().message();
  EXPECT_THAT(reply->body, HasSubstr(R"("name":"probabilities","datatype":"FP64","shape":[2,3],"data":[)"));
}

}  // namespace
}  // namespace rekindle::models::testing
